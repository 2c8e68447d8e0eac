"""The timer's run: look at every user who is due, move their hints, purge burnt states, report.

A look refreshes early, re-seals, retries revocations and ends what is over: no sweep scans `connections`. A hint is
moved only after the look: killed between any two steps, a user is looked at once more, never once too few.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.custody import Custody, refresh, rules
from shared.custody.pace import Pace
from shared.custody.report import Event, Look, TickReport, count, days_left
from shared.custody.sign_out import end_connection, revoke, settle
from shared.errors import AppError, Fenced, Unreadable
from shared.models.custody import Hint, Revocation, Session, UserRecord
from shared.oauth.provider import Revoked

GROUP = 100
WORKERS = 32
"""Calls under way at once: enough for 50 a second where the token service takes 0.6 s, and as many as a pool of
connections keeps (`shared.http_session`, `shared.storage.tables`)."""
REVOKE_PATIENCE = timedelta(seconds=5)
AFTER_A_FAULT = timedelta(minutes=5)
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Run:
    """What the looks of one run share: its pace, and when no look and no call may begin any more."""

    custody: Custody
    pace: Pace
    ends: datetime

    @property
    def over(self) -> bool:
        return self.custody.now() >= self.ends


class _LeftError(Exception):
    """The rest of this look is for the next run."""


def tick(custody: Custody, budget: timedelta) -> TickReport:
    """Look at everybody who is due, oldest first, for at most `budget`; what is left is due in the next run."""
    report = TickReport()
    started = custody.now()
    run = Run(custody, Pace(custody.calls_per_second, custody.sleep), started + budget)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="tick") as pool:
        for group in (group for page in custody.due.until(started) for group in grouped(page)):
            if run.over:
                report.complete = False
                break
            began = custody.now()
            looks = list(pool.map(lambda user_id: _look_safely(run, user_id), group))
            count(custody, report, looks)
            report.behind_seconds = max(report.behind_seconds, _behind(custody, group, looks, began))
            _move_hints(custody, group, looks)
    try:
        report.purged_logins = custody.logins.purge(custody.now())
    finally:  # whatever becomes of the purge, the work is done and is told
        report.secret_days_left = days_left(custody)
        custody.emit("tick", **report.fields())
    return report


def grouped(page: Iterable[Hint]) -> Iterable[dict[str, list[Hint]]]:
    """Hints by user, at most 100 users at a time, in the order of their oldest hint."""
    group: dict[str, list[Hint]] = {}
    for hint in page:
        if hint.user_id not in group and len(group) == GROUP:
            yield group
            group = {}
        group.setdefault(hint.user_id, []).append(hint)
    if group:
        yield group


def _look_safely(run: Run, user_id: str) -> Look:
    """One user's trouble never stops the run; events are handed back to the invocation's thread."""
    events: list[Event] = []

    def collect(event: str, /, **fields: Any) -> None:
        events.append((event, fields))

    own = dataclasses.replace(run, custody=dataclasses.replace(run.custody, emit=collect))
    try:
        record = look(own, user_id)
    except _LeftError:
        return Look(user_id, None, tuple(events), left=True)
    except Unreadable as error:
        collect("unreadable", user=user_id, reason=error.kind)
        return Look(user_id, None, tuple(events), fault=error.kind)
    except AppError as error:
        return Look(user_id, None, tuple(events), fault=error.kind)
    except Exception as error:  # noqa: BLE001 - isolation of one user from all others
        return Look(user_id, None, tuple(events), fault=type(error).__name__)
    return Look(user_id, record, tuple(events))


def look(run: Run, user_id: str) -> UserRecord:
    """Do for one user what is due, and return the record as it is afterwards."""
    custody = run.custody
    _leave_when_over(run)
    for _ in range(ROUNDS):
        record = custody.connections.load(user_id)
        for row in record.unreadable:
            custody.emit("unreadable", user=user_id, reason=row.partition(":")[0])
        try:
            record = _end_what_is_over(run, record)
        except Fenced:
            continue
        record = dataclasses.replace(record, revocations=_retry_revocations(run, record))
        return _renew(run, record)
    return custody.connections.load(user_id)


def _end_what_is_over(run: Run, record: UserRecord) -> UserRecord:
    custody = run.custody
    live = rules.live_sessions(record, custody.now(), custody.limits)
    if record.connection and custody.was_taken_away(record.connection.provider):
        return _end(run, record, "provider_gone")
    over = [session for session in record.sessions if session not in live]
    if not over and (live or not record.connection or rules.may_have_sessions(record)):
        return record
    _tell_expired(custody, record, over)
    if not live and not rules.may_have_sessions(record):
        return _end(run, record, "sessions_over")
    custody.connections.end_sessions(record, over)
    return custody.connections.load(record.user_id)


def _end(run: Run, record: UserRecord, reason: str) -> UserRecord:
    if record.connection:
        _await_turn_to_revoke(run, record.connection.provider)
    end_connection(run.custody, record, reason=reason, patience=REVOKE_PATIENCE)
    return run.custody.connections.load(record.user_id)


def _await_turn_to_revoke(run: Run, name: str) -> None:
    """Both tokens are revoked, at the service that refreshes too. Raises _LeftError when the run is over."""
    _leave_when_over(run)
    provider = run.custody.providers.get(name)
    if provider and provider.offers_revocation:
        run.pace.wait(calls=2)
        _leave_when_over(run)


def _leave_when_over(run: Run) -> None:
    if run.over:
        raise _LeftError


def _tell_expired(custody: Custody, record: UserRecord, over: Sequence[Session]) -> None:
    for session in over:
        custody.emit("session_expired", user=record.user_id, session=session.hash)


def _retry_revocations(run: Run, record: UserRecord) -> tuple[Revocation, ...]:
    now = run.custody.now()
    waiting = []
    for revocation in record.revocations:
        due = revocation.retry_at is not None and revocation.retry_at <= now
        if due and revocation.outcome:
            run.custody.connections.drop_revocation(record.user_id, revocation)
            continue
        attend = _retry if due else _resealed
        waiting.append(attend(run, record.user_id, revocation))
    return tuple(waiting)


def _resealed(run: Run, user_id: str, revocation: Revocation) -> Revocation:
    """It may wait for longer than the key that sealed it is kept."""
    if revocation.outcome or revocation.key_id == run.custody.keys().newest_id:
        return revocation
    return run.custody.connections.update_revocation(user_id, revocation)


def _retry(run: Run, user_id: str, revocation: Revocation) -> Revocation:
    custody = run.custody
    _await_turn_to_revoke(run, revocation.provider)
    answer = revoke(custody, revocation, REVOKE_PATIENCE)
    if answer.outcome is not Revoked.LATER:
        return settle(custody, user_id, revocation, answer.outcome)
    now = custody.now()
    if revocation.give_up_at and revocation.give_up_at <= now:
        custody.emit("revocation_given_up", user=user_id, provider=revocation.provider)
        custody.connections.drop_revocation(user_id, revocation)
        return dataclasses.replace(revocation, outcome="given_up", retry_at=None)
    attempts = revocation.attempts + 1
    custody.emit("revocation_delayed", user=user_id, provider=revocation.provider)
    pause = rules.revocation_pause(attempts, answer.retry_after)
    delayed = dataclasses.replace(revocation, attempts=attempts, retry_at=now + pause)
    return custody.connections.update_revocation(user_id, delayed)


def _renew(run: Run, record: UserRecord) -> UserRecord:
    custody, connection = run.custody, record.connection
    if connection is None:
        return record
    due = rules.refresh_due(connection, custody.margin)
    if due and due <= custody.now() and rules.live_sessions(record, custody.now(), custody.limits):
        _await_turn_to_refresh(run, connection.provider)
        connection = refresh.refreshed_early(custody, connection)
    if connection.key_id != custody.keys().newest_id:
        connection = custody.connections.reseal(connection)
    return dataclasses.replace(record, connection=connection)


def _await_turn_to_refresh(run: Run, name: str) -> None:
    """Raises _LeftError when the service asked for a pause, or the run is over, before or while we wait."""
    _leave_when_paused(run, name)
    run.pace.wait()
    _leave_when_paused(run, name)


def _leave_when_paused(run: Run, name: str) -> None:
    _leave_when_over(run)
    if run.custody.faults.throttled_for(name, run.custody.now()):
        raise _LeftError


def _behind(custody: Custody, group: dict[str, list[Hint]], looks: Sequence[Look], began: datetime) -> int:
    """For how many seconds somebody waited; nobody does behind the hint of a partition that is empty."""
    waited = (found for found in looks if found.left or found.events or _next_moment(custody, found, began))
    return max((int((began - hint.at).total_seconds()) for found in waited for hint in group[found.user_id]), default=0)


def _move_hints(custody: Custody, group: dict[str, list[Hint]], looks: Sequence[Look]) -> None:
    """New hints first, then the old ones away; an empty partition's hint stays for 15 minutes after its time."""
    now = custody.now()
    fresh: list[Hint] = []
    stale: list[Hint] = []
    for found in looks:
        if found.left:
            continue
        old = group[found.user_id]
        at = _next_moment(custody, found, now)
        if at is not None:
            hint = Hint(at.replace(microsecond=0) + timedelta(seconds=1), found.user_id)
            fresh.append(hint)
            stale.extend(it for it in old if it.row_key != hint.row_key)
        else:
            stale.extend(it for it in old if it.at <= now - rules.EMPTY_HINT_KEPT)
    if fresh:
        custody.due.put(fresh)
    if stale:
        custody.due.remove(stale)


def _next_moment(custody: Custody, found: Look, now: datetime) -> datetime | None:
    if found.record is None:
        return now + AFTER_A_FAULT
    return rules.next_look(found.record, now, custody.limits, custody.margin)
