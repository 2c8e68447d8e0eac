"""The repositories of a project."""

import azure.functions as func

from functions import _entry
from shared.azure_devops.repositories import list_repositories, parse_continuation
from shared.web.answers import Answer
from shared.web.queries import paged
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.signed_in(blueprint, "org/{org}/project/{project}/repos", "GET", "HEAD", query=paged(parse_continuation))
def repos(visit: Visit) -> Answer:
    """All repositories with size and default branch."""
    org, project = visit.organization(), visit.project()
    top, continuation = visit.paging()
    page = visit.ask(
        lambda client, caller: list_repositories(client, caller, org, project, top=top, continuation=continuation)
    )
    return visit.view("repositories.html", visit.listing(page, top), org=org, project=project)
