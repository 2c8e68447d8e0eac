"""Whether the process is alive."""

from typing import Literal

import azure.functions as func

from functions import _entry
from shared.web.answers import Answer, plain
from shared.web.contract import Body
from shared.web.requests import Request

blueprint = func.Blueprint()


@_entry.bare(blueprint, "healthz", "GET", "HEAD", answers=Body(Literal["ok\n"], {200: "ok\n"}, media_type="text/plain"))
def health(request: Request, parameters: dict[str, str]) -> Answer:
    """Alive; no I/O, and under every host name, because platform probes use their own."""
    del request, parameters
    return plain("ok")
