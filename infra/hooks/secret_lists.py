"""The secrets of the vault as the application reads them: comma-separated, newest first. No I/O.

The first key seals and all of them open; client secrets are tried in order. The public id of an entry is the first
8 hex digits of its SHA-256, as in `shared/sealing.py`: it may be shown and logged.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from console import HookError

ENCRYPTION_KEY = "token-encryption-key"
CLIENT_SECRETS = {"azure-devops": "azure-devops-client-secret", "entra": "entra-client-secret"}

_KEY = re.compile(r"[0-9a-fA-F]{64}")


def new_key() -> str:
    """A key for AES-256: 64 hex digits from the operating system's generator."""
    return secrets.token_hex(32)


def is_key(text: str) -> bool:
    """Whether the application would take it for a key."""
    return _KEY.fullmatch(text) is not None


def entries(text: str) -> list[str]:
    """The entries of a stored list, newest first."""
    return [part.strip() for part in text.split(",") if part.strip()]


def keys(text: str) -> list[str]:
    """The entries of a stored list of encryption keys. Raises HookError unless every one is a key."""
    found = entries(text)
    if not found or not all(is_key(key) for key in found):
        raise HookError(
            f"{ENCRYPTION_KEY} in the vault is not a list of keys of 64 hex digits; it was left as it is. Look at its "
            "earlier versions before anything is written: what they sealed opens with nothing else."
        )
    return found


def with_newest(text: str, newest: str) -> str:
    """The list with `newest` first and everything else kept behind it, once."""
    return ",".join([newest, *(entry for entry in entries(text) if entry != newest)])


def id_of(entry: str) -> str:
    """The public id of a key or client secret."""
    raw = bytes.fromhex(entry) if is_key(entry) else entry.encode()
    return hashlib.sha256(raw).hexdigest()[:8]


def ids_of(text: str) -> str:
    """The public ids of a list, for people."""
    return ", ".join(id_of(entry) for entry in entries(text))
