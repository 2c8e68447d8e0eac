"""In-memory collaborators of custody, kept honest by `tests/contracts`, and a world made of them.

Every call goes through one `Journal`: it keeps their order and plays what a test planned, before a call (the call does
not happen) or after it (it happened, but its caller is told otherwise).
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from shared.custody import Custody
from shared.custody.rules import Limits
from shared.custody.sign_in import SessionKey, begin, finish
from shared.errors import Fenced, GrantEnded, Unavailable, UnknownKey, Unreadable, VaultError
from shared.models.custody import Connection, Identity, Login, Revocation, Session, Tokens, UserRecord, new_id
from shared.oauth.provider import RevocationAnswer, Revoked
from shared.sealing import Keyring
from shared.storage.due import Hint
from shared.storage.logins import KEPT, bucket
from shared.storage.rows import MAX_SEALED_BYTES, TooLargeToStoreError

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIRST_KEY, SECOND_KEY = b"1" * 32, b"2" * 32
ENVELOPE_BYTES = 33
GRACE = timedelta(seconds=30)

type Act = BaseException | Callable[[], object]
type Reuse = Literal["nonrotating", "grace30", "prev-until-used", "strict"]


class Clock:
    """Time that passes only while somebody sleeps, and what others do meanwhile."""

    def __init__(self, at: datetime = NOON) -> None:
        self._at = at
        self._lock = threading.Lock()
        self.slept: list[float] = []
        self.meanwhile: deque[Callable[[], object]] = deque()
        """Each sleep runs one of them at its end: another process at work."""

    def now(self) -> datetime:
        with self._lock:
            return self._at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(timedelta(seconds=seconds))
        if self.meanwhile:
            self.meanwhile.popleft()()

    def advance(self, by: timedelta) -> None:
        with self._lock:
            self._at += by


class Journal:
    """The calls that were made, in order, and what is planned for those to come."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._before: dict[str, deque[Act | None]] = defaultdict(deque)
        self._after: dict[str, deque[Act | None]] = defaultdict(deque)

    def before(self, call: str, *acts: Act | None) -> None:
        """An error instead of the next calls of this name, or something that others do just before; None: nothing."""
        self._before[call].extend(acts)

    def after(self, call: str, *acts: Act | None) -> None:
        """The same once the call is done: an error here is a reply that got lost."""
        self._after[call].extend(acts)

    def since(self, start: int, prefix: str = "") -> list[str]:
        return [call for call in self.calls[start:] if call.startswith(prefix)]

    def count(self, call: str) -> int:
        return self.calls.count(call)

    def play[Result](self, call: str, work: Callable[[], Result]) -> Result:
        self.calls.append(call)
        _act(self._before[call])
        result = work()
        _act(self._after[call])
        return result


def _act(planned: deque[Act | None]) -> None:
    act = planned.popleft() if planned else None
    if isinstance(act, BaseException):
        raise act
    if act is not None:
        act()


@dataclass
class _Partition:
    connection: Connection | None = None
    sessions: dict[str, Session] = field(default_factory=dict)
    sessions_etag: str | None = None
    revocations: dict[str, Revocation] = field(default_factory=dict)


