"""Sign-out: the local end first and at once; then one short attempt to revoke upstream, the timer does the rest."""

import dataclasses
from dataclasses import dataclass
from datetime import timedelta

from shared.custody import Custody, refresh, rules
from shared.errors import Fenced, StoreError
from shared.models.custody import Hint, Revocation, UserRecord
from shared.oauth.provider import Revoked

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a sign-out did: whether the connection ended with it, and what became of its tokens upstream.

    `provider` is the name of the connection's.
    """

    connection_ended: bool
    upstream: Revoked | None
    provider: str | None = None


def sign_out(custody: Custody, user_id: str, session_hash: str, *, everywhere: bool = False) -> Receipt:
    """End one session, or all; with the last one the connection ends and its tokens are revoked.

    A session that is gone already is as good as ended. Raises StoreError when nothing could be ended.
    """
    for _ in range(ROUNDS):
        record = custody.connections.load(user_id)
        ended = [session for session in record.sessions if session.hash == session_hash]
        if not ended and not everywhere:
            return Receipt(connection_ended=False, upstream=None)
        provider = record.connection.provider if record.connection else None
        others = [it for it in rules.live_sessions(record, custody.now(), custody.limits) if it.hash != session_hash]
        try:
            if others and not everywhere:
                custody.connections.end_sessions(record, ended)
                custody.emit("signed_out", user=user_id, session=session_hash)
                return Receipt(connection_ended=False, upstream=None, provider=provider)
            receipt = end_connection(custody, record, reason="signed_out", patience=rules.REVOKE_AT_ONCE)
        except Fenced:
            continue
        custody.emit("signed_out", user=user_id, session=session_hash)
        return receipt
    raise StoreError("the user's rows changed too often during the sign-out")


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
    name = connection.provider if connection else None
    if revocation is None:
        return Receipt(True, Revoked.NOT_OFFERED if connection else None, name)
    outcome = revoke(custody, revocation, patience)
    if outcome is not Revoked.LATER:
        settle(custody, record.user_id, revocation, outcome)
    return Receipt(True, outcome, name)


def revoke(custody: Custody, revocation: Revocation, patience: timedelta) -> Revoked:
    """One attempt for both tokens, `patience` in all; both must be settled for the revocation to be."""
    provider = custody.providers.get(revocation.provider)
    if provider is None or not provider.offers_revocation:
        return Revoked.NOT_OFFERED
    ends = custody.now() + patience
    answers = [
        provider.revoke(token, hint, timeout=ends - custody.now())
        for hint, token in (("refresh_token", revocation.refresh_token), ("access_token", revocation.access_token))
        if token
    ]
    if Revoked.LATER in answers:
        return Revoked.LATER
    return Revoked.NOT_OFFERED if Revoked.NOT_OFFERED in answers else Revoked.DONE


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
