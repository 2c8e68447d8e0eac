import json
from datetime import UTC, datetime, timedelta

import pytest

from shared.azure_devops.client import Caller
from shared.azure_devops.work_items import recent_work_items
from shared.errors import ApiUnavailable, AzureDevOpsError, BadRequest
from tests.shared.azure_devops.scripted_server import answer_json


def work_item(number, **fields):
    return {"id": number, "fields": {"System.Title": f"Item {number}", "System.State": "New", **fields}}


def project_of(count, details=lambda ids: [work_item(number) for number in ids]):
    """A script for a project with work items `count` … 1, latest first."""

    def answer(request):
        asked = json.loads(request.body)
        if request.path.endswith("/wiql"):
            ids = range(count, 0, -1)[: int(request.query["$top"])]
            return answer_json({"queryType": "flat", "workItems": [{"id": number, "url": "x"} for number in ids]})
        return answer_json({"count": 1, "value": details(asked["ids"])})

    return answer


def numbers(page):
    return [item.id for item in page.items]


def test_two_calls_ids_by_query_and_then_their_fields(upstream):
    up = upstream(project_of(2))
    recent_work_items(up.client, up.caller, "contoso", "Tools (new)!", top=20)
    query, details = up.server.calls
    assert query.target == "/contoso/Tools%20%28new%29%21/_apis/wit/wiql?api-version=7.1&$top=21"
    assert "[System.TeamProject] = 'Tools (new)!'" in json.loads(query.body)["query"]
    assert details.target == "/contoso/Tools%20%28new%29%21/_apis/wit/workitemsbatch?api-version=7.1"
    assert json.loads(details.body) == {
        "ids": [2, 1],
        "errorPolicy": "omit",
        "fields": [
            "System.Id",
            "System.Title",
            "System.State",
            "System.AssignedTo",
            "System.WorkItemType",
            "System.ChangedDate",
        ],
    }


def test_a_project_given_by_id_is_compared_by_its_place_in_the_url(upstream):
    up = upstream(project_of(0))
    recent_work_items(up.client, up.caller, "contoso", "0f8fad5b-d9cb-469f-a165-70867728950e", top=20)
    assert "WHERE [System.TeamProject] = @project ORDER BY" in json.loads(up.server.calls[0].body)["query"]


def test_recorded_work_items_are_read_and_unset_fields_are_none(upstream, recorded):
    up = upstream(
        lambda request: (
            answer_json({"workItems": [{"id": 5}, {"id": 4}]})
            if request.path.endswith("/wiql")
            else recorded("workitems_fields_assignedto_missing_on_second.json")
        )
    )
    bug, task = recent_work_items(up.client, up.caller, "contoso", "p", top=20).items
    assert (bug.id, bug.type, bug.title, bug.state, bug.assigned_to) == (
        5,
        "Bug",
        "Sample bug for test",
        "Active",
        None,
    )
    assert (task.id, task.assigned_to, task.changed_at) == (4, "Recorded User 2", None)
    assert task.url == f"{up.server.url}/contoso/p/_workitems/edit/4"


def test_a_recorded_query_answer_leads_to_its_one_item(upstream, recorded):
    script = project_of(0)
    up = upstream(
        lambda request: recorded("wiql_post_flat_one_item.json") if request.path.endswith("/wiql") else script(request)
    )
    assert numbers(recent_work_items(up.client, up.caller, "contoso", "p", top=20)) == [41]


def test_items_keep_the_order_of_the_query_and_nulls_are_skipped(upstream):
    up = upstream(project_of(4, lambda ids: [work_item(2), None, work_item(4), work_item(1)]))
    assert numbers(recent_work_items(up.client, up.caller, "contoso", "p", top=20)) == [4, 2, 1]


def test_without_ids_there_is_no_second_call(upstream):
    up = upstream(project_of(0))
    page = recent_work_items(up.client, up.caller, "contoso", "p", top=20)
    assert page.items == []
    assert (page.next_continuation, page.prev_continuation) == (None, None)
    assert len(up.server.calls) == 1


