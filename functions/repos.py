"""The repositories of a project."""

import azure.functions as func

from functions import _entry
from shared.azure_devops.repositories import list_repositories, parse_continuation
from shared.models import examples
from shared.models.views import Listing, Repository
from shared.web.answers import Answer
from shared.web.contract import OF_AZURE_DEVOPS, Body
from shared.web.queries import paged
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.signed_in(
    blueprint,
    "org/{org}/project/{project}/repos",
    "GET",
    "HEAD",
    query=paged(parse_continuation),
    answers=Body(Listing[Repository], {200: examples.REPOSITORIES}, OF_AZURE_DEVOPS),
)
def repos(visit: Visit) -> Answer:
    """All repositories with size and default branch."""
    org, project = visit.organization(), visit.project()
    top, continuation = visit.paging()
    page = visit.ask(
        lambda client, caller: list_repositories(client, caller, org, project, top=top, continuation=continuation)
    )
    return visit.view("repositories.html", visit.listing(page, top), org=org, project=project)
