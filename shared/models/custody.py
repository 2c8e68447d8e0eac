"""The values that custody works on: what a person's partition holds, and what travels between the flows.

No I/O, no clock. Secrets are kept out of `repr`. Times are aware datetimes in UTC.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

HINT_STAMP = "%Y%m%d%H%M%S"


class Status(StrEnum):
    """What a connection is good for: LIVE, SUSPECT (refresh refused, cause unclear) or RECONNECT (sign in again)."""

    LIVE = "live"
    SUSPECT = "suspect"
    RECONNECT = "reconnect"


@dataclass(frozen=True, slots=True)
class Tokens:
    """A token response; `refresh_token` is None where the answer omits it (RFC 6749 section 6: keep the old one)."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    lifetime: timedelta
    secret_id: str
    """Id of the client secret that minted them: they die with it (facts 1.5)."""
    id_token: str | None = field(repr=False, default=None)
    scopes: str = ""
    """As the service names those that it granted; empty where it does not."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as one provider knows them; never an e-mail address."""

    provider: str
    issuer: str
    subject: str
    display_name: str = field(repr=False)
    email: str | None = field(repr=False, default=None)

    @property
    def user_id(self) -> str:
        """32 hex digits; the same person with another provider is another user."""
        joined = "\0".join((self.provider, self.issuer, self.subject))
        return hashlib.sha256(joined.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Profile:
    """What we show of a person; stored sealed."""

    display_name: str = field(repr=False)
    email: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Lease:
    """Somebody's right to refresh, until `until`; `intent` tells that the token call may have begun."""

    holder: str
    until: datetime
    intent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A user's tokens with one provider, and the state of their refresh."""

    user_id: str
    provider: str
    issuer: str
    subject: str
    scopes: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    profile: Profile
    expires_at: datetime
    refreshed_at: datetime
    generation: int
    secret_id: str
    key_id: str
    sign_in_id: str
    status: Status = Status.LIVE
    reason: str = ""
    lease: Lease | None = None
    retry_at: datetime | None = None
    failures: int = 0
    change_id: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One browser of a user; `hash` is SHA-256 of the secret that its cookie holds."""

    hash: str
    created_at: datetime
    ends_at: datetime
    seen_at: datetime
    browser: str = ""
    change_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Tokens that are to be revoked upstream; once settled only `outcome` is left of it."""

    id: str
    provider: str
    access_token: str = field(repr=False, default="")
    refresh_token: str = field(repr=False, default="")
    key_id: str = ""
    attempts: int = 0
    retry_at: datetime | None = None
    give_up_at: datetime | None = None
    outcome: str = ""
    created_at: datetime | None = None
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord:
    """What was read of a user's partition in one query."""

    user_id: str
    connection: Connection | None = None
    connection_etag: str | None = None
    """There also when the connection itself is unreadable, so that a new sign-in can replace it."""
    sessions: tuple[Session, ...] = ()
    sessions_etag: str | None = None
    revocations: tuple[Revocation, ...] = ()
    unreadable: tuple[str, ...] = ()
    """RowKeys whose sealed values did not open; they are kept, counted and told."""


class Hint(NamedTuple):
    """When to look at whom; whole seconds."""

    at: datetime
    user_id: str

    @property
    def row_key(self) -> str:
        """Sorts by time."""
        return f"{self.at.astimezone(UTC):{HINT_STAMP}}:{self.user_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A sign-in that has begun; it lives in a sealed cookie of the browser that began it."""

    provider: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    return_to: str
    started_at: datetime


def new_id(bits: int = 64) -> str:
    """A random id as hex digits."""
    return secrets.token_hex(bits // 8)


def new_secret() -> str:
    """256 random bits as 43 characters of base64url (RFC 7636 section 4.1 allows them as verifier)."""
    return secrets.token_urlsafe(32)


def sha256_hex(text: str) -> str:
    """SHA-256 of the UTF-8 bytes, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()
