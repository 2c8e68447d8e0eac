"""Authenticated encryption of what we store: AES-256-GCM, bound to the one place where it may stand.

Envelope: format (1 byte) ‖ key id (4 bytes) ‖ nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes).
Additional data: format ‖ key id ‖ table ‖ PartitionKey ‖ RowKey ‖ property ‖ generation ‖ provider, each preceded
by its length, so that no two places share their bytes. Nonces are random (NIST SP 800-38D section 8.2.2): a key is to
be replaced long before 2^32 seals.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import UnknownKey, Unreadable

FORMAT = 1
KEY_BYTES = 32
KEY_ID_BYTES = 4
NONCE_BYTES = 12
TAG_BYTES = 16
HEADER_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands; a value opens nowhere else."""

    table: str
    partition_key: str
    row_key: str
    property: str
    generation: int
    provider: str

    def __post_init__(self) -> None:
        if not (self.table and self.partition_key and self.row_key and self.property and self.provider):
            raise ValueError("a place to seal for has no empty part")


def id_of(secret: str | bytes) -> str:
    """The public id of a key or client secret: first 8 hex digits of its SHA-256."""
    raw = secret.encode() if isinstance(secret, str) else secret
    return hashlib.sha256(raw).hexdigest()[: 2 * KEY_ID_BYTES]


class Keyring:
    """Keys, newest first: the newest seals, all open."""

    def __init__(self, keys: Sequence[bytes], *, renewed: Callable[[], "Keyring"] | None = None) -> None:
        """`keys` are 32 bytes each; at least one.

        `renewed` gives the keys of now: it is asked when an envelope names a key that is not here, because another
        process may have learned of a rotation before this one.
        """
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError("a keyring holds keys of 32 bytes")
        self._ciphers = {id_of(key): AESGCM(key) for key in reversed(keys)}
        self._renewed = renewed
        self.newest_id = id_of(keys[0])

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._ciphers)})"

    def seal(self, plaintext: bytes, place: Place) -> bytes:
        """Encrypt for `place` under the newest key."""
        nonce = os.urandom(NONCE_BYTES)
        header = bytes([FORMAT]) + bytes.fromhex(self.newest_id)
        ciphertext = self._ciphers[self.newest_id].encrypt(nonce, plaintext, _bound(header, place))
        return header + nonce + ciphertext

    def open(self, envelope: bytes, place: Place) -> bytes:
        """Decrypt what was sealed for `place`.

        Raises UnknownKey when the envelope names a key that is not here, Unreadable for every other reason alike.
        """
        if len(envelope) < HEADER_BYTES + TAG_BYTES or envelope[0] != FORMAT:
            raise Unreadable("not an envelope of ours")
        header = envelope[: 1 + KEY_ID_BYTES]
        cipher = self._cipher(key_id_of(envelope))
        nonce = envelope[len(header) : HEADER_BYTES]
        try:
            return cipher.decrypt(nonce, envelope[HEADER_BYTES:], _bound(header, place))
        except InvalidTag:
            raise Unreadable(f"does not open: {place.table} {place.property}") from None

    def _cipher(self, key_id: str) -> AESGCM:
        cipher = self._ciphers.get(key_id)
        if cipher is None and self._renewed is not None:
            cipher = self._renewed()._ciphers.get(key_id)
        if cipher is None:
            raise UnknownKey(f"sealed with key {key_id}")
        return cipher


def key_id_of(envelope: bytes) -> str:
    """The id of the key that an envelope says it was sealed with."""
    return envelope[1 : 1 + KEY_ID_BYTES].hex()


def _bound(header: bytes, place: Place) -> bytes:
    parts = (
        header[:1],
        header[1:],
        place.table.encode(),
        place.partition_key.encode(),
        place.row_key.encode(),
        place.property.encode(),
        str(place.generation).encode(),
        place.provider.encode(),
    )
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def secret_list(value: str) -> tuple[str, ...]:
    """The parts of a secret's value, a comma-separated list, newest first (design, Settings)."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def parse_keys(value: str) -> tuple[bytes, ...]:
    """Keys of 64 hex digits each, newest first; empty when any part is none."""
    parts = secret_list(value)
    try:
        keys = tuple(bytes.fromhex(part) for part in parts)
    except ValueError:
        return ()
    whole = all(len(part) == 2 * KEY_BYTES for part in parts) and all(len(key) == KEY_BYTES for key in keys)
    return keys if whole else ()  # both, for fromhex overlooks blanks
