"""Our cookies: how they are named, written, read and sealed (RFC 6265bis; design, Rows).

On https every name has the `__Host-` prefix, which binds it to this host, to https and to the path `/`. Values use only
`[A-Za-z0-9_-]`, because the Functions host percent-encodes everything else.
"""

import base64
import binascii
import dataclasses
import re
from datetime import UTC, datetime, timedelta

import msgspec

from shared.custody.rules import REVOCATION_KEPT, SIGN_IN_WITHIN
from shared.custody.sign_in import SessionKey
from shared.custody.sign_out import Receipt
from shared.errors import SignInExpired, Unreadable
from shared.models.custody import Login, sha256_hex
from shared.sealing import Keyring, Place

MAX_PENDING = 5
"""Sign-ins that one browser may have under way, one per tab."""
CLOCK_SKEW = timedelta(seconds=5)
"""Another instance may have begun the sign-in, with a clock a little ahead of ours."""

_SESSION = re.compile(r"[0-9a-f]{32}[A-Za-z0-9_-]{43}")
_VALUE = re.compile(r"[A-Za-z0-9_-]+")


class _Sealed(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    provider: str
    state_hash: str
    verifier: str
    nonce: str
    return_to: str
    started_at: float

    def __repr__(self) -> str:
        return f"_Sealed({self.provider})"


class Cookies:
    """Names and attributes for one scheme: `__Host-` and Secure on https, a plain prefix on http loopback."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        prefix = "__Host-" if secure else "gatehouse-"
        self.session_name = f"{prefix}session"
        self.receipt_name = f"{prefix}receipt"
        self._sign_in_prefix = f"{prefix}signin-"

    def session(self, key: SessionKey) -> str:
        """Set-Cookie of a session: user id and secret, 75 characters; it ends with the browser or on the server."""
        return self._set(self.session_name, key.user_id + key.secret)

    def no_session(self) -> str:
        """Set-Cookie that removes the session cookie."""
        return self._remove(self.session_name)

    def sign_in_name(self, state: str) -> str:
        """One cookie per state, so that several tabs don't disturb each other."""
        return self._sign_in_prefix + sha256_hex(state)[:8]

    def sign_in(self, login: Login, keys: Keyring) -> str:
        """Set-Cookie of a pending sign-in, sealed; it lives for ten minutes."""
        name = self.sign_in_name(login.state)
        payload = _Sealed(
            login.provider,
            sha256_hex(login.state),
            login.verifier,
            login.nonce,
            login.return_to,
            login.started_at.timestamp(),
        )
        return self._set(name, _sealed(payload, name, keys), max_age=SIGN_IN_WITHIN)

    def no_sign_in(self, name: str) -> str:
        """Set-Cookie that removes a pending sign-in."""
        return self._remove(name)

    def receipt(self, receipt: Receipt, keys: Keyring) -> str:
        """Set-Cookie of a sign-out's receipt, sealed; it lives as long as an outcome is kept."""
        return self._set(self.receipt_name, _sealed(receipt, self.receipt_name, keys), max_age=REVOCATION_KEPT)

    def open_receipt(self, header: str | None, keys: Keyring, now: datetime) -> Receipt | None:
        """The receipt of the last sign-out in this browser, if there is exactly one, not a day old, and it opens."""
        values = [value for name, value in pairs(header) if name == self.receipt_name]
        receipt = _opened(values[0], self.receipt_name, keys, Receipt) if len(values) == 1 else None
        fresh = receipt is not None and -CLOCK_SKEW <= now - receipt.at <= REVOCATION_KEPT
        return receipt if fresh else None

    def read_session(self, header: str | None) -> SessionKey | None:
        """The one well-formed session cookie of a Cookie header; none when there are two, or a malformed one.

        `$Version` asks for the rules of RFC 2965, by which quotes may hide further cookies: no browser sends it.
        """
        found = pairs(header)
        if any(name.startswith("$") for name, _ in found):
            return None
        values = [value for name, value in found if name == self.session_name]
        if len(values) != 1 or not _SESSION.fullmatch(values[0]):
            return None
        return SessionKey(values[0][:32], values[0][32:])

    def open_sign_in(self, header: str | None, state: str, keys: Keyring, now: datetime) -> Login:
        """The pending sign-in that `state` belongs to in this browser. Raises SignInExpired."""
        name = self.sign_in_name(state)
        values = [value for found, value in pairs(header) if found == name]
        if len(values) != 1:
            raise SignInExpired("no sign-in cookie for this state")
        login = self._opened(name, values[0], keys)
        if login is None or login.state != sha256_hex(state):
            raise SignInExpired("the sign-in cookie belongs to another state")
        if not -CLOCK_SKEW <= now - login.started_at <= SIGN_IN_WITHIN:
            raise SignInExpired("the sign-in began more than ten minutes ago")
        return dataclasses.replace(login, state=state)

    def surplus_sign_ins(self, header: str | None, keys: Keyring) -> list[str]:
        """Names of the pending sign-ins to remove before a new one begins: unreadable ones, then the oldest."""
        found = [(name, value) for name, value in pairs(header) if name.startswith(self._sign_in_prefix)]
        opened = {name: self._opened(name, value, keys) for name, value in found}
        ages = {name: login.started_at.timestamp() if login else 0.0 for name, login in opened.items()}
        keep = MAX_PENDING - 1
        by_age = sorted(ages, key=lambda name: ages[name], reverse=True)
        return [name for name in by_age[keep:] if _VALUE.fullmatch(name.removeprefix("__Host-"))]

    def _opened(self, name: str, value: str, keys: Keyring) -> Login | None:
        """The login with the *hash* of its state in place of the state; None when it does not open."""
        sealed = _opened(value, name, keys, _Sealed)
        if sealed is None:
            return None
        return Login(
            provider=sealed.provider,
            state=sealed.state_hash,
            verifier=sealed.verifier,
            nonce=sealed.nonce,
            return_to=sealed.return_to,
            started_at=datetime.fromtimestamp(sealed.started_at, UTC),
        )

    def _set(self, name: str, value: str, max_age: timedelta | None = None) -> str:
        age = f"; Max-Age={int(max_age.total_seconds())}" if max_age is not None else ""
        return f"{name}={value}; Path=/{age}; HttpOnly; SameSite=Lax{'; Secure' if self._secure else ''}"

    def _remove(self, name: str) -> str:
        return self._set(name, "", timedelta(0))


def pairs(header: str | None) -> list[tuple[str, str]]:
    """Names and values of a Cookie header, byte for byte: no quoting, no decoding, only spaces and tabs trimmed."""
    found = []
    for part in (header or "").split(";"):
        name, equals, value = part.strip(" \t").partition("=")
        if equals:
            found.append((name, value))
    return found


def _sealed(payload: object, name: str, keys: Keyring) -> str:
    """The payload as a cookie value that opens under this name alone."""
    return base64.urlsafe_b64encode(keys.seal(msgspec.json.encode(payload), _place(name))).decode().rstrip("=")


def _opened[Payload](value: str, name: str, keys: Keyring, kind: type[Payload]) -> Payload | None:
    try:
        raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)) if _VALUE.fullmatch(value) else b""
        return msgspec.json.decode(keys.open(raw, _place(name)), type=kind)
    except (binascii.Error, ValueError, Unreadable, msgspec.MsgspecError):
        return None


def _place(name: str) -> Place:
    return Place("cookie", "browser", name, "sign-in", 0, "any")
