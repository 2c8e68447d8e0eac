"""Values that look like the service's JWTs and mean nothing: only their shape is right."""

import json
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256

_HEADER = {"typ": "JWT", "alg": "RS256", "x5t": "simulator"}


def digest(token: str) -> str:
    """The first 8 hex digits of the SHA-256: how tokens are named wherever they are shown."""
    return sha256(token.encode()).hexdigest()[:8]


def mint(claims: dict[str, object], size: int) -> str:
    """A fresh JWT-like value of about `size` characters with a random signature."""
    head = f"{_part(json.dumps(_HEADER).encode())}.{_part(json.dumps(claims).encode())}."
    missing = max(64, (size - len(head)) * 3 // 4)
    return head + _part(secrets.token_bytes(missing))


def _part(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
