"""Entities of table `connections` ⇄ the models of custody. Pure: the keys come in, nothing is read or written.

Sealing happens here, so that what leaves `storage` is a model and what reaches the table is sealed. A row of which any
property is wrong is Unreadable: kept, counted and told, never guessed at.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from shared.errors import TooLargeToStoreError, Unreadable
from shared.models.custody import Connection, Lease, Profile, Revocation, Session, Status
from shared.sealing import Keyring, Place, key_id_of

TABLE = "connections"
CONNECTION = "connection"
SESSIONS = "sessions"
SESSION_PREFIX = "session:"
REVOCATION_PREFIX = "revocation:"
MAX_SEALED_BYTES = 60 * 1024
"""A binary property holds 64 KiB (measured); larger values are refused at sign-in."""

YEARS = range(2000, 2200)
"""Moments outside of them were not written by us, and sums with them overflow."""

Entity = dict[str, Any]


def connection_entity(connection: Connection, keys: Keyring) -> Entity:
    """The whole `connection` row, sealed under the newest key."""
    return {
        "PartitionKey": connection.user_id,
        "RowKey": CONNECTION,
        "provider": connection.provider,
        "issuer": connection.issuer,
        "subject": connection.subject,
        "scopes": connection.scopes,
        "sign_in_id": connection.sign_in_id,
        **token_properties(connection, keys),
        **state_properties(connection),
    }


def token_properties(connection: Connection, keys: Keyring) -> Entity:
    """What sign-in, save and re-seal alone may write: everything that belongs to one generation of tokens."""
    profile = msgspec.json.encode({"display_name": connection.profile.display_name, "email": connection.profile.email})
    sealed = {
        "access_token": connection.access_token.encode(),
        "refresh_token": connection.refresh_token.encode(),
        "profile": profile,
    }
    return {
        **{name: _seal(value, connection, name, keys) for name, value in sealed.items()},
        "expires_at": connection.expires_at,
        "refreshed_at": connection.refreshed_at,
        "generation": connection.generation,
        "secret_id": connection.secret_id,
        "key_id": keys.newest_id,
    }


def state_properties(connection: Connection) -> Entity:
    """Lease, cooldown and status; "" clears a property, as a merge of None leaves it (measured)."""
    lease = connection.lease
    return {
        "status": str(connection.status),
        "reason": connection.reason,
        "lease_holder": lease.holder if lease else "",
        "lease_until": lease.until if lease else "",
        "lease_intent": lease.intent if lease else "",
        "retry_at": connection.retry_at or "",
        "failures": connection.failures,
        "change_id": connection.change_id,
    }


def to_connection(entity: Mapping[str, Any], keys: Keyring) -> Connection:
    """The model of a `connection` row. Raises Unreadable (UnknownKey for a key we don't have)."""

    def build() -> Connection:
        lease_until, retry_at = entity.get("lease_until"), entity.get("retry_at")
        connection = Connection(
            user_id=_text(entity, "PartitionKey"),
            provider=_text(entity, "provider"),
            issuer=_text(entity, "issuer"),
            subject=_text(entity, "subject"),
            scopes=_text(entity, "scopes"),
            access_token="",
            refresh_token="",
            profile=Profile(""),
            expires_at=_time(entity, "expires_at"),
            refreshed_at=_time(entity, "refreshed_at"),
            generation=_number(entity, "generation"),
            secret_id=_text(entity, "secret_id"),
            key_id=_text(entity, "key_id"),
            sign_in_id=_text(entity, "sign_in_id"),
            status=Status(_text(entity, "status")),
            reason=_text(entity, "reason"),
            lease=Lease(_text(entity, "lease_holder"), _time(entity, "lease_until"), _text(entity, "lease_intent"))
            if lease_until
            else None,
            retry_at=_time(entity, "retry_at") if retry_at else None,
            failures=_number(entity, "failures"),
            change_id=_text(entity, "change_id"),
            etag=_etag(entity),
        )
        profile = msgspec.json.decode(_open(entity, connection, "profile", keys), type=dict[str, str | None])
        return dataclasses.replace(
            connection,
            access_token=_open(entity, connection, "access_token", keys).decode(),
            refresh_token=_open(entity, connection, "refresh_token", keys).decode(),
            profile=Profile(profile.get("display_name") or "", profile.get("email")),
        )

    return _readable(build)


def session_entity(user_id: str, session: Session) -> Entity:
    """A `session:` row; it holds a hash, so nothing of it is secret."""
    return {
        "PartitionKey": user_id,
        "RowKey": SESSION_PREFIX + session.hash,
        "created_at": session.created_at,
        "ends_at": session.ends_at,
        "seen_at": session.seen_at,
        "browser": session.browser,
        "change_id": session.change_id,
    }


def to_session(entity: Mapping[str, Any]) -> Session:
    """The model of a `session:` row. Raises Unreadable."""
    return _readable(
        lambda: Session(
            hash=_text(entity, "RowKey").removeprefix(SESSION_PREFIX),
            created_at=_time(entity, "created_at"),
            ends_at=_time(entity, "ends_at"),
            seen_at=_time(entity, "seen_at"),
            browser=_text(entity, "browser"),
            change_id=_text(entity, "change_id"),
        )
    )


def revocation_entity(user_id: str, revocation: Revocation, keys: Keyring) -> Entity:
    """A `revocation:` row; once settled it holds the outcome and no ciphertext."""
    row_key = REVOCATION_PREFIX + revocation.id
    entity: Entity = {
        "PartitionKey": user_id,
        "RowKey": row_key,
        "provider": revocation.provider,
        "created_at": revocation.created_at,
        "retry_at": revocation.retry_at,
        "outcome": revocation.outcome,
    }
    if revocation.outcome:
        return entity
    for name, value in (("access_token", revocation.access_token), ("refresh_token", revocation.refresh_token)):
        place = Place(TABLE, user_id, row_key, name, 0, revocation.provider)
        entity[name] = _small(keys.seal(value.encode(), place))
    return entity | {"key_id": keys.newest_id, "attempts": revocation.attempts, "give_up_at": revocation.give_up_at}


def to_revocation(entity: Mapping[str, Any], keys: Keyring) -> Revocation:
    """The model of a `revocation:` row. Raises Unreadable (UnknownKey for a key we don't have)."""

    def build() -> Revocation:
        user_id, row_key, provider = (_text(entity, name) for name in ("PartitionKey", "RowKey", "provider"))
        settled = Revocation(
            id=row_key.removeprefix(REVOCATION_PREFIX),
            provider=provider,
            created_at=_time(entity, "created_at"),
            retry_at=_time(entity, "retry_at"),
            outcome=_text(entity, "outcome"),
            etag=_etag(entity),
        )
        if settled.outcome:
            return settled
        access_token, refresh_token = (
            keys.open(_bytes(entity, name), Place(TABLE, user_id, row_key, name, 0, provider)).decode()
            for name in ("access_token", "refresh_token")
        )
        return dataclasses.replace(
            settled,
            access_token=access_token,
            refresh_token=refresh_token,
            key_id=_text(entity, "key_id"),
            attempts=_number(entity, "attempts"),
            give_up_at=_time(entity, "give_up_at"),
        )

    return _readable(build)


def same_secret(one: str, other: str) -> bool:
    """Whether two tokens are the same, without keeping either for long."""
    return hashlib.sha256(one.encode()).digest() == hashlib.sha256(other.encode()).digest()


def _readable[Model](build: Callable[[], Model]) -> Model:
    try:
        return build()
    except Unreadable:
        raise
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise Unreadable(f"row: {type(error).__name__}") from None


def _place(connection: Connection, name: str) -> Place:
    return Place(TABLE, connection.user_id, CONNECTION, name, connection.generation, connection.provider)


def _seal(value: bytes, connection: Connection, name: str, keys: Keyring) -> bytes:
    return _small(keys.seal(value, _place(connection, name)))


def _small(envelope: bytes) -> bytes:
    if len(envelope) > MAX_SEALED_BYTES:
        raise TooLargeToStoreError
    return envelope


def _open(entity: Mapping[str, Any], connection: Connection, name: str, keys: Keyring) -> bytes:
    envelope = _bytes(entity, name)
    if key_id_of(envelope) != connection.key_id:
        raise Unreadable("the row names another key than its envelope")
    return keys.open(envelope, _place(connection, name))


def _text(entity: Mapping[str, Any], name: str) -> str:
    value = entity[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _number(entity: Mapping[str, Any], name: str) -> int:
    value = entity[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(name)
    return value


def _bytes(entity: Mapping[str, Any], name: str) -> bytes:
    value = entity[name]
    if not isinstance(value, bytes):
        raise TypeError(name)
    return value


def _time(entity: Mapping[str, Any], name: str) -> datetime:
    value = entity[name]
    if not isinstance(value, datetime):
        raise TypeError(name)
    if value.year not in YEARS:
        raise ValueError(name)
    return datetime.fromtimestamp(value.timestamp(), UTC)


def _etag(entity: Mapping[str, Any]) -> str:
    return str(getattr(entity, "metadata", {}).get("etag") or "")
