"""The work items of a project that changed last (facts/azure-devops.md 4.4 and 4.5)."""

import msgspec

from shared.azure_devops import names, paging, wiql
from shared.azure_devops.client import ApiRequest, AzureDevOps, Caller
from shared.azure_devops.envelope import Envelope, present
from shared.azure_devops.identities import Identity, name_of
from shared.azure_devops.paging import Page
from shared.azure_devops.times import parse_time
from shared.models.views import WorkItem

MAX_IDS = 19_999
"""More than 20,000 ids are refused with VS402337 (facts 4.4)."""

_SCOPE = "vso.work"
_FIELDS = (
    "System.Id",
    "System.Title",
    "System.State",
    "System.AssignedTo",
    "System.WorkItemType",
    "System.ChangedDate",
)


class _Reference(msgspec.Struct):
    id: int


class _Query(msgspec.Struct, rename="camel"):
    work_items: list[_Reference]


class _Fields(msgspec.Struct):
    """Unset fields are absent on the wire."""

    title: str | None = msgspec.field(name="System.Title", default=None)
    state: str | None = msgspec.field(name="System.State", default=None)
    type: str | None = msgspec.field(name="System.WorkItemType", default=None)
    assigned_to: Identity | str | None = msgspec.field(name="System.AssignedTo", default=None)
    changed: str | None = msgspec.field(name="System.ChangedDate", default=None)


class _WorkItem(msgspec.Struct):
    id: int
    fields: _Fields = msgspec.field(default_factory=_Fields)


_QUERY = msgspec.json.Decoder(_Query)
_WORK_ITEMS = msgspec.json.Decoder(Envelope[_WorkItem])


def parse_continuation(text: str | None) -> int:
    """Where a page begins; BadRequest for what this list never gave out."""
    return paging.parse_offset(text, MAX_IDS)


def recent_work_items(
    client: AzureDevOps, caller: Caller, org: str, project: str, *, top: int, continuation: str | None = None
) -> Page[WorkItem]:
    """One page, latest change first. Two calls: ids in order, then their fields; one when there are none.

    Items that were deleted or hidden between the two are left out, so a page may be shorter than `top`.
    """
    offset = parse_continuation(continuation)
    caller = client.bounded(caller)
    ids = _ids(client, caller, org, project, count=min(offset + top + 1, MAX_IDS))
    found = _details(client, caller, org, project, ids[offset : offset + top])
    items = [_view(client, org, project, item) for item in found]
    return paging.offset_page(items, offset, top, more=len(ids) > offset + top)


def _query(project: str) -> str:
    """System.TeamProject compares names only, so a project given by id is named by its place in the URL."""
    return wiql.newest_first({wiql.Field.PROJECT: wiql.Macro.PROJECT if names.is_id(project) else project})


def _ids(client: AzureDevOps, caller: Caller, org: str, project: str, *, count: int) -> list[int]:
    request = ApiRequest(
        method="POST",
        segments=(names.organization(org), names.project(project), "_apis", "wit", "wiql"),
        query={"$top": str(count)},
        body={"query": _query(project)},
        scope=_SCOPE,
    )
    answer = client.call(request, caller, _QUERY)
    return [item.id for item in answer.value.work_items]


def _details(client: AzureDevOps, caller: Caller, org: str, project: str, ids: list[int]) -> list[_WorkItem]:
    """In the order of `ids`: that of the answer is not promised."""
    if not ids:
        return []
    request = ApiRequest(
        method="POST",
        segments=(org, project, "_apis", "wit", "workitemsbatch"),
        body={"ids": ids, "fields": _FIELDS, "errorPolicy": "omit"},
        scope=_SCOPE,
    )
    answer = client.call(request, caller, _WORK_ITEMS)
    found = {item.id: item for item in present(answer.value.value)}
    return [found[wanted] for wanted in ids if wanted in found]


def _view(client: AzureDevOps, org: str, project: str, item: _WorkItem) -> WorkItem:
    return WorkItem(
        id=item.id,
        type=item.fields.type,
        title=item.fields.title or "",
        state=item.fields.state or "",
        assigned_to=name_of(item.fields.assigned_to),
        changed_at=parse_time(item.fields.changed),
        url=client.web_url(org, project, "_workitems", "edit", str(item.id)),
    )
