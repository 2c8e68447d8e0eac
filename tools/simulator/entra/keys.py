"""The keys that sign id tokens, their rotation, and how they are published (RFC 7517)."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from tools.simulator.settings import Json, Settings

_STANDBY, _NEVER_PUBLISHED = "standby", "never published"


@dataclass(frozen=True)
class SigningKey:
    """An RSA key of 2048 bits."""

    private: RSAPrivateKey

    @property
    def kid(self) -> str:
        return sha256(self._modulus).hexdigest()[:27]

    @property
    def _modulus(self) -> bytes:
        return _bytes(self.private.public_key().public_numbers().n)

    def sign(self, data: bytes) -> bytes:
        """RS256 (RFC 7518 section 3.3)."""
        return self.private.sign(data, PKCS1v15(), SHA256())

    def published(self, issuer: str) -> dict[str, Json]:
        numbers = self.private.public_key().public_numbers()
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": base64url(self._modulus),
            "e": base64url(_bytes(numbers.e)),
            "issuer": issuer,
        }


def signing_key(settings: Settings) -> SigningKey:
    """The key in use after so many rotations."""
    return _key(str(settings.entra_rotate_keys))


def published_keys(settings: Settings) -> list[SigningKey]:
    """Two keys: the one in use, and the one before it or, where there is none to show, one in reserve."""
    rotations = settings.entra_rotate_keys
    other = str(rotations - 1) if rotations and settings.entra_old_key_published else _STANDBY
    return [signing_key(settings), _key(other)]


def unpublished_key() -> SigningKey:
    """A key that no client can learn of: what a forger would sign with."""
    return _key(_NEVER_PUBLISHED)


def base64url(data: bytes) -> str:
    """Without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).decode().rstrip("=")


@cache
def _key(name: str) -> SigningKey:  # noqa: ARG001 - the name is the cache's key; the key itself is random
    return SigningKey(generate_private_key(public_exponent=65537, key_size=2048))


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)
