"""The provider sends the browser back here."""

import azure.functions as func

from functions import _entry
from shared.web import callbacks
from shared.web.answers import Answer
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.anyone(blueprint, "auth/callback/{provider?}", "GET", max_query=callbacks.MAX_QUERY, query=None)
def callback(visit: Visit) -> Answer:
    """Turn the provider's answer into a session, and go on to the page that was wanted, at a clean address."""
    return callbacks.receive(visit)
