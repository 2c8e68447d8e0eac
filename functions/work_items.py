"""The work items of a project."""

import azure.functions as func

from functions import _entry
from shared.azure_devops.work_items import parse_continuation, recent_work_items
from shared.web.answers import Answer
from shared.web.queries import paged
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.signed_in(blueprint, "org/{org}/project/{project}/workitems", "GET", "HEAD", query=paged(parse_continuation))
def work_items(visit: Visit) -> Answer:
    """The items changed last, newest first."""
    org, project = visit.organization(), visit.project()
    top, continuation = visit.paging()
    page = visit.ask(
        lambda client, caller: recent_work_items(client, caller, org, project, top=top, continuation=continuation)
    )
    return visit.view("work_items.html", visit.listing(page, top), org=org, project=project)
