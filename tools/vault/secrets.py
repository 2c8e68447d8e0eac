"""The secrets of the vault: versions, attributes, soft delete. No HTTP; who may do what is decided before."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

RECOVERABLE_DAYS = 7
RECOVERY_LEVEL = "CustomizedRecoverable+Purgeable"
"""As recorded; the level of a vault without purge protection that keeps what was deleted for fewer than 90 days."""


class RefusalError(Exception):
    """What the service answers instead of doing it: status, code, message, inner code."""

    def __init__(self, status: int, code: str, message: str, inner: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.inner = inner


@dataclass(frozen=True)
class Version:
    """One version; times in unix seconds."""

    id: str
    value: str
    created: int
    updated: int
    enabled: bool = True
    nbf: int | None = None
    exp: int | None = None
    content_type: str | None = None
    tags: dict[str, str] | None = None


@dataclass
class Secret:
    """All versions of a name, oldest first, and when it was deleted (unix seconds)."""

    name: str
    versions: list[Version] = field(default_factory=list)
    deleted_at: float | None = None

    @property
    def current(self) -> Version:
        return self.versions[-1]


class Store:
    """Secrets by name, without regard to case, as the service takes them."""

    def __init__(self, now: Callable[[], float], delete_seconds: Callable[[], float]) -> None:
        self._now = now
        self._delete_seconds = delete_seconds
        self._secrets: dict[str, Secret] = {}

    def set(self, name: str, value: str, **attributes: object) -> tuple[Secret, Version]:
        """A new version, which becomes the current one."""
        secret = self._secrets.get(name.lower())
        if secret is not None and secret.deleted_at is not None:
            raise RefusalError(
                409,
                "Conflict",
                f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in "
                "this state, the secret can only be recovered or purged.",
                "ObjectIsDeletedButRecoverable" if self._is_deleted(secret) else "ObjectIsBeingDeleted",
            )
        moment = int(self._now())
        made = replace(Version(secrets.token_hex(16), value, moment, moment), **attributes)  # type: ignore[arg-type]
        secret = self._secrets.setdefault(name.lower(), Secret(name))
        secret.versions.append(made)
        return secret, made

    def get(self, name: str, version: str) -> tuple[Secret, Version]:
        """A version that is enabled, the current one when `version` is empty; no other steps in for a disabled one."""
        secret, found = self.find(name, version)
        if not found.enabled:
            raise RefusalError(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return secret, found

    def find(self, name: str, version: str) -> tuple[Secret, Version]:
        """A version, disabled ones too; expired ones and those of the future are like any other."""
        secret = self._secrets.get(name.lower())
        if secret is None or secret.deleted_at is not None:
            raise _not_found(name)
        if not version:
            return secret, secret.current
        found = [each for each in secret.versions if each.id == version]
        if not found:
            raise _not_found(f"{name}/{version}")
        return secret, found[0]

    def update(self, name: str, version: str, **changes: object) -> tuple[Secret, Version]:
        """New attributes of a version; its value can't be changed."""
        secret, found = self.find(name, version)
        changed = replace(found, updated=int(self._now()), **changes)  # type: ignore[arg-type]
        secret.versions[secret.versions.index(found)] = changed
        return secret, changed

    def versions(self, name: str) -> tuple[str, list[Version]]:
        """In wire order: by id, which is random; none for a name that is not there (recorded)."""
        secret = self._secrets.get(name.lower())
        if secret is None or secret.deleted_at is not None:
            return name, []
        return secret.name, sorted(secret.versions, key=lambda each: each.id)

    def all(self) -> list[Secret]:
        return sorted((each for each in self._secrets.values() if each.deleted_at is None), key=lambda each: each.name)

    def delete(self, name: str) -> Secret:
        """Soft: the name stays taken, and what was deleted shows up only some seconds later."""
        secret, _ = self.find(name, "")
        secret.deleted_at = self._now()
        return secret

    def deleted(self, name: str) -> Secret:
        secret = self._secrets.get(name.lower())
        if secret is None or not self._is_deleted(secret):
            raise RefusalError(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        return secret

    def all_deleted(self) -> list[Secret]:
        return sorted((each for each in self._secrets.values() if self._is_deleted(each)), key=lambda each: each.name)

    def recover(self, name: str) -> tuple[Secret, Version]:
        secret = self.deleted(name)
        secret.deleted_at = None
        return secret, secret.current

    def purge(self, name: str) -> None:
        del self._secrets[self.deleted(name).name.lower()]

    def _is_deleted(self, secret: Secret) -> bool:
        return secret.deleted_at is not None and self._now() - secret.deleted_at >= self._delete_seconds()


def _not_found(what: str) -> RefusalError:
    return RefusalError(
        404,
        "SecretNotFound",
        f"A secret with (name/id) {what} was not found in this key vault. If you recently deleted this secret you may "
        "be able to recover it using the correct recovery command. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125182",
    )
