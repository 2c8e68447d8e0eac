"""Whether the process can serve people."""

import azure.functions as func

from functions import _entry
from shared.readiness import KEPT_SECONDS
from shared.web.answers import Answer, json
from shared.web.requests import Request

blueprint = func.Blueprint()


@_entry.bare(blueprint, "readyz", "GET", "HEAD")
def ready(request: Request, parameters: dict[str, str]) -> Answer:
    """Settings, store and vault, each ok or failing; why is told to the log alone. Under every host name."""
    del request, parameters
    found = _entry.readiness()
    if found.ready:
        return json(found)
    return json(found, 503).with_headers({"Retry-After": str(KEPT_SECONDS)})
