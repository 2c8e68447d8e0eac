"""The figures and decisions of custody. Pure: time comes in as an argument.

Sources: design "Flows" and "The custody rules"; acceptance section 3.
"""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.errors import (
    AppFault,
    GrantEnded,
    Policy,
    ProviderError,
    RequestRefused,
    Suspect,
    Throttled,
    Unavailable,
)
from shared.models.custody import Connection, Session, Status, UserRecord

REQUEST_MARGIN = timedelta(minutes=5)
"""A request refreshes when less than this is left; the source document's figure."""
SAFE_LEFT = timedelta(seconds=60)
"""With more than this left nobody but the lease holder waits."""
LEASE = timedelta(seconds=15)
TOKEN_CALL = timedelta(seconds=8)
"""For all tries together, counted from the look at the lease: a process that was paused since then calls no more."""
LEASE_NEEDED = timedelta(seconds=10)
"""The token call begins only with so much of the lease left."""
SUCCESSOR_PAUSE = timedelta(seconds=1)
"""The write of a holder whose lease just expired may be on its way."""
POLL = timedelta(milliseconds=200)
PATIENCE = timedelta(seconds=30)
SAVE_WITHIN = timedelta(seconds=20)
SAVE_PAUSE = timedelta(milliseconds=500)
COOLDOWN = timedelta(seconds=30)
LONGEST_COOLDOWN = timedelta(hours=1)
SHORT_RETRY = timedelta(seconds=5)
"""After a lost reply the old token is tried again soon: some services take it for 30 s after a rotation."""
LONGEST_RETRY = timedelta(minutes=5)
POLICY_PAUSE = timedelta(minutes=5)
JUST_REFRESHED = timedelta(seconds=60)
SOONEST_LOOK = timedelta(seconds=30)
LATEST_LOOK = timedelta(hours=1)
SEEN_EVERY = timedelta(minutes=10)
EMPTY_HINT_KEPT = timedelta(minutes=15)
"""A hint of an empty partition may belong to a sign-in that is still between its hint and its transaction."""
MAX_SESSIONS = 20
SIGN_IN_WITHIN = timedelta(minutes=10)
REVOCATION_KEPT = timedelta(hours=24)
REVOCATION_GIVEN_UP = timedelta(days=90)
REVOKE_AT_ONCE = timedelta(milliseconds=700)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long sessions last: in all, without use, and the incident switch."""

    lifetime: timedelta
    idle: timedelta
    not_before: datetime | None = None


def session_over(session: Session, limits: Limits) -> datetime:
    """When a session ends, or ended; use never extends its absolute end."""
    if limits.not_before and session.created_at < limits.not_before:
        return datetime.fromtimestamp(0, UTC)
    return min(session.ends_at, session.created_at + limits.lifetime, session.seen_at + limits.idle)


def live_sessions(record: UserRecord, now: datetime, limits: Limits) -> tuple[Session, ...]:
    """The sessions that still count."""
    return tuple(session for session in record.sessions if session_over(session, limits) > now)


def may_have_sessions(record: UserRecord) -> bool:
    """A session that does not open may be live: damage of ours signs nobody out."""
    return any(row.startswith("session") for row in record.unreadable)


def margin_of(connection: Connection, wanted: timedelta) -> timedelta:
    """Never more than half of the token's life, or a short-lived token would be refreshed all the time."""
    return min(wanted, (connection.expires_at - connection.refreshed_at) / 2)


def refresh_due(connection: Connection, wanted: timedelta) -> datetime | None:
    """When to refresh; None in `reconnect`, where no refresh will help."""
    if connection.status is Status.RECONNECT:
        return None
    due = connection.expires_at - margin_of(connection, wanted)
    return max(due, connection.retry_at) if connection.retry_at else due


def rests(connection: Connection, now: datetime) -> bool:
    """Whether no refresh may be tried now, whatever the reason to want one: it would be refused, or is paused."""
    if connection.status is Status.RECONNECT:
        return True
    return connection.retry_at is not None and connection.retry_at > now


