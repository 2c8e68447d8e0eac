"""The managed identity as a credential of the SDK, for the token store and the federated credential of Entra ID."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

if TYPE_CHECKING:
    from azure.identity import ManagedIdentityCredential

BUDGET: dict[str, Any] = {"retry_total": 0, "connection_timeout": 1, "read_timeout": 3}
"""In place of the SDK's 300 s, and of its sleeping for as long as any Retry-After says (facts/key-vault.md 6)."""


class ManagedIdentity:
    """Fulfils the SDK's TokenCredential; begun anew after every failure.

    MSAL remembers a 429 or 5xx of the identity endpoint for up to an hour and refuses by itself meanwhile
    (facts/key-vault.md 6): a process would stay without its store long after the endpoint is well again.
    """

    def __init__(self, client_id: str | None) -> None:
        """`client_id` names a user-assigned identity; None: the system-assigned one."""
        self._client_id = client_id
        self._lock = threading.Lock()
        self._credential: ManagedIdentityCredential | None = None

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token, cached by the SDK. Raises AzureError or ValueError."""
        token: AccessToken = self._ask(lambda credential: credential.get_token(*scopes, **options))
        return token

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """The same, with the moment to renew it."""
        token: AccessTokenInfo = self._ask(lambda credential: credential.get_token_info(*scopes, options=options))
        return token

    def _ask[Token](self, question: "Callable[[ManagedIdentityCredential], Token]") -> Token:
        credential = self._current()
        try:
            return question(credential)
        except Exception:
            with self._lock:
                if self._credential is credential:
                    self._credential = None
            raise

    def _current(self) -> "ManagedIdentityCredential":
        """Made on first use: its import costs half a second."""
        from azure.identity import ManagedIdentityCredential

        with self._lock:
            self._credential = self._credential or ManagedIdentityCredential(client_id=self._client_id, **BUDGET)
            return self._credential
