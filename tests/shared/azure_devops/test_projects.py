from datetime import UTC, datetime

import pytest

from shared.azure_devops.paging import token_page
from shared.azure_devops.projects import list_projects
from shared.errors import AzureDevOpsError, BadParameter, BadRequest
from tests.shared.azure_devops.scripted_server import Response, answer_json


def test_recorded_projects_of_all_visibilities_are_read(upstream, recorded):
    up = upstream(lambda _: recorded("projects_38_mixed_visibility.json"))
    page = list_projects(up.client, up.caller, "contoso", top=100)
    assert len(page.items) == 38
    assert {project.visibility for project in page.items} == {"private", "public", "organization"}
    assert page.items[0].name == "RepoCreateListShowDeleteTests"
    assert page.items[0].description is None
    assert page.items[0].updated_at == datetime(2019, 11, 6, 0, 11, 22, 410000, UTC)
    assert (page.next_continuation, page.prev_continuation) == (None, None)


def test_pages_follow_the_header_of_the_answer_there_and_back(upstream, recorded):
    script = {None: "1", "1": "2", "2": None}

    def answer(request):
        following = script[request.query.get("continuationToken")]
        return recorded(
            "projects_top1_continuation.json", **({"x-ms-continuationtoken": following} if following else {})
        )

    up = upstream(answer)
    first = list_projects(up.client, up.caller, "contoso", top=1)
    second = list_projects(up.client, up.caller, "contoso", top=1, continuation=first.next_continuation)
    third = list_projects(up.client, up.caller, "contoso", top=1, continuation=second.next_continuation)
    assert third.next_continuation is None
    assert third.prev_continuation == first.next_continuation
    again = list_projects(up.client, up.caller, "contoso", top=1, continuation=second.prev_continuation)
    assert again == first
    assert [call.query.get("continuationToken") for call in up.server.calls] == [None, "1", "2", None]
    assert up.server.calls[1].target == "/contoso/_apis/projects?api-version=7.1&$top=1&continuationToken=1"


def test_links_hold_each_name_as_one_encoded_segment(upstream):
    up = upstream(lambda _: answer_json({"value": [{"id": "7", "name": "Tools (new)! Ü"}, None]}))
    [project] = list_projects(up.client, up.caller, "contoso", top=20).items
    assert project.url == f"{up.server.url}/contoso/Tools%20%28new%29%21%20%C3%9C"
    assert project.work_items_page == "/org/contoso/project/Tools%20%28new%29%21%20%C3%9C/workitems"
    assert project.builds_page.endswith("/builds")
    assert project.repositories_page.endswith("/repos")


@pytest.mark.parametrize("name", ["..", "a/b", "R&D", "😀"])
def test_a_name_that_no_address_of_ours_takes_is_shown_and_reached_by_id(upstream, name):
    up = upstream(lambda _: answer_json({"value": [{"id": "7-8", "name": name}]}))
    [project] = list_projects(up.client, up.caller, "contoso", top=20).items
    assert project.name == name
    assert project.builds_page == "/org/contoso/project/7-8/builds"
    assert project.url == f"{up.server.url}/contoso/7-8"


@pytest.mark.parametrize(("org", "continuation"), [("a/b", None), ("..", None), ("contoso", "x")])
def test_nothing_malformed_reaches_the_service(upstream, org, continuation):
    up = upstream(lambda _: answer_json({"value": []}))
    with pytest.raises(BadRequest):
        list_projects(up.client, up.caller, org, top=20, continuation=continuation)
    assert up.server.calls == []


def test_a_continuation_that_the_service_never_gave_is_the_fault_of_the_address(upstream):
    """And a refusal without one is not."""
    up = upstream(lambda _: Response(400))
    made_up = token_page([], [], "made-up").next_continuation
    with pytest.raises(BadParameter) as caught:
        list_projects(up.client, up.caller, "contoso", top=20, continuation=made_up)
    assert (caught.value.parameter, caught.value.status) == ("continuation", 400)
    with pytest.raises(AzureDevOpsError):
        list_projects(up.client, up.caller, "contoso", top=20)