def next_look(record: UserRecord, now: datetime, limits: Limits, margin: timedelta) -> datetime | None:
    """When the timer must look at this user again; None when there is nothing left to look at."""
    moments = [revocation.retry_at for revocation in record.revocations if revocation.retry_at]
    if record.connection:
        due = refresh_due(record.connection, margin)
        if due:
            moments.append(due)
    lives = live_sessions(record, now, limits)
    if lives:
        moments.append(max(session_over(session, limits) for session in lives))
    elif (record.connection or record.sessions) and not may_have_sessions(record):
        moments.append(now)  # the last one is over: so is the connection
    if not (record.connection_etag or record.connection or record.sessions or moments or record.unreadable):
        return None
    return max(now + SOONEST_LOOK, min([*moments, now + LATEST_LOOK]))


def cooldown(failures: int) -> timedelta:
    """After the n-th refusal in a row that may be ours: 30 s, doubling to an hour."""
    return min(COOLDOWN * _doublings(failures), LONGEST_COOLDOWN)


def suspects_exhausted(failures: int) -> bool:
    """Whether the retry after an hour was refused too: then it is the user's grant after all."""
    return failures > 1 and cooldown(failures - 1) >= LONGEST_COOLDOWN


def retry_pause(failures: int) -> timedelta:
    """After the n-th call in a row without an answer: 5 s, doubling to five minutes."""
    return min(SHORT_RETRY * _doublings(failures), LONGEST_RETRY)


def throttle_pause(error: Throttled) -> timedelta:
    """For how long the service wants to be left alone."""
    return timedelta(seconds=error.retry_after or 30)


def revocation_pause(attempts: int, retry_after: float | None = None) -> timedelta:
    """After the n-th attempt to revoke: 30 s, doubling to an hour, and never less than the service asks for."""
    return max(cooldown(attempts), timedelta(seconds=retry_after or 0))


def marked(connection: Connection, error: ProviderError, now: datetime) -> Connection:
    """What a refusal does to the row: only a verdict on the grant changes its status.

    `failures` of a suspect counts suspect refusals alone: no outage adds to what speaks against a grant.
    """
    released = dataclasses.replace(connection, lease=None)
    suspects = connection.failures + 1 if connection.status is Status.SUSPECT else 1
    match error:
        case GrantEnded():
            return dataclasses.replace(released, status=Status.RECONNECT, reason=error.reason, retry_at=None)
        case Suspect() if suspects_exhausted(suspects):
            return dataclasses.replace(released, status=Status.RECONNECT, reason=error.reason, retry_at=None)
        case Suspect():
            pause = cooldown(suspects)
            return dataclasses.replace(
                released, status=Status.SUSPECT, reason=error.reason, failures=suspects, retry_at=now + pause
            )
        case AppFault():
            return released
        case _:
            return _paused(released, error, now)


def _paused(connection: Connection, error: ProviderError, now: datetime) -> Connection:
    """No verdict: the row rests, and says why unless it says already what it is suspected of."""
    suspected = connection.status is Status.SUSPECT
    failures = connection.failures
    match error:
        case Policy():
            pause = POLICY_PAUSE
        case Throttled():
            pause = throttle_pause(error)
        case RequestRefused():
            failures += not suspected
            pause = cooldown(failures)
        case _:
            failures += not suspected
            own = min(cooldown(failures), LONGEST_RETRY) if suspected else retry_pause(failures)
            pause = max(own, timedelta(seconds=error.retry_after or 0))
    reason = connection.reason if suspected else error.reason
    return dataclasses.replace(connection, reason=reason, failures=failures, retry_at=now + pause)


def paused_by(connection: Connection) -> ProviderError:
    """What a row rests for, told again for as long as it does."""
    told = {kind.reason: kind for kind in (Policy, RequestRefused, Throttled)}
    return told.get(connection.reason, Unavailable)("cooling down")


def usable(connection: Connection, now: datetime) -> bool:
    """Whether the stored access token still serves."""
    return connection.expires_at > now


def lease_is_held(connection: Connection, now: datetime) -> bool:
    """Whether somebody may be refreshing right now."""
    return connection.lease is not None and connection.lease.until > now


def _doublings(failures: int) -> int:
    return 1 << min(max(failures - 1, 0), 20)
