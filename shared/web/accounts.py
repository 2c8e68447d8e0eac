"""What a person sees of their own connection and sessions."""

from shared.custody import Custody, rules
from shared.models.custody import Session
from shared.models.views import Account, AccountSession, Scope
from shared.scopes import in_words
from shared.web.farewell import ACCOUNT_PAGE, RECEIPT_PAGE, kept_receipt
from shared.web.visit import Visit

SESSION_DIGITS = 12
"""So many digits of a session's hash name it, in forms and in events."""


def account(visit: Visit) -> Account:
    """The account of a visit whose record holds everything of the person."""
    custody, connection = visit.services.custody, visit.connection
    provider = custody.providers.get(connection.provider)
    return Account(
        name=connection.profile.display_name,
        email=connection.profile.email,
        provider=connection.provider,
        provider_title=provider.title if provider else connection.provider,
        status=connection.status.value,
        scopes=[Scope(name, meaning) for name, meaning in in_words(connection.scopes)],
        expires_at=connection.expires_at,
        refreshed_at=connection.refreshed_at,
        next_try_at=connection.retry_at,
        sessions=_sessions(visit),
        receipt_page=RECEIPT_PAGE if kept_receipt(visit) else None,
    )


def sign_in_again(visit: Visit) -> str | None:
    """Where a new sign-in begins: with the connection's own provider if it still takes some, else with another."""
    offered = [it.name for it in visit.services.custody.providers.values() if it.offers_sign_in]
    own = f"/{visit.connection.provider}" if visit.connection.provider in offered else ""
    return f"/auth/login{own}?return_to={ACCOUNT_PAGE}" if offered else None


def _sessions(visit: Visit) -> list[AccountSession]:
    """Those that live, this one first, then the last used."""
    assert visit.record is not None
    assert visit.key is not None
    custody, own = visit.services.custody, visit.key.hash
    live = rules.live_sessions(visit.record, custody.now(), custody.limits)
    by_use = sorted(live, key=lambda session: session.seen_at, reverse=True)
    return [_shown(custody, session, own) for session in sorted(by_use, key=lambda session: session.hash != own)]


def _shown(custody: Custody, session: Session, own: str) -> AccountSession:
    return AccountSession(
        id=session.hash[:SESSION_DIGITS],
        browser=session.browser or "A browser",
        started_at=session.created_at,
        seen_at=session.seen_at,
        ends_at=rules.session_over(session, custody.limits),
        current=session.hash == own,
    )