class MemoryConnections:
    """Fulfils Connections with models in a dict: what TableConnections seals stands here as it is."""

    def __init__(self, keys: Callable[[], Keyring], journal: Journal | None = None) -> None:
        self._keys = keys
        self._journal = journal or Journal()
        self._lock = threading.RLock()
        self._users: dict[str, _Partition] = {}
        self._etags = itertools.count(1)
        self.poisoned: dict[str, Exception] = {}
        """Users whose partition cannot be read at all, and what reading it raises."""
        self.damaged: set[str] = set()
        """Users whose `connection` row is there, but does not open."""

    def load(self, user_id: str) -> UserRecord:
        return self._play("load", lambda: self._read(user_id, None))

    def load_session(self, user_id: str, session_hash: str) -> UserRecord:
        return self._play("load_session", lambda: self._read(user_id, session_hash))

    def load_revocations(self, user_id: str, ids: Sequence[str]) -> tuple[Revocation, ...]:
        if not ids:
            return ()
        return self._play(
            "load_revocations",
            lambda: tuple(row for row in self._read(user_id, None).revocations if row.id in ids),
        )

    def open_session(
        self,
        record: UserRecord,
        connection: Connection,
        session: Session,
        *,
        evicted: Iterable[Session] = (),
        replaced: Revocation | None = None,
    ) -> Connection:
        def work() -> Connection:
            _check_size(connection.access_token, connection.refresh_token)
            user = self._partition(record.user_id)
            gone = {old.hash for old in evicted}
            _require(_etag_of(user.connection) == record.connection_etag)
            _require(user.sessions_etag == record.sessions_etag)
            _require(session.hash not in user.sessions and gone <= user.sessions.keys())
            _require(replaced is None or replaced.id not in user.revocations)
            for old in gone:
                del user.sessions[old]
            user.sessions[session.hash] = session
            user.sessions_etag = self._etag()
            if replaced:
                self._keep(user, replaced)
            written = dataclasses.replace(connection, change_id=new_id())
            user.connection = dataclasses.replace(written, key_id=self._keys().newest_id, etag=self._etag())
            self._users[record.user_id] = user
            self.damaged.discard(record.user_id)
            return written

        return self._play("open_session", work)

    def take_lease(self, connection: Connection) -> Connection:
        return self._play("take_lease", lambda: self._merge(connection, _STATE))

    def save_tokens(self, connection: Connection, keys: Keyring) -> Connection:
        def work() -> Connection:
            _check_size(connection.access_token, connection.refresh_token)
            return self._merge(connection, _TOKENS + _STATE, key_id=keys.newest_id)

        return self._play("save_tokens", work)

    def release(self, connection: Connection) -> Connection:
        return self._play("release", lambda: self._merge(connection, _STATE))

    def reseal(self, connection: Connection) -> Connection:
        newest = self._keys().newest_id
        resealed = dataclasses.replace(connection, key_id=newest)
        return self._play("reseal", lambda: self._merge(resealed, _TOKENS))

    def touch(self, user_id: str, session: Session) -> None:
        def work() -> None:
            sessions = self._partition(user_id).sessions
            _require(session.hash in sessions)
            sessions[session.hash] = dataclasses.replace(sessions[session.hash], seen_at=session.seen_at)

        self._play("touch", work)

    def end_sessions(self, record: UserRecord, ended: Iterable[Session]) -> None:
        def work() -> None:
            user = self._partition(record.user_id)
            gone = {session.hash for session in ended}
            _require(user.sessions_etag == record.sessions_etag and gone <= user.sessions.keys())
            for session in gone:
                del user.sessions[session]
            user.sessions_etag = self._etag()
            self._users[record.user_id] = user

        self._play("end_sessions", work)

    def end_connection(self, record: UserRecord, revocation: Revocation | None) -> None:
        def work() -> None:
            user = self._partition(record.user_id)
            gone = {session.hash for session in record.sessions}
            _require(gone <= user.sessions.keys())
            _require(record.connection_etag in (None, _etag_of(user.connection)))
            _require(record.sessions_etag in (None, user.sessions_etag))
            for session in gone:
                del user.sessions[session]
            if record.connection_etag:
                user.connection = None
                self.damaged.discard(record.user_id)
            if record.sessions_etag:
                user.sessions_etag = None
            if revocation:
                self._keep(user, revocation)
                self._users[record.user_id] = user

        self._play("end_connection", work)

    def add_revocation(self, user_id: str, revocation: Revocation) -> None:
        def work() -> None:
            user = self._partition(user_id)
            _require(revocation.id not in user.revocations)
            self._keep(user, revocation)
            self._users[user_id] = user

        self._play("add_revocation", work)

    def update_revocation(self, user_id: str, revocation: Revocation) -> Revocation:
        def work() -> Revocation:
            user = self._partition(user_id)
            old = user.revocations.get(revocation.id)
            _require(old is not None and revocation.etag in ("", old.etag))
            kept = self._keep(user, revocation)
            return dataclasses.replace(revocation, etag=kept.etag, key_id=kept.key_id)

        return self._play("update_revocation", work)

    def drop_revocation(self, user_id: str, revocation: Revocation) -> None:
        self._play("drop_revocation", lambda: self._partition(user_id).revocations.pop(revocation.id, None))

    def _play[Result](self, call: str, work: Callable[[], Result]) -> Result:
        def locked() -> Result:
            with self._lock:
                return work()

        return self._journal.play(f"connections.{call}", locked)

    def _partition(self, user_id: str) -> _Partition:
        return self._users.get(user_id) or _Partition()

    def _etag(self) -> str:
        return f'W/"{next(self._etags)}"'

    def _read(self, user_id: str, session_hash: str | None) -> UserRecord:
        if user_id in self.poisoned:
            raise self.poisoned[user_id]
        user = self._partition(user_id)
        everything = session_hash is None
        sealed = [user.connection, *user.revocations.values()] if everything else [user.connection]
        for row in sealed:
            if row and row.key_id and row.key_id not in self._keys()._ciphers:
                raise UnknownKey(f"sealed with key {row.key_id}")
        damaged = user_id in self.damaged and user.connection is not None
        return UserRecord(
            user_id=user_id,
            connection=None if damaged else user.connection,
            connection_etag=_etag_of(user.connection),
            sessions=tuple(user.sessions[name] for name in sorted(user.sessions) if everything or name == session_hash),
            sessions_etag=user.sessions_etag if everything else None,
            revocations=tuple(user.revocations[name] for name in sorted(user.revocations)) if everything else (),
            unreadable=("connection",) if damaged else (),
        )

    def _merge(self, connection: Connection, names: Sequence[str], **sealed: str) -> Connection:
        user = self._partition(connection.user_id)
        _require(user.connection is not None and user.connection.etag == connection.etag)
        changed = dataclasses.replace(connection, change_id=new_id(), etag=self._etag())
        properties: dict[str, Any] = {name: getattr(changed, name) for name in (*names, "change_id", "etag")}
        user.connection = dataclasses.replace(user.connection, **(properties | sealed))
        return changed

    def _keep(self, user: _Partition, revocation: Revocation) -> Revocation:
        kept = dataclasses.replace(revocation, etag=self._etag(), key_id=self._keys().newest_id)
        if revocation.outcome:
            kept = dataclasses.replace(kept, access_token="", refresh_token="", key_id="", attempts=0, give_up_at=None)
        user.revocations[revocation.id] = kept
        return kept


