"""Sign-in: `begin` writes nothing; `finish` burns the state, redeems the code, stores connection and session."""

import dataclasses
from dataclasses import dataclass, field
from datetime import timedelta

from shared.custody import Custody, refresh, rules
from shared.custody.sign_out import Receipt, sign_out
from shared.errors import (
    AnswerTooLarge,
    AppError,
    AppFault,
    CodeRefused,
    Fenced,
    GrantEnded,
    Policy,
    ProviderError,
    RequestRefused,
    SignInOff,
    SignInRefused,
    SignInUnavailable,
    SignInUsed,
    StoreError,
    Suspect,
    TooLargeToStoreError,
    UnknownProvider,
    explained,
)
from shared.models.custody import (
    Connection,
    Hint,
    Identity,
    Login,
    Profile,
    Session,
    Status,
    Tokens,
    UserRecord,
    new_id,
    new_secret,
    sha256_hex,
)
from shared.oauth.provider import Provider, granted

ROUNDS = 5
STORE_WITHIN = timedelta(seconds=4)
"""After that no further round begins: a person's request ends within ten seconds (acceptance S2)."""


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What a session cookie holds: whose it is, and the secret that proves it."""

    user_id: str
    secret: str = field(repr=False)

    @property
    def hash(self) -> str:
        """What the store holds instead of the secret."""
        return sha256_hex(self.secret)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A finished sign-in; `left` is what ended with it where another person had a session in this browser."""

    key: SessionKey
    left: Receipt | None = None


def begin(
    custody: Custody, provider_name: str | None, return_to: str, *, claims: str = "", consent: bool = False
) -> tuple[str, Login]:
    """The provider's address and the pending sign-in to seal into a cookie; without a name the first that offers one.

    `claims` and `consent` as in Provider.authorization_url. Raises UnknownProvider, SignInOff.
    """
    meant = [it for it in custody.providers.values() if provider_name in (None, it.name)]
    offered = [it for it in meant if it.offers_sign_in]
    if not offered:
        raise SignInOff("no new sign-ins") if meant else UnknownProvider("no such provider")
    provider = offered[0]
    login = Login(
        provider=provider.name,
        state=new_secret(),
        verifier=new_secret(),
        nonce=new_secret(),
        return_to=return_to,
        started_at=custody.now(),
    )
    custody.emit("sign_in_started", provider=provider.name)
    return provider.authorization_url(login, claims=claims, consent=consent), login


def finish(custody: Custody, login: Login, code: str, *, browser: str, previous: SessionKey | None) -> SignedIn:
    """Turn an authorization code into a session; all checks that need no store are behind us.

    `browser` is a short description for the account page; `previous` the session that this browser had: it ends.
    Raises SignInUsed for a state that was burnt before (no token call then), SignInError, ProviderError, StoreError.
    """
    provider = custody.providers.get(login.provider)
    if provider is None:
        raise UnknownProvider(login.provider)
    if not custody.logins.burn(sha256_hex(login.state), login.started_at):
        raise SignInUsed(login.provider)
    tokens, identity = _redeem(custody, provider, code, login)
    new = SessionKey(identity.user_id, new_secret())
    try:
        _store(custody, provider, tokens, identity, new, browser, previous)
    except _MayBeStoredError:
        raise
    except AppError:
        _withdraw(provider, tokens)
        raise
    other = previous if previous and previous.user_id != new.user_id else None
    left, trouble = None, {}
    try:
        left = sign_out(custody, other.user_id, other.hash) if other else None
    except AppError:
        # Not the trouble of who is in by now; the browser loses that session's cookie all the same.
        trouble = {"reason": "previous_session_left"}
    custody.emit("sign_in_completed", provider=provider.name, user=new.user_id, session=new.hash, **trouble)
    return SignedIn(new, left)


class _NoReplyError(Exception):
    """The transaction may have been done."""


class _MayBeStoredError(StoreError):
    """The transaction got no reply. If it came through, other browsers of this person live on these tokens."""


def _redeem(custody: Custody, provider: Provider, code: str, login: Login) -> tuple[Tokens, Identity]:
    try:
        tokens, identity = provider.redeem(code, login)
    except (GrantEnded, Suspect) as error:
        raise explained(CodeRefused(error.reason), error.meaning) from None
    except (AppFault, RequestRefused, Policy) as error:
        explained(error, error.meaning)
        # A refused request may be the fault of its code, and anybody can send us codes: that stops nobody's refresh.
        if isinstance(error, AppFault):
            custody.note_app_fault(provider.name, error)
        raise
    except AnswerTooLarge as error:
        raise _too_large(str(error)) from None
    except ProviderError as error:
        raise SignInUnavailable(str(error), retry_after=error.retry_after) from None
    if custody.faults.accepted(provider.name):
        custody.emit("app_fault_over", provider=provider.name)
    if tokens.refresh_token is None:
        _withdraw(provider, tokens)
        raise SignInRefused("no refresh token was given")
    return tokens, identity


