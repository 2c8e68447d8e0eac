"""Every other address. The host takes the first match in the order of function names, hence the name."""

import azure.functions as func

from functions import _entry
from shared.errors import NotFound
from shared.web.answers import Answer
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.anyone(blueprint, "{*path}", query=None)
def zz_not_found(visit: Visit) -> Answer:
    """The 404 page."""
    raise NotFound(visit.request.method)
