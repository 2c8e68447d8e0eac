"""Table `connections`: one partition per user, one method per kind of write.

Token properties are written by `open_session`, `save_tokens` and `reseal` alone; rows are created by `open_session`,
`end_connection` (a revocation) and `add_revocation` alone: every other write fails when its row is gone. Methods that
change something raise Fenced when the row was changed or removed since it was read, StoreError when the store does not
answer in time.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from azure.core import MatchConditions
from azure.data.tables import UpdateMode

from shared.errors import StoreError, UnknownKey, Unreadable
from shared.models.custody import Connection, Revocation, Session, UserRecord, new_id
from shared.sealing import Keyring
from shared.storage import rows
from shared.storage.answers import Conflict, OutcomeUnknownError, fenced
from shared.storage.rows import CONNECTION, REVOCATION_PREFIX, SESSION_PREFIX, SESSIONS, TABLE
from shared.storage.tables import Operation, Tables


class Connections(Protocol):
    """The store of people's connections, as custody sees it."""

    def load(self, user_id: str) -> UserRecord:
        """Everything of one user, in one query."""
        ...

    def load_session(self, user_id: str, session_hash: str) -> UserRecord:
        """The connection and one session, in one query."""
        ...

    def load_revocations(self, user_id: str, ids: Sequence[str]) -> tuple[Revocation, ...]:
        """Those of these revocations that are there and open, in one query."""
        ...

    def open_session(
        self,
        record: UserRecord,
        connection: Connection,
        session: Session,
        *,
        evicted: Iterable[Session] = (),
        replaced: Revocation | None = None,
    ) -> Connection:
        """Sign-in: store connection and session, drop `evicted`, keep the `replaced` tokens to revoke them."""
        ...

    def take_lease(self, connection: Connection) -> Connection:
        """Write the lease that `connection` carries."""
        ...

    def save_tokens(self, connection: Connection, keys: Keyring) -> Connection:
        """Write a new generation of tokens under `keys` and clear the lease; one try, to be repeated by the caller."""
        ...

    def release(self, connection: Connection) -> Connection:
        """Write status, cooldown and the end of the lease."""
        ...

    def reseal(self, connection: Connection) -> Connection:
        """Seal the same generation under the newest key."""
        ...

    def touch(self, user_id: str, session: Session) -> None:
        """Write when a session was last seen."""
        ...

    def end_sessions(self, record: UserRecord, ended: Iterable[Session]) -> None:
        """Delete some sessions, others remain."""
        ...

    def end_connection(self, record: UserRecord, revocation: Revocation | None) -> None:
        """Delete the connection and all its sessions, keep its tokens only to revoke them."""
        ...

    def add_revocation(self, user_id: str, revocation: Revocation) -> None:
        """Keep tokens that must be revoked."""
        ...

    def update_revocation(self, user_id: str, revocation: Revocation) -> Revocation:
        """Write another attempt, or the outcome instead of the tokens."""
        ...

    def drop_revocation(self, user_id: str, revocation: Revocation) -> None:
        """Delete a revocation whose outcome was kept long enough."""
        ...


