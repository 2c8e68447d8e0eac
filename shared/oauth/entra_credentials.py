"""How this application proves itself to Entra ID: a client secret, or none at all.

Without a secret the managed identity is the credential: its token for `api://AzureADTokenExchange` is the client
assertion of a federated credential (RFC 7523 section 2.2), so there is nothing to store, to leak or to rotate.
"""

from collections.abc import Callable, Mapping, Sequence

from shared.errors import VaultError
from shared.sealing import id_of

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FEDERATED_SCOPE = "api://AzureADTokenExchange/.default"
FEDERATED_ID = "federated"


class Credentials:
    """The client secrets, newest first, else a fresh assertion of the managed identity."""

    def __init__(
        self,
        *,
        client_secrets: Callable[[], Sequence[str]] | None,
        reread: Callable[[], None],
        assertion: Callable[[], str],
    ) -> None:
        """`client_secrets` is None where only the identity is configured; `assertion` raises VaultError."""
        self._client_secrets = client_secrets
        self._assertion = assertion
        self.reread = reread

    def values(self) -> Sequence[str]:
        """What to authenticate with, best first. Raises VaultError when there is nothing."""
        if self._client_secrets is not None:
            try:
                return self._client_secrets()
            except VaultError as error:
                if error.reason != "404":
                    raise
        return (self._marked(self._assertion()),)

    def fields(self, value: str) -> Mapping[str, str]:
        """The form fields that carry a value."""
        if value.startswith(_MARK):
            return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": value.removeprefix(_MARK)}
        return {"client_secret": value}

    def identify(self, value: str) -> str:
        """The id to store beside the tokens; assertions are new each time, so they share one."""
        return FEDERATED_ID if value.startswith(_MARK) else id_of(value)

    def _marked(self, assertion: str) -> str:
        return _MARK + assertion


_MARK = "assertion "
"""No client secret holds a blank (RFC 6749 appendix A.2 allows one, Entra ID makes none)."""
