"""The page after a sign-out: what was destroyed here, what became of the tokens, what only the person can do."""

from shared.custody.sign_out import Receipt
from shared.oauth.provider import ENTRA, Revoked
from shared.web.answers import Answer
from shared.web.visit import Visit

_UPSTREAM = {
    Revoked.DONE: "Azure DevOps has revoked both tokens.",
    Revoked.LATER: "Azure DevOps did not confirm yet that the tokens are revoked; we go on trying until it does.",
    Revoked.NOT_OFFERED: "Azure DevOps offers applications no way to revoke tokens: the last access token runs out "
    "within the hour, and nobody holds it any more.",
}
_NOT_OFFERED_BY_MICROSOFT = (
    "Microsoft offers applications no way to revoke only their own tokens: the last access token stays valid there "
    "for up to 90 minutes, and nobody holds it any more."
)


def page(visit: Visit, receipt: Receipt) -> Answer:
    """The page, with the session cookie gone and the browser's copies of our pages cleared."""
    lines = ["This browser's session has ended."]
    if receipt.connection_ended:
        lines.append("It was your last one, so we deleted your tokens from our storage.")
    if receipt.upstream is Revoked.NOT_OFFERED and receipt.provider == ENTRA:
        lines.append(_NOT_OFFERED_BY_MICROSOFT)
    elif receipt.upstream:
        lines.append(_UPSTREAM[receipt.upstream])
    provider = visit.services.custody.providers.get(receipt.provider or "")
    answer = visit.page(
        "signed_out.html",
        lines=lines,
        consent_url=provider.consent_url if provider and receipt.connection_ended else None,
        consent_place="your profile at Azure DevOps" if receipt.provider != ENTRA else "your apps at Microsoft",
        sign_out_url=provider.sign_out_url if provider else None,
    )
    cookies = visit.services.cookies
    return answer.with_cookies(cookies.no_session()).with_headers({"Clear-Site-Data": '"cache", "storage"'})