_STATE = ("status", "reason", "lease", "retry_at", "failures")
_TOKENS = (
    "access_token", "refresh_token", "profile", "expires_at", "refreshed_at", "generation", "secret_id", "key_id",
)  # fmt: skip


def _require(condition: bool) -> None:
    if not condition:
        raise Fenced("conditional write")


def _etag_of(connection: Connection | None) -> str | None:
    return connection.etag if connection else None


def _check_size(*tokens: str) -> None:
    if any(len(token.encode()) + ENVELOPE_BYTES > MAX_SEALED_BYTES for token in tokens):
        raise TooLargeToStoreError


class MemoryDue:
    """Fulfils Due with a set."""

    def __init__(self, journal: Journal | None = None, *, page: int = 1000) -> None:
        self._journal = journal or Journal()
        self._page = page
        self._hints: set[Hint] = set()

    def put(self, hints: Sequence[Hint]) -> None:
        self._journal.play("due.put", lambda: self._hints.update(map(_whole_seconds, hints)))

    def until(self, moment: datetime) -> Iterator[list[Hint]]:
        after = ""
        while True:
            found = [hint for hint in self.all() if hint.row_key > after and hint.at <= moment][: self._page]
            self._journal.play("due.until", lambda: None)
            yield found
            if len(found) < self._page:
                return
            after = found[-1].row_key

    def remove(self, hints: Sequence[Hint]) -> None:
        self._journal.play("due.remove", lambda: self._hints.difference_update(map(_whole_seconds, hints)))

    def all(self) -> list[Hint]:
        return sorted(self._hints, key=lambda hint: hint.row_key)

    def of(self, user_id: str) -> list[datetime]:
        return [hint.at for hint in self.all() if hint.user_id == user_id]


def _whole_seconds(hint: Hint) -> Hint:
    return hint._replace(at=hint.at.astimezone(UTC).replace(microsecond=0))


