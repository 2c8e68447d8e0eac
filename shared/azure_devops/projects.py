"""The projects of an organization (facts/azure-devops.md 4.3)."""

import msgspec

from shared.azure_devops import links, names, paging
from shared.azure_devops.client import ApiRequest, AzureDevOps, Caller
from shared.azure_devops.envelope import Envelope, present
from shared.azure_devops.paging import Page
from shared.azure_devops.times import parse_time
from shared.models.views import Project


class _Project(msgspec.Struct, rename="camel"):
    id: str
    name: str
    description: str | None = None
    visibility: str | None = None
    last_update_time: str | None = None


_PROJECTS = msgspec.json.Decoder(Envelope[_Project])


def list_projects(
    client: AzureDevOps, caller: Caller, org: str, *, top: int, continuation: str | None = None
) -> Page[Project]:
    """One page of the projects that the person may see, in the order of the service. One call."""
    tokens = paging.parse_tokens(continuation)
    request = ApiRequest(
        segments=(names.organization(org), "_apis", "projects"),
        query={"$top": str(top)} | ({"continuationToken": tokens[-1]} if tokens else {}),
        scope="vso.project",
    )
    with paging.reached_by(tokens):
        answer = client.call(request, caller, _PROJECTS)
    items = [_view(client, org, project) for project in present(answer.value.value)]
    return paging.token_page(items, tokens, answer.continuation)


def _view(client: AzureDevOps, org: str, project: _Project) -> Project:
    # The API lists names that its own rule refuses; their pages go by the id.
    segment = project.name if names.is_project(project.name) else project.id
    page = ("org", org, "project", segment)
    return Project(
        id=project.id,
        name=project.name,
        description=project.description,
        visibility=project.visibility,
        updated_at=parse_time(project.last_update_time),
        url=client.web_url(org, segment),
        work_items_page=links.path(*page, "workitems"),
        builds_page=links.path(*page, "builds"),
        repositories_page=links.path(*page, "repos"),
    )
