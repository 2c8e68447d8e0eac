"""The secrets of this application: from settings, or from Key Vault, cached and served stale while the vault is away.

A secret's value may be a comma-separated list, newest first. One read per secret, no right to list (design, Settings).
Figures: facts/key-vault.md 6; the vault's owner advises to cache in memory and to back off 1, 2, 4, 8, 16 s.
"""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.errors import VaultError
from shared.events import Emit
from shared.sealing import Keyring, parse_keys, secret_list

ENCRYPTION_KEY = "token-encryption-key"
AZURE_DEVOPS_SECRET = "azure-devops-client-secret"  # noqa: S105 - the name of a secret, not its value
ENTRA_SECRET = "entra-client-secret"  # noqa: S105 - likewise
NAMES = (ENCRYPTION_KEY, AZURE_DEVOPS_SECRET, ENTRA_SECRET)
FRESH_FOR = timedelta(minutes=5)
STALE_OK_FOR = timedelta(hours=24)
REREAD_EVERY = timedelta(seconds=30)
LONGEST_PAUSE_SECONDS = 16.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A secret as the vault gave it; `expires_at` is informational there, so we watch it ourselves."""

    value: str = field(repr=False)
    expires_at: datetime | None = None


class Secrets(Protocol):
    """Where keys and client secrets come from."""

    def keyring(self) -> Keyring:
        """The encryption keys. Raises VaultError while there are none."""
        ...

    def client_secrets(self, name: str) -> Sequence[str]:
        """A provider's client secrets, newest first. Raises VaultError while there are none."""
        ...

    def reread(self, name: str) -> bool:
        """Read a secret again now, because its value was refused; True when it changed."""
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

    def reread(self, name: str) -> bool:
        """Settings change with a restart only."""
        del name
        return False


class VaultSecrets:
    """Fulfils Secrets with Key Vault."""

    def __init__(self, fetch: Callable[[str], Fetched], *, now: Callable[[], datetime], emit: Emit) -> None:
        self._now = now
        self._cached = {name: _Cached(name, fetch, now, emit) for name in NAMES}
        self._lock = threading.Lock()
        self._keyring: tuple[str, Keyring] | None = None

    def keyring(self) -> Keyring:
        """The keys of the vault; a malformed value keeps the last good one."""
        value = self._cached[ENCRYPTION_KEY].value()
        with self._lock:
            if self._keyring is None or self._keyring[0] != value:
                keys = parse_keys(value)
                if keys:
                    self._keyring = (value, Keyring(keys))
            if self._keyring is None:
                raise VaultError(f"{ENCRYPTION_KEY} is no list of keys")
            return self._keyring[1]

    def client_secrets(self, name: str) -> Sequence[str]:
        """The list of the vault."""
        found = secret_list(self._cached[name].value())
        if not found:
            raise VaultError(f"{name} is empty")
        return found

    def reread(self, name: str) -> bool:
        """At most every 30 s; a vault that does not answer changes nothing."""
        return self._cached[name].reread()


class _Cached:
    """One secret: fresh for five minutes, then renewed by one caller while the others go on with what is there."""

    def __init__(self, name: str, fetch: Callable[[str], Fetched], now: Callable[[], datetime], emit: Emit) -> None:
        self._name = name
        self._fetch = fetch
        self._now = now
        self._emit = emit
        self._flight = threading.Lock()
        self._found: Fetched | None = None
        self._read_at: datetime | None = None
        self._next_try: datetime | None = None
        self._failures = 0
        self._reason = "missing"

    def value(self) -> str:
        found, read_at, now = self._found, self._read_at, self._now()
        if found is None or read_at is None:
            return self._first()
        if now - read_at >= FRESH_FOR and self._flight.acquire(blocking=False):
            try:
                self._renew()
            finally:
                self._flight.release()
        found, read_at = self._found, self._read_at
        assert found is not None
        assert read_at is not None
        if now - read_at > STALE_OK_FOR:
            raise VaultError(f"{self._name} was last read a day ago")
        return found.value

    def reread(self) -> bool:
        before = self._found
        with self._flight:
            if self._read_at and self._now() - self._read_at < REREAD_EVERY:
                return self._found != before
            self._renew()
        return self._found is not None and (before is None or self._found.value != before.value)

    def _first(self) -> str:
        """Everybody waits for the first read, and shares its failure until the next try is due."""
        with self._flight:
            if self._found is None:
                self._renew()
        if self._found is None:
            raise VaultError(f"{self._name} could not be read", reason=self._reason)
        return self._found.value

    def _renew(self) -> None:
        now = self._now()
        if self._next_try and now < self._next_try:
            return
        try:
            self._found, self._read_at = self._fetch(self._name), now
            self._failures, self._next_try = 0, None
        except VaultError as error:
            self._reason = error.reason
            pause = min(2.0**self._failures, LONGEST_PAUSE_SECONDS)
            self._failures += 1
            self._next_try = now + timedelta(seconds=pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            self._emit("vault_stale", reason=error.reason, secret=self._name)


class KeyVault:
    """Reads one secret from Key Vault with the real SDK, without its retries: those live in the cache."""

    def __init__(self, url: str, client_id: str | None) -> None:
        self._url = url
        self._client_id = client_id
        self._lock = threading.Lock()
        self._client: Any = None

    def __call__(self, name: str) -> Fetched:
        """The current version. Raises VaultError whatever went wrong."""
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        try:
            secret = self._connected().get_secret(name)
        except ClientAuthenticationError:
            # The SDK would send the same refused token again until it expires (facts/key-vault.md 3).
            self._client = None
            raise VaultError(f"{name}: not authenticated", reason="unauthenticated") from None
        except (AzureError, ValueError) as error:
            status = getattr(error, "status_code", None)
            raise VaultError(f"{name}: {type(error).__name__} {status}", reason=str(status or "unreachable")) from None
        return Fetched(secret.value or "", secret.properties.expires_on)

    def _connected(self) -> Any:
        """Client and credential, made on first use: their import costs half a second."""
        from azure.identity import ManagedIdentityCredential
        from azure.keyvault.secrets import SecretClient

        with self._lock:
            if self._client is None:
                budget: dict[str, Any] = {"retry_total": 0, "connection_timeout": 1, "read_timeout": 3}
                credential = ManagedIdentityCredential(client_id=self._client_id, **budget)
                self._client = SecretClient(self._url, credential, **budget)
            return self._client
