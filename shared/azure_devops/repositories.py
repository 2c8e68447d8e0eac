"""The Git repositories of a project (facts/azure-devops.md 4.7)."""

import msgspec

from shared.azure_devops import names, paging
from shared.azure_devops.client import ApiRequest, AzureDevOps, Caller
from shared.azure_devops.envelope import Envelope, present
from shared.azure_devops.paging import Page
from shared.models.views import Repository

MAX_OFFSET = 100_000
"""More repositories than a 10 MiB answer can hold."""


class _Repository(msgspec.Struct, rename="camel"):
    id: str
    name: str
    default_branch: str | None = None
    size: int | None = None
    is_disabled: bool | None = None


_REPOSITORIES = msgspec.json.Decoder(Envelope[_Repository])


def parse_continuation(text: str | None) -> int:
    """Where a page begins; BadRequest for what this list never gave out."""
    return paging.parse_offset(text, MAX_OFFSET)


def list_repositories(
    client: AzureDevOps, caller: Caller, org: str, project: str, *, top: int, continuation: str | None = None
) -> Page[Repository]:
    """One page by name, without regard to case. One call: the API gives all at once, we cut the page out."""
    offset = parse_continuation(continuation)
    request = ApiRequest(
        segments=(names.organization(org), names.project(project), "_apis", "git", "repositories"),
        scope="vso.code",
    )
    answer = client.call(request, caller, _REPOSITORIES)
    found = sorted(present(answer.value.value), key=lambda repository: (repository.name.casefold(), repository.id))
    items = [_view(client, org, project, repository) for repository in found[offset : offset + top]]
    return paging.offset_page(items, offset, top, more=len(found) > offset + top)


def _view(client: AzureDevOps, org: str, project: str, repository: _Repository) -> Repository:
    # Azure DevOps takes the id in place of a name that would not survive in an address.
    segment = repository.name if names.is_project(repository.name) else repository.id
    branch = repository.default_branch
    return Repository(
        id=repository.id,
        name=repository.name,
        default_branch=branch.removeprefix("refs/heads/") if branch else None,
        size_bytes=repository.size or 0,
        disabled=bool(repository.is_disabled),
        url=client.web_url(org, project, "_git", segment),
    )
