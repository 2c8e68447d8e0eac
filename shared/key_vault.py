"""One read of one secret from Key Vault, with the real SDK and the managed identity, without the SDK's retries.

Trying again is the work of `shared.secret_cache`.
"""

import re
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from shared.errors import VaultError
from shared.identity import BUDGET, ManagedIdentity
from shared.retry_after import parse_retry_after
from shared.secret_cache import DECIDED, Fetched

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
        client = self._connected()
        try:
            secret = client.get_secret(name)
        except Exception as error:  # noqa: BLE001 - AzureError, ValueError, and what a cut reply lets through
            if getattr(error, "status_code", None) == 401:
                self._drop(client)
            raise self._refused(name, error) from None
        return Fetched(secret.value or "", secret.properties.expires_on)

    def _is_answer(self, error: Exception) -> bool:
        """Whether the vault itself said so, to a caller that it knows; errors of the identity endpoint look alike."""
        url = getattr(getattr(getattr(error, "response", None), "request", None), "url", "")
        return str(url).startswith(self._url) and getattr(error, "status_code", None) != 401

    def _refused(self, name: str, error: Exception) -> VaultError:
        reason = _reason(error) if self._is_answer(error) else _reason_of_silence(error)
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        request_id = str(headers.get("x-ms-request-id"))
        return VaultError(
            f"{name}: {type(error).__name__}, {reason}",
            reason=reason,
            pause=parse_retry_after(headers.get("Retry-After"), self._now()) or 0,
            request_id=request_id if _GUID.fullmatch(request_id) else None,
        )

    def _connected(self) -> Any:
        """Client and credential, made on first use: their import takes a while."""
        from azure.keyvault.secrets import SecretClient

        with self._lock:
            if self._client is None:
                self._client = SecretClient(self._url, ManagedIdentity(self._client_id), **BUDGET)
            return self._client

    def _drop(self, client: Any) -> None:
        """The next call begins with a new credential: the SDK would send a refused token until it expires (facts 3)."""
        with self._lock:
            if self._client is client:
                self._client = None


def _reason(error: Exception) -> str:
    """A fixed word for an answer: the inner code where we know it, else the status."""
    inner = getattr(getattr(error, "error", None), "innererror", None) or {}
    code = inner.get("code") if isinstance(inner, dict) else None
    return code if code in DECIDED else str(getattr(error, "status_code", None))


def _reason_of_silence(error: Exception) -> str:
    """A fixed word for what came in its place."""
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

    from_identity = isinstance(error, ClientAuthenticationError | HttpResponseError)
    return "unauthenticated" if from_identity else "unreachable"
