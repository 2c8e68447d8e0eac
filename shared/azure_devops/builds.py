"""The builds of a project that were queued last (facts/azure-devops.md 4.6)."""

import msgspec

from shared.azure_devops import names, paging
from shared.azure_devops.client import ApiRequest, AzureDevOps, Caller
from shared.azure_devops.envelope import Envelope, present
from shared.azure_devops.identities import Identity, name_of
from shared.azure_devops.paging import Page
from shared.azure_devops.times import parse_time
from shared.models.views import Build


class _Definition(msgspec.Struct):
    name: str | None = None


class _Build(msgspec.Struct, rename="camel"):
    id: int
    build_number: str | None = None
    definition: _Definition | None = None
    status: str | None = None
    result: str | None = None
    source_branch: str | None = None
    requested_for: Identity | str | None = None
    queue_time: str | None = None
    start_time: str | None = None
    finish_time: str | None = None


_BUILDS = msgspec.json.Decoder(Envelope[_Build])


def recent_builds(
    client: AzureDevOps, caller: Caller, org: str, project: str, *, top: int, continuation: str | None = None
) -> Page[Build]:
    """One page, latest queued first: in the default order of the service running builds can miss it. One call."""
    tokens = paging.parse_tokens(continuation)
    request = ApiRequest(
        segments=(names.organization(org), names.project(project), "_apis", "build", "builds"),
        query={"$top": str(top), "queryOrder": "queueTimeDescending"}
        | ({"continuationToken": tokens[-1]} if tokens else {}),
        scope="vso.build",
    )
    with paging.reached_by(tokens):
        answer = client.call(request, caller, _BUILDS)
    items = [_view(client, org, project, build) for build in present(answer.value.value)]
    return paging.token_page(items, tokens, answer.continuation)


def _view(client: AzureDevOps, org: str, project: str, build: _Build) -> Build:
    return Build(
        id=build.id,
        number=build.build_number or str(build.id),
        definition=build.definition.name if build.definition else None,
        status=build.status,
        result=build.result,
        branch=build.source_branch.removeprefix("refs/heads/") if build.source_branch else None,
        requested_for=name_of(build.requested_for),
        queued_at=parse_time(build.queue_time),
        started_at=parse_time(build.start_time),
        finished_at=parse_time(build.finish_time),
        url=f"{client.web_url(org, project, '_build', 'results')}?buildId={build.id}",
    )
