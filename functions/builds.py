"""The builds of a project."""

import azure.functions as func

from functions import _entry
from shared.azure_devops.builds import recent_builds
from shared.azure_devops.paging import parse_tokens
from shared.web.answers import Answer
from shared.web.queries import paged
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.signed_in(blueprint, "org/{org}/project/{project}/builds", "GET", "HEAD", query=paged(parse_tokens))
def builds(visit: Visit) -> Answer:
    """The builds queued last, newest first."""
    org, project = visit.organization(), visit.project()
    top, continuation = visit.paging()
    page = visit.ask(
        lambda client, caller: recent_builds(client, caller, org, project, top=top, continuation=continuation)
    )
    return visit.view("builds.html", visit.listing(page, top), org=org, project=project)
