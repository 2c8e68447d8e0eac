"""Sign-out: the local end first and at once; then one short attempt to revoke upstream, the timer does the rest."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.custody import Custody, refresh, rules
from shared.errors import Fenced, NotSignedIn, SessionUnknown, StoreError
from shared.models.custody import Hint, Revocation, Session, UserRecord
from shared.oauth.provider import RevocationAnswer, Revoked

ROUNDS = 5
REVOCATIONS_TOLD = 10
"""A filter of the table service takes 15 comparisons, and the receipt travels in a cookie."""

Choice = Callable[[UserRecord], Sequence[Session]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a sign-out did, and by which rows to see what becomes of the rest.

    `sessions` counts those that it ended: none where this one was gone already. `provider` is the name of the
    connection's; `upstream` what became of its tokens at once, None while the connection goes on; `revocations` are
    ids of rows, of its own tokens first, then of older ones that are still tried.
    """

    user_id: str
    at: datetime
    sessions: int = 0
    connection_ended: bool = False
    upstream: Revoked | None = None
    provider: str | None = None
    revocations: tuple[str, ...] = ()


def sign_out(custody: Custody, user_id: str, session_hash: str) -> Receipt:
    """End this session; with the last one the connection ends and its tokens are revoked.

    A session that is gone already is as good as ended. Raises StoreError when nothing could be ended.
    """
    return _end(custody, user_id, lambda record: _with_hash(record, session_hash))


def sign_out_another(custody: Custody, user_id: str, session_hash: str, digits: str) -> Receipt:
    """End the session of the same user whose hash begins with `digits`.

    Whose cookie proves a live session may do so: user ids and the first digits of a hash stand in logs. Raises
    NotSignedIn for any other, SessionUnknown when no session begins so, StoreError.
    """

    def chosen(record: UserRecord) -> Sequence[Session]:
        _require_live(custody, record, session_hash)
        live = rules.live_sessions(record, custody.now(), custody.limits)
        found = [session for session in live if session.hash.startswith(digits)]
        if not found:
            raise SessionUnknown("no session begins with these digits")
        return found

    return _end(custody, user_id, chosen)


def disconnect(custody: Custody, user_id: str, session_hash: str) -> Receipt:
    """End all sessions and the connection. Raises NotSignedIn unless this session lives, StoreError."""

    def chosen(record: UserRecord) -> Sequence[Session]:
        _require_live(custody, record, session_hash)
        return record.sessions

    return _end(custody, user_id, chosen)


def _with_hash(record: UserRecord, session_hash: str) -> Sequence[Session]:
    return [session for session in record.sessions if session.hash == session_hash]


def _require_live(custody: Custody, record: UserRecord, session_hash: str) -> None:
    own = _with_hash(record, session_hash)
    if not own or rules.session_over(own[0], custody.limits) <= custody.now():
        raise NotSignedIn("the session is over, and ends no other")


def _end(custody: Custody, user_id: str, choose: Choice) -> Receipt:
    """End the chosen sessions, and the connection unless another live one remains."""
    for _ in range(ROUNDS):
        record = custody.connections.load(user_id)
        ended = choose(record)
        if not ended:
            return Receipt(user_id=user_id, at=custody.now())
        remain = [it for it in rules.live_sessions(record, custody.now(), custody.limits) if it not in ended]
        try:
            receipt = _end_some(custody, record, ended) if remain else _end_all(custody, record)
        except Fenced:
            continue
        for session in ended:
            custody.emit("signed_out", user=user_id, session=session.hash)
        return dataclasses.replace(receipt, sessions=len(ended))
    raise StoreError("the user's rows changed too often during the sign-out")


def _end_some(custody: Custody, record: UserRecord, ended: Sequence[Session]) -> Receipt:
    """One transaction, and a hint before it only where those that remain end before we would look."""
    remaining = dataclasses.replace(record, sessions=tuple(it for it in record.sessions if it not in ended))
    now = custody.now()
    before, after = (rules.next_look(it, now, custody.limits, custody.margin) for it in (record, remaining))
    if before and after and after < before:
        custody.due.put([Hint(after, record.user_id)])
    custody.connections.end_sessions(record, ended)
    provider = record.connection.provider if record.connection else None
    return Receipt(user_id=record.user_id, at=now, provider=provider)


