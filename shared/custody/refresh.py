"""The one way to a fresh token, for pages, JSON, the reaction to a rejected token, the timer and logout.

    connection due ──► in-process collapse ──► lease (merge, If-Match) ──► token call ──► save (If-Match)
                                                  │ held by another          │ refused       │ lost the race
                                                  ▼                          ▼               ▼
                                            go on, or wait and adopt    re-read, mark   adopt, or revoke ours

Nobody uses a token that is not stored. One example, for a developer who needs nothing but a token:

    record = custody.connections.load(user_id)
    token = fresh_token(custody, record)          # refreshed at most once, whatever the number of callers
    requests.get(url, headers={"Authorization": f"Bearer {token}"})
"""

import dataclasses
import functools
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared import budget
from shared.custody import Custody, rules
from shared.errors import (
    AppError,
    AppFault,
    Busy,
    Fenced,
    ProviderError,
    RequestRefused,
    SignInAgain,
    StoreError,
    Suspect,
    Throttled,
    TokenTooLarge,
    TooLargeToStoreError,
    Unreadable,
    VaultError,
)
from shared.models.custody import Connection, Hint, Lease, Revocation, Status, Tokens, UserRecord, new_id
from shared.sealing import Keyring


class By(StrEnum):
    """Who asks for a refresh."""

    REQUEST = "request"
    TIMER = "timer"


@dataclass(frozen=True, slots=True)
class Need:
    """Why a refresh is wanted: `margin` before expiry, or because the API rejected the token of a generation."""

    by: By
    margin: timedelta
    rejected: int | None = None

    def due(self, connection: Connection, now: datetime) -> bool:
        """Whether this connection is to be refreshed now."""
        if self.rejected is not None:
            return connection.generation == self.rejected and not rules.rests(connection, now)
        due = rules.refresh_due(connection, self.margin)
        return due is not None and due <= now

    def content_with(self, connection: Connection, now: datetime) -> bool:
        """Whether the stored token is good enough not to wait for somebody else's refresh."""
        if self.by is By.TIMER:
            return True
        if self.rejected is not None and connection.generation == self.rejected:
            return False
        return connection.expires_at - now > rules.SAFE_LEFT

    def served_by(self, connection: Connection, now: datetime) -> bool:
        """Whether one can go on with the stored token; the timer leaves what it could not renew to its next look."""
        if self.by is By.TIMER:
            return True
        return rules.usable(connection, now) and connection.generation != self.rejected


def fresh_token(custody: Custody, record: UserRecord) -> str:
    """An access token of `record`'s connection that is stored and not about to expire.

    Raises SignInAgain (401) when the grant is over; when there is no usable token right now Policy (403), or with 503
    Busy, another ProviderError, StoreError, VaultError or Unreadable.
    """
    connection = _readable(record)
    if connection is None:
        raise SignInAgain("no connection")
    return fresh(custody, connection).access_token


def fresh(custody: Custody, connection: Connection) -> Connection:
    """The connection with a token that serves a request; errors as in `fresh_token`."""
    return _obtain(custody, connection, Need(By.REQUEST, rules.REQUEST_MARGIN))


def renewed_after_rejection(custody: Custody, connection: Connection) -> Connection:
    """The connection with another token than the one that the API just rejected; errors as in `fresh_token`."""
    if custody.now() - connection.refreshed_at < rules.JUST_REFRESHED:
        raise SignInAgain("a token is rejected right after its refresh")
    return _obtain(custody, connection, Need(By.REQUEST, rules.REQUEST_MARGIN, rejected=connection.generation))


def refreshed_early(custody: Custody, connection: Connection) -> Connection:
    """For the timer: refresh when due at the configured margin, leave to others what they are at."""
    need = Need(By.TIMER, custody.margin)
    if not need.due(connection, custody.now()):
        return connection
    return _obtain(custody, connection, need)


def _obtain(custody: Custody, connection: Connection, need: Need) -> Connection:
    patience = custody.now() + rules.PATIENCE
    while (now := custody.now()) < patience:
        if not need.due(connection, now):
            return _go_on(custody, connection, need, SignInAgain("the token is over"))
        found = custody.flights.join(
            connection.user_id,
            functools.partial(_lead, custody, connection, need, patience),
            otherwise=connection if need.content_with(connection, now) else None,
            patience_seconds=(patience - now).total_seconds(),
        )
        if need.served_by(found, custody.now()):
            return found
        connection = found  # a shared flight satisfied its leader, who had another need: on with what it found
    raise Busy("no refresh brought a token that serves", retry_after=5)


