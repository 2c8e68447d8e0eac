"""Work items by query, by id and in batches (facts 4.4 and 4.5)."""

import pytest

from tests.tools.simulator.driver import Driver

PROJECT = "/fabrikam/Payments%20Platform"
ITEMS = f"{PROJECT}/_apis/wit/workitems"
BATCH = f"{PROJECT}/_apis/wit/workitemsbatch"
EVERYTHING = "SELECT [System.Id] FROM WorkItems"


def ids(answer) -> list[int]:
    return [item["id"] for item in answer.json["workItems"]]


def test_a_query_answers_ids_only_in_its_own_order(data: Driver, ada: str) -> None:
    query = "SELECT [System.Id], [System.Title] FROM WorkItems WHERE [System.TeamProject] = @project "
    answer = data.wiql(query + "ORDER BY [System.ChangedDate] DESC", ada)
    assert answer.json["queryType"] == "flat"
    assert [column["name"] for column in answer.json["columns"]] == ["ID", "Title"]
    assert all(set(item) == {"id", "url"} for item in answer.json["workItems"])
    found = ids(answer)[:50]
    items = data.get(f"{ITEMS}?ids={','.join(map(str, found))}&fields=System.ChangedDate", ada).json["value"]
    changed = [item["fields"]["System.ChangedDate"] for item in items]
    assert changed == sorted(changed, reverse=True)


def test_top_limits_the_ids(data: Driver, ada: str) -> None:
    assert len(ids(data.wiql(EVERYTHING, ada, top="?$top=20"))) == 20
    assert data.wiql(EVERYTHING, ada, top="?$top=0").status == 400


def test_a_project_in_the_url_gives_the_macro_its_meaning_and_filters_nothing(data: Driver, ada: str) -> None:
    assert ids(data.wiql(EVERYTHING, ada)) == ids(data.wiql(EVERYTHING, ada, place="/fabrikam"))
    of_project = f"{EVERYTHING} WHERE [System.TeamProject] = @project"
    assert len(ids(data.wiql(of_project, ada))) == 320
    assert data.wiql(of_project, ada, place="/fabrikam").status == 400


def test_more_results_than_the_limit_are_an_error_unless_top_asks_for_fewer(sim: Driver) -> None:
    token = sim.sign_in()["access_token"]
    sim.settings(query_limit=10)
    refused = sim.wiql(EVERYTHING, token)
    assert (refused.status, refused.json["message"][:9]) == (400, "VS402337:")
    assert len(ids(sim.wiql(EVERYTHING, token, top="?$top=10"))) == 10


def test_an_empty_project_has_no_work_items(data: Driver, ada: str) -> None:
    query = f"{EVERYTHING} WHERE [System.TeamProject] = 'Empty Room'"
    assert ids(data.wiql(query, ada)) == []


@pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": 7}, [], "text"])
def test_a_body_without_a_query_is_400(data: Driver, ada: str, body: object) -> None:
    assert data.post(f"{PROJECT}/_apis/wit/wiql", body, ada).status == 400


def test_a_query_that_is_not_json_is_refused(data: Driver, ada: str) -> None:
    target = f"{PROJECT}/_apis/wit/wiql?api-version=7.1"
    bearer = {"authorization": f"Bearer {ada}"}
    assert data.call("POST", target, b"{", content_type="application/json", **bearer).status == 400
    assert data.call("POST", target, b"{}", content_type="text/plain", **bearer).status == 415


def test_unset_fields_are_absent_and_assignees_are_identities(data: Driver, ada: str) -> None:
    asked = ",".join(str(number) for number in range(1001, 1101))
    items = data.get(f"{ITEMS}?ids={asked}&fields=System.Title,System.AssignedTo", ada).json["value"]
    assigned = [item["fields"].get("System.AssignedTo") for item in items]
    assert None in assigned
    assert all("System.AssignedTo" not in item["fields"] or item["fields"]["System.AssignedTo"] for item in items)
    assert "Sinéad O'Brien" in {person["displayName"] for person in assigned if person}


def test_items_come_in_the_order_asked_for(data: Driver, ada: str) -> None:
    items = data.get(f"{ITEMS}?ids=1009,1003,1007", ada).json["value"]
    assert [item["id"] for item in items] == [1009, 1003, 1007]


def test_more_than_200_ids_are_refused_both_ways(data: Driver, ada: str) -> None:
    many = list(range(1001, 1202))
    for answer in (
        data.get(f"{ITEMS}?ids={','.join(map(str, many))}", ada),
        data.post(BATCH, {"ids": many}, ada),
    ):
        assert answer.status == 400
        assert answer.json["message"].startswith("VS403474: You requested 201 work items")
    assert data.post(BATCH, {"ids": many[:200]}, ada).json["count"] == 200


def test_omitting_errors_gives_null_for_what_is_missing(data: Driver, ada: str) -> None:
    body = {"ids": [1001, 999999, 1002], "fields": ["System.Id"], "errorPolicy": "omit"}
    value = data.post(BATCH, body, ada).json["value"]
    assert [item and item["id"] for item in value] == [1001, None, 1002]
    assert data.post(BATCH, body | {"errorPolicy": "fail"}, ada).status == 404


def test_as_of_a_time_before_its_creation_an_item_is_missing(data: Driver, ada: str) -> None:
    assert data.get(f"{ITEMS}?ids=1001&asOf=2001-01-01", ada).status == 404
    assert data.get(f"{ITEMS}?ids=1001&asOf=2101-01-01T00:00:00Z", ada).status == 200
    assert data.get(f"{ITEMS}?ids=1001&asOf=yesterday", ada).status == 400


@pytest.mark.parametrize(
    "body",
    [
        {"ids": "1001"},
        {"ids": ["1001"]},
        {"ids": [True]},
        {},
        {"ids": [1001], "fields": "System.Id"},
        {"ids": [1001], "fields": ["No.Such.Field"]},
        {"ids": [1001], "fields": ["System.Id"], "$expand": "all"},
        {"ids": [1001], "nonsense": 1},
    ],
)
def test_wrong_batches_are_400(data: Driver, ada: str, body: object) -> None:
    assert data.post(BATCH, body, ada).status == 400


@pytest.mark.parametrize("target", ["", "?ids=", "?ids=a", "?ids=1001&fields=Nonsense"])
def test_wrong_lists_are_400(data: Driver, ada: str, target: str) -> None:
    assert data.get(f"{ITEMS}{target}", ada).status == 400


def test_titles_hold_what_must_be_escaped(data: Driver, ada: str) -> None:
    for part in ("<b>", "''", "支払い", "Straße"):
        query = f"{EVERYTHING} WHERE [System.Title] CONTAINS '{part}'"
        assert ids(data.wiql(query, ada)), part