def _store(
    custody: Custody,
    provider: Provider,
    tokens: Tokens,
    identity: Identity,
    key: SessionKey,
    browser: str,
    previous: SessionKey | None,
) -> None:
    """Load, hint, one transaction; when the partition changed, or no reply came, load and go on from there.

    Raises _MayBeStoredError when no reply came and other browsers may live on the tokens by now. After any other error
    nobody does: where there was no connection before, that of a stored one has a session without a browser.
    """
    ends = custody.now() + STORE_WITHIN
    unanswered: StoreError | None = None
    for _ in range(ROUNDS):
        try:
            record = custody.connections.load(key.user_id)
            if any(session.hash == key.hash for session in record.sessions):
                return
            connection = _connection(custody, provider, tokens, identity, record)
            _open(custody, provider, record, connection, _session(custody, key, browser), previous)
        except Fenced:
            continue
        except _NoReplyError as error:
            unanswered = _MayBeStoredError(str(error)) if record.connection_etag else StoreError(str(error))
            if custody.now() >= ends:
                break
            custody.sleep(rules.SAVE_PAUSE.total_seconds())
        except AppError as error:
            raise unanswered or error from None
        else:
            return
    raise unanswered or StoreError("the user's rows changed too often during the sign-in")


def _open(
    custody: Custody,
    provider: Provider,
    record: UserRecord,
    connection: Connection,
    session: Session,
    previous: SessionKey | None,
) -> None:
    """The hint, then the transaction. Raises Fenced, _NoReplyError when it may have been done, SignInRefused."""
    evicted = _evicted(custody, record, previous)
    replaced = None
    if record.connection and provider.offers_revocation:
        replaced = refresh.revocation_of(record.connection, custody.now())
    kept = tuple(old for old in record.sessions if old not in evicted)
    after = dataclasses.replace(
        record,
        connection=connection,
        sessions=(*kept, session),
        revocations=(*record.revocations, replaced) if replaced else record.revocations,
    )
    look = rules.next_look(after, custody.now(), custody.limits, custody.margin)
    assert look is not None
    custody.due.put([Hint(look, record.user_id)])
    try:
        custody.connections.open_session(record, connection, session, evicted=evicted, replaced=replaced)
    except Fenced:
        raise
    except StoreError as error:
        raise _NoReplyError(str(error)) from None
    except TooLargeToStoreError:
        raise _too_large("a token is too large to store") from None


def _too_large(log: str) -> SignInRefused:
    return SignInRefused(
        log,
        advice="The tokens of your account are larger than this site can store. Nothing was kept. "
        "Start the sign-in again with another account, or tell the people who run this site.",
    )


def _connection(
    custody: Custody, provider: Provider, tokens: Tokens, identity: Identity, record: UserRecord
) -> Connection:
    now = custody.now()
    assert tokens.refresh_token is not None
    return Connection(
        user_id=identity.user_id,
        provider=provider.name,
        issuer=identity.issuer,
        subject=identity.subject,
        scopes=granted(provider.scopes, tokens.scopes),
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        profile=Profile(identity.display_name, identity.email),
        expires_at=now + tokens.lifetime,
        refreshed_at=now,
        generation=record.connection.generation + 1 if record.connection else 1,
        secret_id=tokens.secret_id,
        key_id=custody.keys().newest_id,
        sign_in_id=new_id(),
        status=Status.LIVE,
    )


def _session(custody: Custody, key: SessionKey, browser: str) -> Session:
    now = custody.now()
    return Session(
        hash=key.hash,
        created_at=now,
        ends_at=now + custody.limits.lifetime,
        seen_at=now,
        browser=browser,
        change_id=new_id(),
    )


def _evicted(custody: Custody, record: UserRecord, previous: SessionKey | None) -> tuple[Session, ...]:
    """This browser's old session, what is over, and the oldest of more than 20."""
    live = rules.live_sessions(record, custody.now(), custody.limits)
    gone = {session for session in record.sessions if session not in live}
    if previous:
        gone |= {session for session in record.sessions if session.hash == previous.hash}
    staying = sorted((session for session in live if session not in gone), key=lambda it: it.created_at)
    gone |= set(staying[: max(len(staying) + 1 - rules.MAX_SESSIONS, 0)])
    return tuple(session for session in record.sessions if session in gone)


def _withdraw(provider: Provider, tokens: Tokens) -> None:
    """Nobody will store these tokens: don't leave them alive where the service can help it."""
    if not provider.offers_revocation:
        return
    for hint, token in (("refresh_token", tokens.refresh_token), ("access_token", tokens.access_token)):
        if token:
            provider.revoke(token, hint, timeout=rules.REVOKE_AT_ONCE / 2)