def _go_on(custody: Custody, connection: Connection, need: Need, error: AppError) -> Connection:
    """The stored token as long as it serves; else what stands in the way."""
    now = custody.now()
    if need.served_by(connection, now):
        return connection
    if connection.status is not Status.LIVE:
        raise SignInAgain(connection.reason or connection.status)
    if connection.retry_at and connection.retry_at > now:
        if not isinstance(error, ProviderError):
            error = rules.paused_by(connection)
        error.retry_after = (connection.retry_at - now).total_seconds()
    raise error


def _lead(custody: Custody, connection: Connection, need: Need, patience: datetime) -> Connection:
    """Take the lease and refresh, or adopt what another process stored meanwhile; wait for others until `patience`."""
    known = connection.generation
    while True:
        now = custody.now()
        if connection.generation != known:
            custody.emit("refresh_adopted", **_about(connection), by=need.by)
            return connection
        if not need.due(connection, now):
            return _go_on(custody, connection, need, SignInAgain("the token is over"))
        if rules.lease_is_held(connection, now):
            if need.content_with(connection, now):
                return connection
            if now >= patience:
                raise Busy("another process holds the lease", retry_after=5)
            custody.sleep(rules.POLL.total_seconds())
            connection = _reload(custody, connection)
            continue
        if connection.lease is not None:
            # An intent without a result: the write of that holder may just be landing.
            custody.sleep(rules.SUCCESSOR_PAUSE.total_seconds())
            current = _reload(custody, connection)
            if current.etag != connection.etag:
                connection = current
                continue
        hindrance = _hindrance(custody, connection, now)
        if hindrance:
            return _go_on(custody, connection, need, hindrance)
        if need.rejected is not None:
            # Long before its time: the next token may be due sooner than this one was to be.
            custody.due.put([Hint(custody.now() + rules.SOONEST_LOOK, connection.user_id)])
        keys = custody.keys()  # at hand before the call: what it brings waits for no vault
        try:
            return _call(custody, _lease(custody, connection), need, keys)
        except _LeaseLostError:
            connection = _reload(custody, connection)


def _hindrance(custody: Custody, connection: Connection, now: datetime) -> AppError | None:
    """Why no token call may be made at all; then no lease is taken either, for others would wait for it."""
    if connection.provider not in custody.providers:
        return SignInAgain("this way to sign in was switched off")
    wait = custody.faults.open_for(connection.provider, now)
    return AppFault("the breaker is open", retry_after=wait) if wait else None


class _LeaseLostError(Exception):
    """Somebody else changed the row before our lease was written."""


def _lease(custody: Custody, connection: Connection) -> Connection:
    """Write lease and intent; again when that took so long that too little is left for the token call."""
    holder = new_id()
    while True:
        now = custody.now()
        intent = f"{new_id()} {connection.generation} {now:%Y-%m-%dT%H:%M:%SZ}"
        leased = dataclasses.replace(connection, lease=Lease(holder, now + rules.LEASE, intent))
        try:
            connection = custody.connections.take_lease(leased)
        except Fenced:
            raise _LeaseLostError from None
        if now + rules.LEASE - custody.now() >= rules.LEASE_NEEDED:
            return connection


def _call(custody: Custody, connection: Connection, need: Need, keys: Keyring) -> Connection:
    """The token call, once; then the write, before anything else."""
    began = custody.now()
    try:
        provider = custody.providers[connection.provider]
        tokens = provider.refresh(connection.refresh_token, connection.scopes, began + rules.TOKEN_CALL)
    except ProviderError as error:
        return _refused(custody, connection, need, error)
    renewed = next_generation(connection, tokens, began, keys.newest_id)
    try:
        saved = _save(custody, renewed, keys)
    except TooLargeToStoreError:
        return _refused(custody, connection, need, TokenTooLarge("over what a row takes"))
    if custody.faults.succeeded(connection.provider):
        custody.emit("app_fault_over", provider=connection.provider)
    if saved.access_token != renewed.access_token:
        custody.emit("refresh_adopted", **_about(saved), by=need.by)
        return saved
    seconds = round((custody.now() - began).total_seconds(), 3)
    custody.emit("refreshed", **_about(saved), by=need.by, seconds=seconds, secret=saved.secret_id, key=saved.key_id)
    return saved


def next_generation(connection: Connection, tokens: Tokens, began: datetime, key_id: str) -> Connection:
    """The connection with new tokens; their life counts from before the call, an omitted refresh token is kept."""
    return dataclasses.replace(
        connection,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token or connection.refresh_token,
        expires_at=began + tokens.lifetime,
        refreshed_at=began,
        generation=connection.generation + 1,
        secret_id=tokens.secret_id,
        key_id=key_id,
        status=Status.LIVE,
        reason="",
        lease=None,
        retry_at=None,
        failures=0,
    )