class MemoryLogins:
    """Fulfils Logins with a set."""

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = journal or Journal()
        self._lock = threading.Lock()
        self._burnt: set[tuple[str, str]] = set()

    def burn(self, state_hash: str, started_at: datetime) -> bool:
        def work() -> bool:
            key = (bucket(started_at), state_hash)
            with self._lock:
                first = key not in self._burnt
                self._burnt.add(key)
            return first

        return self._journal.play("logins.burn", work)

    def purge(self, now: datetime) -> int:
        def work() -> int:
            with self._lock:
                old = {key for key in self._burnt if key[0] < bucket(now - KEPT)}
                self._burnt -= old
            return len(old)

        return self._journal.play("logins.purge", work)


@dataclass
class _Issued:
    family: str
    parent: _Issued | None
    used_at: datetime | None = None
    spent: bool = False


class FakeProvider:
    """Fulfils Provider: single-use codes, families of tokens, and what becomes of a used refresh token.

    A code is `subject#anything`. A refresh that is planned to fail `after` has rotated all the same.
    """

    title = "Fake"
    redirect_uri = "https://app.example/auth/callback"
    scopes = "vso.work"
    consent_url = "https://provider.example/consent"
    sign_out_url = None

    def __init__(self, clock: Clock, journal: Journal | None = None, *, name: str = "azure-devops") -> None:
        self.name = name
        self.issuer = f"https://{name}.example"
        self.offers_revocation = True
        self.offers_sign_in = True
        self.reuse: Reuse = "nonrotating"
        self.lifetime = timedelta(hours=1)
        self.omits_refresh_token = False
        self.token_size = 0
        self.secret_id: str | None = "5ec4e7ed"
        self.revocation_answers: deque[Revoked] = deque()
        self.revocation_pause: float | None = None
        self.revoked: list[str] = []
        self.patience: list[timedelta] = []
        self.replays = 0
        self._clock = clock
        self._journal = journal or Journal()
        self._lock = threading.Lock()
        self._codes: set[str] = set()
        self._refresh_tokens: dict[str, _Issued] = {}
        self._access_tokens: dict[str, _Issued] = {}
        self._dead_families: set[str] = set()
        self._numbers = itertools.count(1)

    def authorization_url(self, login: Login, *, claims: str = "", consent: bool = False) -> str:
        return f"{self.issuer}/authorize?state={login.state}"

    def may_be_issuer(self, issuer: str) -> bool:
        return issuer == self.name

    def redeem(self, code: str, login: Login) -> tuple[Tokens, Identity]:
        def work() -> tuple[Tokens, Identity]:
            if code in self._codes:
                raise GrantEnded("the code was used")
            self._codes.add(code)
            return self._given(self._issue(code, None)), self.identity(code.partition("#")[0])

        return self._journal.play("provider.redeem", lambda: self._locked(work))

    def newest_secret_id(self) -> str | None:
        return self.secret_id

    def refresh(self, refresh_token: str, scopes: str, ends: datetime) -> Tokens:
        def work() -> Tokens:
            if ends <= self._clock.now():
                raise Unavailable("the deadline is over")
            old = self._refresh_tokens.get(refresh_token)
            if old is None or not self._serves(old):
                raise GrantEnded("the refresh token is not valid")
            old.used_at = old.used_at or self._clock.now()
            self._spend_parent(old)
            old.spent = self.reuse == "strict"
            return self._given(self._issue(old.family, old))

        return self._journal.play("provider.refresh", lambda: self._locked(work))

    def revoke(self, token: str, hint: str, *, timeout: timedelta) -> RevocationAnswer:
        def work() -> RevocationAnswer:
            if timeout <= timedelta(0):
                return RevocationAnswer(Revoked.LATER)
            self.patience.append(timeout)
            answer = self.revocation_answers.popleft() if self.revocation_answers else Revoked.DONE
            if answer is Revoked.DONE:
                self.revoked.append(token)
                if hint == "refresh_token" and token in self._refresh_tokens:
                    self._dead_families.add(self._refresh_tokens[token].family)
            return RevocationAnswer(answer, self.revocation_pause if answer is Revoked.LATER else None)

        return self._journal.play("provider.revoke", lambda: self._locked(work))

    def identity(self, subject: str) -> Identity:
        """As it comes with this person's tokens."""
        return Identity(self.name, self.issuer, subject, subject.title())

    def use(self, access_token: str) -> bool:
        """A call of the API with this token: whether it is taken. It spends what the token replaced."""
        with self._lock:
            issued = self._access_tokens.get(access_token)
            if issued is None or issued.family in self._dead_families or access_token in self.revoked:
                return False
            self._spend_parent(issued)
            return True

    def _locked[Result](self, work: Callable[[], Result]) -> Result:
        with self._lock:
            return work()

    def _given(self, issued: Tokens) -> Tokens:
        return dataclasses.replace(issued, refresh_token=None) if self.omits_refresh_token else issued

    def _serves(self, token: _Issued) -> bool:
        if token.family in self._dead_families:
            return False
        over_grace = self.reuse == "grace30" and token.used_at and self._clock.now() >= token.used_at + GRACE
        if token.spent or over_grace:
            self.replays += 1
            if self.reuse == "strict":
                self._dead_families.add(token.family)
            return False
        return True

    def _spend_parent(self, token: _Issued) -> None:
        if token.parent and self.reuse == "prev-until-used":
            token.parent.spent = True

    def _issue(self, family: str, parent: _Issued | None) -> Tokens:
        number = next(self._numbers)
        access_token, refresh_token = f"access-{number}".ljust(self.token_size, "."), f"refresh-{number}"
        issued = _Issued(family, parent)
        self._refresh_tokens[refresh_token] = self._access_tokens[access_token] = issued
        return Tokens(access_token, refresh_token, self.lifetime, self.secret_id or "")


