"""The secrets of this application: from settings, or from Key Vault, cached and served stale while the vault is away.

A secret's value may be a comma-separated list, newest first. One read per secret, no right to list (design, Settings).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from shared.errors import VaultError
from shared.events import Emit
from shared.sealing import Keyring, parse_keys, secret_list
from shared.secret_cache import MALFORMED, CachedSecret, Fetched

ENCRYPTION_KEY = "token-encryption-key"
AZURE_DEVOPS_SECRET = "azure-devops-client-secret"  # noqa: S105 - the name of a secret, not its value
ENTRA_SECRET = "entra-client-secret"  # noqa: S105 - likewise


class Secrets(Protocol):
    """Where keys and client secrets come from."""

    def keyring(self) -> Keyring:
        """The encryption keys. Raises VaultError while there are none."""
        ...

    def client_secrets(self, name: str) -> Sequence[str]:
        """A provider's client secrets, newest first. Raises VaultError while there are none."""
        ...

    def reread(self, name: str) -> None:
        """Read a secret again now, because its value was refused; never raises."""
        ...

    def check(self) -> None:
        """Whether all is well with every secret. Raises VaultError for one that is missing, expired or not renewed."""
        ...

    def first_end(self) -> datetime | None:
        """When the first of the secrets expires; None when none says so."""
        ...


class SettingSecrets:
    """Fulfils Secrets with values of the settings."""

    def __init__(self, keys: Sequence[bytes], client_secrets: Mapping[str, Sequence[str]]) -> None:
        self._keyring = Keyring(keys)
        self._client_secrets = client_secrets

    def keyring(self) -> Keyring:
        """The keys of TOKEN_ENCRYPTION_KEY."""
        return self._keyring

    def client_secrets(self, name: str) -> Sequence[str]:
        """The list of the setting."""
        return self._client_secrets[name]

    def reread(self, name: str) -> None:
        """Settings change with a restart only."""

    def check(self) -> None:
        """They were checked when they were read."""

    def first_end(self) -> datetime | None:
        """A setting has no end."""
        return None


class VaultSecrets:
    """Fulfils Secrets with Key Vault."""

    def __init__(
        self,
        fetch: Callable[[str], Fetched],
        *,
        required: Iterable[str],
        optional: Iterable[str] = (),
        now: Callable[[], datetime],
        emit: Emit,
    ) -> None:
        """`required` and `optional` are names of client secrets; only of an optional one may there be none at all."""
        self._keys = CachedSecret(ENCRYPTION_KEY, fetch, self._parsed_keys, now, emit)
        self._client_secrets = {
            **{name: CachedSecret(name, fetch, _parsed_list, now, emit) for name in required},
            **{name: CachedSecret(name, fetch, _parsed_list, now, emit, optional=True) for name in optional},
        }

    def keyring(self) -> Keyring:
        """The keys of the vault; one that is not among them is looked for there once.

        Whoever has them gets the client secrets too, and has them renewed: a process that serves pages only must be
        able to refresh when the vault is gone.
        """
        keys = self._keys.value()
        for secret in self._client_secrets.values():
            secret.prefetch()
        return keys

    def client_secrets(self, name: str) -> Sequence[str]:
        """The list of the vault."""
        return self._client_secrets[name].value()

    def reread(self, name: str) -> None:
        """At most every 30 s."""
        self._client_secrets[name].reread()

    def check(self) -> None:
        """Looks at the secrets in use alone; reads what was not read yet."""
        self._keys.check()
        for secret in self._client_secrets.values():
            secret.check()

    def first_end(self) -> datetime | None:
        """Of the secrets in use; one that can't be had counts for nothing."""
        ends = [secret.expires_at() for secret in (self._keys, *self._client_secrets.values())]
        return min((end for end in ends if end), default=None)

    def _parsed_keys(self, value: str) -> Keyring:
        keys = parse_keys(value)
        if not keys:
            raise VaultError(f"{ENCRYPTION_KEY} is no list of keys of 64 hex digits", reason=MALFORMED)
        return Keyring(keys, renewed=self._renewed_keys)

    def _renewed_keys(self) -> Keyring:
        self._keys.reread()
        return self._keys.value()


def _parsed_list(value: str) -> Sequence[str]:
    found = secret_list(value)
    if not found:
        raise VaultError("a client secret is empty", reason=MALFORMED)
    return found
