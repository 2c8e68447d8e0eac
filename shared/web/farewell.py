"""After a sign-out: the way to its receipt, and what the receipt says by now."""

import contextlib
import re
from collections.abc import Mapping

from shared.custody.sign_out import Receipt
from shared.errors import BadRequest, NoReceipt, ProviderGone, StoreError, Unreadable
from shared.models.custody import Revocation
from shared.models.views import RevocationState, SignOutReceipt
from shared.oauth.provider import ENTRA, Revoked
from shared.web.answers import Answer, redirect
from shared.web.visit import Visit

RECEIPT_PAGE = "/auth/receipt"
ACCOUNT_PAGE = "/account"
FIELD = "session"
ENTRA_MINUTES, LEGACY_MINUTES = 90, 60
"""How long an access token may live (facts/azure-devops.md 3.6 and 1.5)."""

_DIGITS = re.compile(r"[0-9a-f]{12}")
_LEAVE_NOTHING = {"Clear-Site-Data": '"cache", "storage"'}


def chosen_session(visit: Visit) -> str:
    """The digits of the session that a sign-out form names; all those of the visit's own where it names none.

    Raises Forbidden and BadRequest.
    """
    assert visit.key is not None
    digits = visit.form((FIELD,)).get(FIELD, visit.key.hash)
    if digits != visit.key.hash and not _DIGITS.fullmatch(digits):
        raise BadRequest(advice=f"“{FIELD}” is the first 12 hex digits of a session, as your account page names it.")
    return digits


def back_to_account() -> Answer:
    """After the end of another session: the account page lists one less."""
    return redirect(ACCOUNT_PAGE)


def leave(visit: Visit, receipt: Receipt) -> Answer:
    """On to the receipt, with the session cookie gone and the browser's copies of our pages cleared.

    Pressed twice, the second sign-out finds nothing to end: the first one's receipt stays.
    """
    cookies, keys = visit.services.cookies, visit.services.custody.keys()
    answer = redirect(RECEIPT_PAGE).with_headers(_LEAVE_NOTHING).with_cookies(cookies.no_session())
    if receipt.sessions or kept_receipt(visit) is None:
        answer = answer.with_cookies(cookies.receipt(receipt, keys))
    return answer


def kept_receipt(visit: Visit) -> Receipt | None:
    """The receipt that this browser holds, if any."""
    custody = visit.services.custody
    return visit.services.cookies.open_receipt(visit.request.header("cookie"), custody.keys(), custody.now())


def receipt(visit: Visit) -> SignOutReceipt:
    """What the receipt of this browser says now. Raises NoReceipt.

    Our own faults only make it older: it then tells how things stood at the sign-out.
    """
    kept = kept_receipt(visit)
    if kept is None:
        raise NoReceipt("no cookie that opens")
    with contextlib.suppress(StoreError, Unreadable, ProviderGone):
        visit.signed_in()
    rows = _rows(visit, kept)
    states = _states(kept, rows)
    provider = visit.services.custody.providers.get(kept.provider or "")
    minutes = ENTRA_MINUTES if kept.provider == ENTRA else LEGACY_MINUTES
    return SignOutReceipt(
        signed_out_at=kept.at,
        sessions_ended=kept.sessions,
        tokens_deleted=kept.connection_ended,
        provider=kept.provider,
        revocations=states,
        checked=rows is not None,
        access_token_minutes=minutes if any(it.state == "not_offered" for it in states) else None,
        withdraw_url=provider.consent_url if provider and kept.connection_ended else None,
        sign_out_url=provider.sign_out_url if provider else None,
    )


def _rows(visit: Visit, kept: Receipt) -> Mapping[str, Revocation] | None:
    """The rows of the receipt that are there; None when the store can't tell."""
    try:
        found = visit.services.custody.connections.load_revocations(kept.user_id, kept.revocations)
    except (StoreError, Unreadable):
        return None
    return {revocation.id: revocation for revocation in found}


def _states(kept: Receipt, rows: Mapping[str, Revocation] | None) -> list[RevocationState]:
    """One state for each pair of tokens; the first is of this sign-out's own where it had any."""
    if not kept.revocations:
        return [RevocationState("not_offered", None)] if kept.upstream else []
    at_once = [kept.upstream, *[None] * len(kept.revocations)]
    return [_state(done, rows, name) for done, name in zip(at_once, kept.revocations, strict=False)]


def _state(at_once: Revoked | None, rows: Mapping[str, Revocation] | None, name: str) -> RevocationState:
    row = rows.get(name) if rows is not None else None
    known = row.outcome if row and row.outcome else at_once
    if known == Revoked.DONE:
        return RevocationState("revoked", None)
    if known == Revoked.NOT_OFFERED:
        return RevocationState("not_offered", None)
    if rows is not None and row is None:
        return RevocationState("given_up", None)  # what is settled is kept for longer than a receipt
    return RevocationState("retried", row.retry_at if row else None)
