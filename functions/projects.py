"""The projects of an organization."""

import azure.functions as func

from functions import _entry
from shared.azure_devops.paging import parse_tokens
from shared.azure_devops.projects import list_projects
from shared.web.answers import Answer
from shared.web.queries import paged
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.signed_in(blueprint, "org/{org}/projects", "GET", "HEAD", query=paged(parse_tokens))
def projects(visit: Visit) -> Answer:
    """One page of projects, each with the ways to its work items, builds and repositories."""
    org = visit.organization()
    top, continuation = visit.paging()
    page = visit.ask(lambda client, caller: list_projects(client, caller, org, top=top, continuation=continuation))
    return visit.view("projects.html", visit.listing(page, top), org=org)