class TableConnections:
    """Fulfils Connections with Azure Table Storage."""

    def __init__(self, tables: Tables, keys: Callable[[], Keyring]) -> None:
        self._tables = tables
        self._keys = keys

    def load(self, user_id: str) -> UserRecord:
        """One query of the whole partition."""
        return self._record(user_id, self._tables.query(TABLE, "PartitionKey eq @user", {"user": user_id}))

    def load_session(self, user_id: str, session_hash: str) -> UserRecord:
        """One query of two rows."""
        found = self._tables.query(
            TABLE,
            "PartitionKey eq @user and ( RowKey eq @connection or RowKey eq @session )",
            {"user": user_id, "connection": CONNECTION, "session": SESSION_PREFIX + session_hash},
        )
        return self._record(user_id, found)

    def load_revocations(self, user_id: str, ids: Sequence[str]) -> tuple[Revocation, ...]:
        """One query of these rows: at most 14, as the service takes 15 comparisons; none for no ids."""
        if not ids:
            return ()
        rows_wanted = {f"row{number}": REVOCATION_PREFIX + name for number, name in enumerate(ids)}
        condition = " or ".join(f"RowKey eq @{name}" for name in rows_wanted)
        found = self._tables.query(
            TABLE, f"PartitionKey eq @user and ( {condition} )", {"user": user_id, **rows_wanted}
        )
        return self._record(user_id, found).revocations

    def open_session(
        self,
        record: UserRecord,
        connection: Connection,
        session: Session,
        *,
        evicted: Iterable[Session] = (),
        replaced: Revocation | None = None,
    ) -> Connection:
        """One transaction {connection, session, `sessions`, evicted sessions, revocation of replaced tokens}."""
        change_id = new_id()
        connection = dataclasses.replace(connection, change_id=change_id)
        entity = rows.connection_entity(connection, self._keys())
        operations: list[Operation] = [
            _conditional("update", entity, record.connection_etag) if record.connection_etag else ("create", entity),
            ("create", rows.session_entity(record.user_id, session)),
            self._version(record, change_id),
            *(_delete(record.user_id, SESSION_PREFIX + old.hash) for old in evicted),
        ]
        if replaced:
            operations.append(("create", rows.revocation_entity(record.user_id, replaced, self._keys())))
        self._transact(operations, lambda: self._row_exists(record.user_id, SESSION_PREFIX + session.hash))
        return connection

    def take_lease(self, connection: Connection) -> Connection:
        """A merge with If-Match: lock, intent, fence and proof of freshness in one write."""
        return self._merge_connection(connection, rows.state_properties)

    def save_tokens(self, connection: Connection, keys: Keyring) -> Connection:
        """Ours when the change id is, or generation and refresh token are (a foreign lease came after)."""
        return self._merge_connection(
            connection, lambda it: rows.token_properties(it, keys) | rows.state_properties(it), tokens_count=True
        )

    def release(self, connection: Connection) -> Connection:
        """A merge with If-Match of status, cooldown and the empty lease."""
        return self._merge_connection(connection, rows.state_properties)

    def reseal(self, connection: Connection) -> Connection:
        """A merge with If-Match; the generation stays, so the place it is bound to stays."""
        keys = self._keys()
        resealed = dataclasses.replace(connection, key_id=keys.newest_id)
        return self._merge_connection(
            resealed, lambda it: rows.token_properties(it, keys) | {"change_id": it.change_id}
        )

    def touch(self, user_id: str, session: Session) -> None:
        """A merge into a row that must be there: it never brings an ended session back."""
        entity = {"PartitionKey": user_id, "RowKey": SESSION_PREFIX + session.hash, "seen_at": session.seen_at}
        try:
            self._tables.write(lambda: self._tables.merge(TABLE, entity, None), lambda: "*")
        except Conflict as conflict:
            raise fenced(conflict) from None

    def end_sessions(self, record: UserRecord, ended: Iterable[Session]) -> None:
        """One transaction; the `sessions` row decides once whether it was the last."""
        operations = [_delete(record.user_id, SESSION_PREFIX + session.hash) for session in ended]
        operations.append(self._version(record, new_id()))
        self._transact(operations, lambda: self._gone(record.user_id, operations[0]))

    def end_connection(self, record: UserRecord, revocation: Revocation | None) -> None:
        """One transaction; pending revocations stay. The connection first: others may have ended a session of these."""
        operations: list[Operation] = []
        if record.connection_etag:
            operations.append(_delete(record.user_id, CONNECTION, record.connection_etag))
        operations.extend(_delete(record.user_id, SESSION_PREFIX + session.hash) for session in record.sessions)
        if record.sessions_etag:
            operations.append(_delete(record.user_id, SESSIONS, record.sessions_etag))
        if revocation:
            operations.append(("create", rows.revocation_entity(record.user_id, revocation, self._keys())))
        if not operations:
            return
        created = REVOCATION_PREFIX + revocation.id if revocation else None
        self._transact(
            operations,
            lambda: self._row_exists(record.user_id, created) if created else self._gone(record.user_id, operations[0]),
        )

    def add_revocation(self, user_id: str, revocation: Revocation) -> None:
        """An insert under a random id: taken after a lost reply means that our own insert came through."""
        entity = rows.revocation_entity(user_id, revocation, self._keys())
        self._fencing(lambda: self._tables.write(lambda: self._tables.insert(TABLE, entity), lambda: "*"))

    def update_revocation(self, user_id: str, revocation: Revocation) -> Revocation:
        """A replace, so that a settled row keeps no ciphertext; what is kept is sealed anew.

        With If-Match, unless the row was inserted a moment ago.
        """
        entity = rows.revocation_entity(user_id, revocation, self._keys())
        row_key = entity["RowKey"]

        def landed() -> str | None:
            found = self._row(user_id, row_key)
            same = found and (found["outcome"], found.get("attempts")) == (entity["outcome"], entity.get("attempts"))
            return _etag(found) if found and same else None

        etag = self._fencing(
            lambda: self._tables.write(lambda: self._tables.replace(TABLE, entity, revocation.etag or None), landed)
        )
        return dataclasses.replace(revocation, etag=etag, key_id=entity.get("key_id", ""))

    def drop_revocation(self, user_id: str, revocation: Revocation) -> None:
        """Gone already is as good."""
        self._tables.delete_all(TABLE, [(user_id, REVOCATION_PREFIX + revocation.id)])

    def _merge_connection(
        self,
        connection: Connection,
        properties: Callable[[Connection], Mapping[str, Any]],
        *,
        tokens_count: bool = False,
    ) -> Connection:
        changed = dataclasses.replace(connection, change_id=new_id())
        key = {"PartitionKey": connection.user_id, "RowKey": CONNECTION}
        entity = key | dict(properties(changed))

        def landed() -> str | None:
            found = self.load_session(connection.user_id, "").connection
            if found is None:
                return None
            ours = found.change_id == changed.change_id or (
                tokens_count
                and found.generation == changed.generation
                and rows.same_secret(found.refresh_token, changed.refresh_token)
            )
            return found.etag if ours else None

        etag = self._fencing(
            lambda: self._tables.write(lambda: self._tables.merge(TABLE, entity, connection.etag), landed)
        )
        return dataclasses.replace(changed, etag=etag)

    def _transact(self, operations: list[Operation], landed: Callable[[], bool]) -> None:
        def attempt() -> str:
            self._tables.transact(TABLE, operations)
            return "*"

        self._fencing(lambda: self._tables.write(attempt, lambda: "*" if landed() else None))

    def _fencing(self, write: Callable[[], str]) -> str:
        try:
            return write()
        except Conflict as conflict:
            raise fenced(conflict) from None
        except OutcomeUnknownError:
            raise StoreError("outcome of a write unknown") from None

    def _version(self, record: UserRecord, change_id: str) -> Operation:
        entity = {"PartitionKey": record.user_id, "RowKey": SESSIONS, "change_id": change_id}
        return _conditional("update", entity, record.sessions_etag) if record.sessions_etag else ("create", entity)

    def _row(self, user_id: str, row_key: str) -> Mapping[str, Any] | None:
        found = self._tables.query(TABLE, "PartitionKey eq @user and RowKey eq @row", {"user": user_id, "row": row_key})
        return found[0] if found else None

    def _row_exists(self, user_id: str, row_key: str) -> bool:
        return self._row(user_id, row_key) is not None

    def _gone(self, user_id: str, deletion: Operation) -> bool:
        return not self._row_exists(user_id, deletion[1]["RowKey"])

    def _record(self, user_id: str, entities: Iterable[Mapping[str, Any]]) -> UserRecord:
        keys = self._keys()
        connection: Connection | None = None
        connection_etag: str | None = None
        sessions: list[Session] = []
        revocations: list[Revocation] = []
        sessions_etag: str | None = None
        unreadable: list[str] = []
        for entity in entities:
            row_key = str(entity["RowKey"])
            try:
                if row_key == CONNECTION:
                    connection_etag = _etag(entity)
                    connection = rows.to_connection(entity, keys)
                elif row_key == SESSIONS:
                    sessions_etag = _etag(entity)
                elif row_key.startswith(SESSION_PREFIX):
                    sessions.append(rows.to_session(entity))
                elif row_key.startswith(REVOCATION_PREFIX):
                    revocations.append(rows.to_revocation(entity, keys))
            except UnknownKey:
                raise
            except Unreadable:
                unreadable.append(row_key)
        return UserRecord(
            user_id=user_id,
            connection=connection,
            connection_etag=connection_etag,
            sessions=tuple(sessions),
            sessions_etag=sessions_etag,
            revocations=tuple(revocations),
            unreadable=tuple(unreadable),
        )


def _conditional(verb: str, entity: Mapping[str, Any], etag: str) -> Operation:
    condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    return (verb, entity, condition | {"mode": UpdateMode.REPLACE})


def _delete(user_id: str, row_key: str, etag: str | None = None) -> Operation:
    key = {"PartitionKey": user_id, "RowKey": row_key}
    return (
        ("delete", key, {"etag": etag, "match_condition": MatchConditions.IfNotModified}) if etag else ("delete", key)
    )


def _etag(entity: Mapping[str, Any]) -> str:
    return str(getattr(entity, "metadata", {}).get("etag") or "")