def _save(custody: Custody, renewed: Connection, keys: Keyring) -> Connection:
    """Write the same tokens until it works, for as long as the invocation may; never call the service again."""
    ends = custody.now() + rules.SAVE_WITHIN
    while True:
        try:
            with budget.granted(None):  # whatever was waited before, the new tokens must not be lost for that
                return _save_or_yield(custody, renewed, keys)
        except (StoreError, Unreadable, VaultError):
            # After a fence or a lost reply we look at the row, which asks the vault; a newer key may have sealed it.
            if custody.now() >= ends:
                raise
            custody.sleep(rules.SAVE_PAUSE.total_seconds())


def _save_or_yield(custody: Custody, renewed: Connection, keys: Keyring) -> Connection:
    """Write the tokens; to a row that is not theirs any more they yield, and what they yield to is returned."""
    while True:
        try:
            return custody.connections.save_tokens(renewed, keys)
        except Fenced:
            current = _readable(custody.connections.load(renewed.user_id))
        if current is None or current.sign_in_id != renewed.sign_in_id:
            keep_for_revocation(custody, renewed)
            if current is None:
                raise SignInAgain("signed out during the refresh")
            return current
        if current.generation >= renewed.generation:
            return current  # of one family with ours, which may be dropped
        renewed = dataclasses.replace(renewed, etag=current.etag)


def keep_for_revocation(custody: Custody, connection: Connection) -> None:
    """Tokens that nobody will use are revoked by the timer: hint first, then the row."""
    provider = custody.providers.get(connection.provider)
    if provider is None or not provider.offers_revocation:
        return
    revocation = revocation_of(connection, custody.now())
    custody.due.put([Hint(custody.now() + rules.SOONEST_LOOK, connection.user_id)])
    custody.connections.add_revocation(connection.user_id, revocation)


def revocation_of(connection: Connection, now: datetime) -> Revocation:
    """A connection's tokens as a revocation that is first tried again in 30 s."""
    return Revocation(
        id=new_id(),
        provider=connection.provider,
        access_token=connection.access_token,
        refresh_token=connection.refresh_token,
        created_at=now,
        retry_at=now + rules.SOONEST_LOOK,
        give_up_at=now + rules.REVOCATION_GIVEN_UP,
    )


def _refused(custody: Custody, connection: Connection, need: Need, error: ProviderError) -> Connection:
    """Re-read, adopt what a winner stored, else write down what the refusal means and go on if the token serves."""
    now = custody.now()
    if isinstance(error, AppFault):
        custody.note_app_fault(connection.provider, error)
    if isinstance(error, Throttled):
        custody.faults.throttled(connection.provider, now + rules.throttle_pause(error))
    current = _reload(custody, connection)
    if current.generation != connection.generation or current.sign_in_id != connection.sign_in_id:
        custody.emit("refresh_adopted", **_about(current), by=need.by)
        return current
    # Only now: a refusal that a lost race explains says nothing about our requests.
    doubtful = isinstance(error, Suspect | RequestRefused)
    if doubtful and custody.faults.suspected(connection.provider, connection.user_id, now):
        error = AppFault("too many suspect refusals in a row")
        custody.note_app_fault(connection.provider, error)
    custody.emit("refresh_failed", **_about(current), by=need.by, reason=error.reason)
    if not _same_lease(current, connection):
        return _go_on(custody, current, need, Busy("the lease went to another process", retry_after=5))
    marked = rules.marked(current, error, now)
    try:
        marked = custody.connections.release(marked)
    except Fenced:
        marked = _reload(custody, connection)
    if marked.status is Status.RECONNECT:
        custody.emit("connection_ended", **_about(marked), reason=marked.reason)
    return _go_on(custody, marked, need, error)


def _same_lease(current: Connection, ours: Connection) -> bool:
    """Whether we still hold it: else the verdict is for the present holder, who may have spent our token."""
    return current.lease is not None and ours.lease is not None and current.lease.holder == ours.lease.holder


def _reload(custody: Custody, connection: Connection) -> Connection:
    current = _readable(custody.connections.load(connection.user_id))
    if current is None:
        raise SignInAgain("the connection is gone")
    return current


def _readable(record: UserRecord) -> Connection | None:
    """None where there is no connection; one that does not open is no reason to sign in again. Raises Unreadable."""
    if record.connection is None and record.connection_etag:
        raise Unreadable("the connection does not open")
    return record.connection


def _about(connection: Connection) -> dict[str, str]:
    return {"provider": connection.provider, "user": connection.user_id}
