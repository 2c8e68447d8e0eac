"""The assets of the pages."""

import azure.functions as func

from functions import _entry
from shared.services import static_files
from shared.web.answers import Answer
from shared.web.requests import Request

blueprint = func.Blueprint()


@_entry.bare(blueprint, "static/{digest}/{file}", "GET", "HEAD")
def static(request: Request, parameters: dict[str, str]) -> Answer:
    """A file under the digest of its content, to be kept for a year."""
    del request
    return static_files().find(parameters["digest"], parameters["file"])
