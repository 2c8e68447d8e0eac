"""One read of one secret from Key Vault, with the real SDK and the managed identity, without the SDK's retries.

Left alone the SDK sleeps for as long as any answer's Retry-After says, and waits 300 s for a reply
(facts/key-vault.md 6): trying again is the work of the cache in `shared.vault`.
"""

import re
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from shared.errors import VaultError
from shared.retry_after import parse_retry_after
from shared.vault import DECIDED, Fetched

BUDGET: dict[str, Any] = {"retry_total": 0, "connection_timeout": 1, "read_timeout": 3}
"""Of the client and, apart from it, of the credential: each has a pipeline of its own."""
_GUID = re.compile(r"[0-9a-fA-F-]{36}")


class KeyVault:
    """Fetches secrets of one vault; `now` is the clock that an HTTP date in Retry-After is read against."""

    def __init__(self, url: str, client_id: str | None, now: Callable[[], datetime]) -> None:
        """`client_id` names a user-assigned identity; None: the system-assigned one."""
        self._url = url
        self._client_id = client_id
        self._now = now
        self._lock = threading.Lock()
        self._client: Any = None

    def __call__(self, name: str) -> Fetched:
        """The current version. Raises VaultError whatever went wrong."""
        from azure.core.exceptions import ClientAuthenticationError

        client = self._connected()
        try:
            secret = client.get_secret(name)
        except ClientAuthenticationError as error:
            self._drop(client)
            raise self._refused(name, error, "unauthenticated") from None
        except Exception as error:  # noqa: BLE001 - AzureError, ValueError, and what a cut reply lets through
            raise self._refused(name, error, _reason(error)) from None
        return Fetched(secret.value or "", secret.properties.expires_on)

    def _refused(self, name: str, error: Exception, reason: str) -> VaultError:
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        request_id = str(headers.get("x-ms-request-id"))
        return VaultError(
            f"{name}: {type(error).__name__}, {reason}",
            reason=reason,
            pause=parse_retry_after(headers.get("Retry-After"), self._now()) or 0,
            request_id=request_id if _GUID.fullmatch(request_id) else None,
        )

    def _connected(self) -> Any:
        """Client and credential, made on first use: their import costs half a second."""
        from azure.identity import ManagedIdentityCredential
        from azure.keyvault.secrets import SecretClient

        with self._lock:
            if self._client is None:
                credential = ManagedIdentityCredential(client_id=self._client_id, **BUDGET)
                self._client = SecretClient(self._url, credential, **BUDGET)
            return self._client

    def _drop(self, client: Any) -> None:
        """The SDK would send a refused token until it expires, and remembers a refusal of the identity endpoint
        (facts/key-vault.md 3 and 6): the next call begins with a new credential."""
        with self._lock:
            if self._client is client:
                self._client = None


def _reason(error: Exception) -> str:
    """A fixed word: the inner code where we know it, else the status."""
    status = getattr(error, "status_code", None)
    inner = getattr(getattr(error, "error", None), "innererror", None) or {}
    code = inner.get("code") if isinstance(inner, dict) else None
    return code if code in DECIDED else str(status or "unreachable")
