"""Sign out."""

import azure.functions as func

from functions import _entry
from shared.custody.sign_out import sign_out
from shared.errors import NotSignedIn
from shared.web import farewell
from shared.web.answers import Answer
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.anyone(blueprint, "auth/logout", "GET", "HEAD", "POST")
def logout(visit: Visit) -> Answer:
    """GET shows a page with a button; POST ends this session, and with the last one the connection."""
    if visit.request.method != "POST":
        visit.signed_in()
        return visit.page("logout.html")
    if visit.key is None:
        raise NotSignedIn("no session cookie")
    visit.form(())
    receipt = sign_out(visit.services.custody, visit.key.user_id, visit.key.hash)
    return farewell.page(visit, receipt)