@dataclass
class World:
    """Custody on fakes, with its clock, its journal and its events."""

    clock: Clock = field(default_factory=Clock)
    journal: Journal = field(default_factory=Journal)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    keyring: Keyring = field(default_factory=lambda: Keyring([FIRST_KEY]))
    vault_error: VaultError | None = None
    secrets_end: datetime | None = None

    def __post_init__(self) -> None:
        self.connections = MemoryConnections(self.keys, self.journal)
        self.due = MemoryDue(self.journal)
        self.logins = MemoryLogins(self.journal)
        self.provider = FakeProvider(self.clock, self.journal)
        self.custody = self.process()
        self._codes = itertools.count(1)

    def process(self, **changes: Any) -> Custody:
        """Custody as another process would have it: same store, own flights and fault watch."""
        built = Custody(
            connections=self.connections,
            due=self.due,
            logins=self.logins,
            providers={self.provider.name: self.provider},
            keys=self.keys,
            secrets_end=lambda: self.secrets_end,
            limits=Limits(timedelta(hours=24), timedelta(hours=8)),
            margin=timedelta(minutes=15),
            calls_per_second=1000,
            now=self.clock.now,
            sleep=self.clock.sleep,
            emit=self._emit,
        )
        return dataclasses.replace(built, **changes)

    def keys(self) -> Keyring:
        if self.vault_error:
            raise self.vault_error
        return self.keyring

    def sign_in(self, subject: str = "ada", previous: SessionKey | None = None) -> SessionKey:
        """A whole sign-in of this person."""
        _, login = begin(self.custody, self.provider.name, "/dashboard")
        return finish(self.custody, login, self.code(subject), browser="Firefox on Linux", previous=previous).key

    def code(self, subject: str = "ada") -> str:
        """A new authorization code."""
        return f"{subject}#{next(self._codes)}"

    def record(self, user_id: str) -> UserRecord:
        """What the store holds, past the journal."""
        return self.connections._read(user_id, None)

    def connection(self, user_id: str) -> Connection:
        """The stored connection."""
        found = self.record(user_id).connection
        if found is None:
            raise Unreadable("no connection is stored")
        return found

    def advance(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))

    def told(self, event: str) -> list[dict[str, Any]]:
        """The fields of each event of this name."""
        return [fields for name, fields in self.events if name == event]

    def _emit(self, event: str, /, **fields: Any) -> None:
        self.events.append((event, fields))