@pytest.mark.parametrize(
    ("assigned", "name"),
    [
        ({"displayName": "Ada Ü", "uniqueName": "ada@example.com"}, "Ada Ü"),
        ("Ada <ada@example.com>", "Ada"),
        ("Ada", "Ada"),
        ({"uniqueName": "ada@example.com"}, None),
        ("", None),
        (None, None),
    ],
)
def test_an_assignee_is_an_object_or_a_string(upstream, assigned, name):
    up = upstream(project_of(1, lambda ids: [work_item(1, **{"System.AssignedTo": assigned})]))
    [item] = recent_work_items(up.client, up.caller, "contoso", "p", top=20).items
    assert item.assigned_to == name


def test_times_have_seven_digits_or_are_beyond_the_calendar(upstream):
    times = ["2026-01-02T03:04:05.1234567Z", "9999-12-31T23:59:59-14:00"]
    up = upstream(project_of(2, lambda ids: [work_item(n, **{"System.ChangedDate": times[2 - n]}) for n in ids]))
    page = recent_work_items(up.client, up.caller, "contoso", "p", top=20)
    assert [item.changed_at for item in page.items] == [datetime(2026, 1, 2, 3, 4, 5, 123456, UTC), None]


def test_pages_walk_through_all_items_there_and_back(upstream):
    up = upstream(project_of(45))
    first = recent_work_items(up.client, up.caller, "contoso", "p", top=20)
    second = recent_work_items(up.client, up.caller, "contoso", "p", top=20, continuation=first.next_continuation)
    third = recent_work_items(up.client, up.caller, "contoso", "p", top=20, continuation=second.next_continuation)
    assert numbers(first) + numbers(second) + numbers(third) == list(range(45, 0, -1))
    assert third.next_continuation is None
    assert third.prev_continuation == first.next_continuation
    again = recent_work_items(up.client, up.caller, "contoso", "p", top=20, continuation=second.prev_continuation)
    assert again == first


def test_the_query_never_asks_for_more_ids_than_the_service_gives(upstream):
    up = upstream(project_of(19_999))
    page = recent_work_items(up.client, up.caller, "contoso", "p", top=200)
    while page.next_continuation:
        page = recent_work_items(up.client, up.caller, "contoso", "p", top=200, continuation=page.next_continuation)
    assert numbers(page)[-1] == 1
    assert up.server.calls[-2].query["$top"] == "19999"


def test_both_calls_share_the_time_of_the_page(upstream):
    script = project_of(1)

    def slow(request):
        up.clock.pass_by(30)
        return script(request)

    up = upstream(slow)
    with pytest.raises(ApiUnavailable):
        recent_work_items(up.client, up.caller, "contoso", "p", top=20)
    assert len(up.server.calls) == 2


def test_an_earlier_deadline_of_the_caller_holds(upstream):
    up = upstream(project_of(1))
    caller = Caller("token", "ada", deadline=up.clock.now() - timedelta(seconds=1))
    with pytest.raises(ApiUnavailable):
        recent_work_items(up.client, caller, "contoso", "p", top=20)


@pytest.mark.parametrize("project", ["O'Brien", "a\nb", "..", "a/b", "", "' OR 1=1"])
def test_a_name_that_could_leave_its_literal_never_reaches_the_service(upstream, project):
    up = upstream(project_of(1))
    with pytest.raises(BadRequest):
        recent_work_items(up.client, up.caller, "contoso", project, top=20)
    assert up.server.calls == []


@pytest.mark.parametrize("answer", [{}, {"workItems": None}, {"workItems": [{"id": "1"}]}, {"workItemRelations": []}])
def test_a_query_answer_of_another_shape_is_an_error(upstream, answer):
    up = upstream(lambda _: answer_json(answer))
    with pytest.raises(AzureDevOpsError):
        recent_work_items(up.client, up.caller, "contoso", "p", top=20)
