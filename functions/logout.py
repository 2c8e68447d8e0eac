"""Sign out."""

import azure.functions as func

from functions import _entry
from shared.custody import sign_out
from shared.errors import NotSignedIn
from shared.web import farewell
from shared.web.answers import Answer
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.anyone(blueprint, "auth/logout", "GET", "HEAD", "POST")
def logout(visit: Visit) -> Answer:
    """GET shows a page with a button; POST ends this session, or with `session` another one of one's own."""
    if visit.request.method != "POST":
        visit.signed_in()
        return visit.page("logout.html")
    if visit.key is None:
        raise NotSignedIn("no session cookie")
    digits = farewell.chosen_session(visit)
    custody, key = visit.services.custody, visit.key
    if key.hash.startswith(digits):
        return farewell.leave(visit, sign_out.sign_out(custody, key.user_id, key.hash))
    sign_out.sign_out_another(custody, key.user_id, key.hash, digits)
    return farewell.back_to_account()