def _end_all(custody: Custody, record: UserRecord) -> Receipt:
    return end_connection(custody, record, reason="signed_out", patience=rules.REVOKE_AT_ONCE)


def end_connection(custody: Custody, record: UserRecord, *, reason: str, patience: timedelta) -> Receipt:
    """Delete connection and sessions in one transaction, then try for `patience` to revoke. Raises Fenced."""
    now = custody.now()
    connection = record.connection
    provider = custody.providers.get(connection.provider) if connection else None
    revocation = None
    if connection and provider and provider.offers_revocation:
        revocation = refresh.revocation_of(connection, now)
    custody.due.put([Hint(now + rules.SOONEST_LOOK, record.user_id)])
    custody.connections.end_connection(record, revocation)
    if connection:
        custody.emit("connection_ended", user=record.user_id, provider=connection.provider, reason=reason)
    outcome = Revoked.NOT_OFFERED if connection else None
    if revocation:
        answer = revoke(custody, revocation, patience)
        outcome = answer.outcome
        _note(custody, record.user_id, revocation, answer)
    return Receipt(
        user_id=record.user_id,
        at=now,
        connection_ended=True,
        upstream=outcome,
        provider=connection.provider if connection else None,
        revocations=_told(record, revocation),
    )


def _told(record: UserRecord, revocation: Revocation | None) -> tuple[str, ...]:
    own = (revocation.id,) if revocation else ()
    waiting = tuple(older.id for older in record.revocations if not older.outcome)
    return (own + waiting)[:REVOCATIONS_TOLD]


def _note(custody: Custody, user_id: str, revocation: Revocation, answer: RevocationAnswer) -> None:
    """Settle, or wait for longer than the 30 s that the row says already where the service asks for that."""
    if answer.outcome is not Revoked.LATER:
        settle(custody, user_id, revocation, answer.outcome)
        return
    asked = rules.revocation_pause(1, answer.retry_after)
    if asked > rules.SOONEST_LOOK:
        with contextlib.suppress(StoreError):
            delayed = dataclasses.replace(revocation, retry_at=custody.now() + asked)
            custody.connections.update_revocation(user_id, delayed)


def revoke(custody: Custody, revocation: Revocation, patience: timedelta) -> RevocationAnswer:
    """One attempt for both tokens, `patience` in all; both must be settled for the revocation to be."""
    provider = custody.providers.get(revocation.provider)
    if provider is None or not provider.offers_revocation:
        return RevocationAnswer(Revoked.NOT_OFFERED)
    ends = custody.now() + patience
    answers = [
        provider.revoke(token, hint, timeout=ends - custody.now())
        for hint, token in (("refresh_token", revocation.refresh_token), ("access_token", revocation.access_token))
        if token
    ]
    outcomes = [answer.outcome for answer in answers]
    if Revoked.LATER in outcomes:
        return RevocationAnswer(Revoked.LATER, max(answer.retry_after or 0 for answer in answers))
    return RevocationAnswer(Revoked.NOT_OFFERED if Revoked.NOT_OFFERED in outcomes else Revoked.DONE)


def settle(custody: Custody, user_id: str, revocation: Revocation, outcome: Revoked) -> Revocation:
    """Keep the outcome for a day and nothing else; our own faults here only mean another try by the timer."""
    event = "revoked" if outcome is Revoked.DONE else "revocation_not_offered"
    custody.emit(event, user=user_id, provider=revocation.provider)
    settled = dataclasses.replace(
        revocation,
        outcome=str(outcome),
        access_token="",
        refresh_token="",
        retry_at=custody.now() + rules.REVOCATION_KEPT,
    )
    try:
        return custody.connections.update_revocation(user_id, settled)
    except StoreError:
        return revocation
