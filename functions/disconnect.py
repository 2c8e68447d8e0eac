"""Sign out everywhere."""

import azure.functions as func

from functions import _entry
from shared.custody import sign_out
from shared.errors import NotSignedIn
from shared.web import farewell
from shared.web.answers import Answer
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.anyone(blueprint, "auth/disconnect", "POST")
def disconnect(visit: Visit) -> Answer:
    """End every session of the person and the connection; the form is on the account page."""
    if visit.key is None:
        raise NotSignedIn("no session cookie")
    visit.form(())
    return farewell.leave(visit, sign_out.disconnect(visit.services.custody, visit.key.user_id, visit.key.hash))
