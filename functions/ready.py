"""Whether the process can serve people."""

import azure.functions as func

from functions import _entry
from shared.readiness import KEPT_SECONDS, Readiness
from shared.web.answers import Answer, json
from shared.web.contract import Body
from shared.web.requests import Request

blueprint = func.Blueprint()
_EXAMPLES = {200: Readiness("ok", "ok", "ok"), 503: Readiness("ok", "failing", "ok")}


@_entry.bare(blueprint, "readyz", "GET", "HEAD", answers=Body(Readiness, _EXAMPLES))
def ready(request: Request, parameters: dict[str, str]) -> Answer:
    """Settings, store and vault, each ok or failing; why is told to the log alone. Under every host name."""
    del request, parameters
    found = _entry.readiness()
    if found.ready:
        return json(found)
    return json(found, 503).with_headers({"Retry-After": str(KEPT_SECONDS)})
