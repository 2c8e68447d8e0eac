import pytest

from shared.azure_devops.repositories import list_repositories
from shared.errors import BadRequest
from tests.shared.azure_devops.scripted_server import answer_json


def repository(name, **more):
    return {"id": f"id-{name}", "name": name, "remoteUrl": "https://org@dev.azure.com/x", **more}


def test_recorded_repositories_are_read(upstream, recorded):
    up = upstream(lambda _: recorded("repos_11_disabled_with_defaultbranch.json"))
    page = list_repositories(up.client, up.caller, "contoso", "p", top=20)
    assert len(page.items) == 11
    first = page.items[0]
    assert (first.name, first.default_branch, first.size_bytes, first.disabled) == ("aMGpcrom", "main", 1602, True)
    assert first.url == f"{up.server.url}/contoso/p/_git/aMGpcrom"
    assert [call.target for call in up.server.calls] == ["/contoso/p/_apis/git/repositories?api-version=7.1"]


def test_an_empty_repository_has_no_branch_and_a_huge_one_its_size(upstream):
    up = upstream(lambda _: answer_json({"value": [repository("a", size=0), repository("b", size=8469699983), None]}))
    empty, huge = list_repositories(up.client, up.caller, "contoso", "p", top=20).items
    assert (empty.default_branch, empty.size_bytes, empty.disabled) == (None, 0, False)
    assert huge.size_bytes == 8469699983


def test_pages_are_cut_by_name_there_and_back(upstream):
    up = upstream(lambda _: answer_json({"value": [repository(name) for name in "dBaCe"]}))
    first = list_repositories(up.client, up.caller, "contoso", "p", top=2)
    second = list_repositories(up.client, up.caller, "contoso", "p", top=2, continuation=first.next_continuation)
    third = list_repositories(up.client, up.caller, "contoso", "p", top=2, continuation=second.next_continuation)
    assert [[item.name for item in page.items] for page in (first, second, third)] == [["a", "B"], ["C", "d"], ["e"]]
    assert third.next_continuation is None
    again = list_repositories(up.client, up.caller, "contoso", "p", top=2, continuation=second.prev_continuation)
    assert again == first


def test_a_name_that_would_not_survive_an_address_is_linked_by_id(upstream):
    up = upstream(lambda _: answer_json({"value": [{"id": "7", "name": ".."}]}))
    [found] = list_repositories(up.client, up.caller, "contoso", "p", top=2).items
    assert found.url == f"{up.server.url}/contoso/p/_git/7"


@pytest.mark.parametrize(("org", "project"), [("a b", "p"), ("contoso", "a/b"), ("contoso", "_p")])
def test_names_that_could_not_exist_never_reach_the_service(upstream, org, project):
    up = upstream(lambda _: answer_json({"value": []}))
    with pytest.raises(BadRequest):
        list_repositories(up.client, up.caller, org, project, top=20)
    assert up.server.calls == []
