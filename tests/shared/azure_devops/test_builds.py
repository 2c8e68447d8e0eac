from datetime import UTC, datetime

import pytest

from shared.azure_devops.builds import recent_builds
from shared.azure_devops.paging import token_page
from shared.errors import AzureDevOpsError, BadParameter, BadRequest
from tests.shared.azure_devops.scripted_server import Response, answer_json


def test_recorded_builds_are_read_and_a_queued_one_has_no_run(upstream, recorded):
    up = upstream(lambda _: recorded("builds_18_failed_and_notstarted.json"))
    page = recent_builds(up.client, up.caller, "contoso", "Build Tests", top=20)
    queued = page.items[0]
    assert len(page.items) == 18
    assert (queued.id, queued.number, queued.status, queued.result) == (32, "20210906.11", "notStarted", None)
    assert (queued.definition, queued.branch, queued.requested_for) == (
        "BuildTests Definition1",
        "main",
        "Recorded User 2",
    )
    assert queued.queued_at == datetime(2021, 9, 6, 6, 48, 29, 347344, UTC)
    assert (queued.started_at, queued.finished_at) == (None, None)
    assert queued.url == f"{up.server.url}/contoso/Build%20Tests/_build/results?buildId=32"
    assert {build.result for build in page.items[1:]} == {"failed"}
    assert all(build.finished_at for build in page.items[1:])


def test_each_page_repeats_the_order_and_sends_the_token_of_the_one_before(upstream):
    token = "2017-11-20T13:18:01.1275996Z"
    up = upstream(
        lambda request: answer_json(
            {"value": []}, **({} if "continuationToken" in request.query else {"x-ms-continuationtoken": token})
        )
    )
    first = recent_builds(up.client, up.caller, "contoso", "p", top=5)
    second = recent_builds(up.client, up.caller, "contoso", "p", top=5, continuation=first.next_continuation)
    assert second.next_continuation is None
    common = {"api-version": "7.1", "$top": "5", "queryOrder": "queueTimeDescending"}
    assert [call.query for call in up.server.calls] == [common, common | {"continuationToken": token}]
    assert {call.path for call in up.server.calls} == {"/contoso/p/_apis/build/builds"}


@pytest.mark.parametrize(
    ("wire", "field", "shown"),
    [
        ({}, "number", "7"),
        ({}, "definition", None),
        ({"definition": None}, "definition", None),
        ({"definition": {"id": 1}}, "definition", None),
        ({"sourceBranch": "refs/heads/feature/ü"}, "branch", "feature/ü"),
        ({"sourceBranch": "refs/pull/7/merge"}, "branch", "refs/pull/7/merge"),
        ({"sourceBranch": "refs/heads/refs/heads/x"}, "branch", "refs/heads/x"),
        ({}, "branch", None),
        ({"requestedFor": "Ada <ada@example.com>"}, "requested_for", "Ada"),
        ({"finishTime": "0001-01-01T00:00:00"}, "finished_at", None),
    ],
)
def test_what_is_unset_or_odd_on_the_wire(upstream, wire, field, shown):
    up = upstream(lambda _: answer_json({"value": [None, {"id": 7, **wire}]}))
    [build] = recent_builds(up.client, up.caller, "contoso", "p", top=20).items
    assert getattr(build, field) == shown


@pytest.mark.parametrize(("org", "project"), [("a b", "p"), ("contoso", "a/b"), ("contoso", "..")])
def test_names_that_could_not_exist_never_reach_the_service(upstream, org, project):
    up = upstream(lambda _: answer_json({"value": []}))
    with pytest.raises(BadRequest):
        recent_builds(up.client, up.caller, org, project, top=20)
    assert up.server.calls == []


def test_a_continuation_that_the_service_never_gave_is_the_fault_of_the_address(upstream):
    """And a refusal without one is not."""
    up = upstream(lambda _: Response(400))
    made_up = token_page([], [], "made-up").next_continuation
    with pytest.raises(BadParameter) as caught:
        recent_builds(up.client, up.caller, "contoso", "p", top=20, continuation=made_up)
    assert (caught.value.parameter, caught.value.status) == ("continuation", 400)
    with pytest.raises(AzureDevOpsError):
        recent_builds(up.client, up.caller, "contoso", "p", top=20)
