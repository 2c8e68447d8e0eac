"""Profile, accounts, projects, builds and repositories: content and paging (facts 4.2, 4.3, 4.6, 4.7)."""

import re
from urllib.parse import quote

import pytest

from tests.tools.simulator.driver import Answer, Driver

BUILDS = "/fabrikam/Payments%20Platform/_apis/build/builds"


def pages(data: Driver, token: str, target: str) -> list[list[dict]]:
    """All pages of a list, following the continuation header."""
    found, answer = [], data.get(target, token)
    while True:
        found.append(answer.json["value"])
        more = answer.headers.get("x-ms-continuationtoken")
        if more is None:
            return found
        answer = data.get(f"{target}&continuationToken={quote(more)}", token)


@pytest.mark.parametrize(
    ("user", "organizations"),
    [("ada", ["fabrikam", "contoso-labs"]), ("bjorn", ["contoso-labs"]), ("chen", [])],
)
def test_everybody_sees_their_own_organizations(sim: Driver, user: str, organizations: list[str]) -> None:
    token = sim.sign_in(user)["access_token"]
    person = sim.get("/_apis/profile/profiles/me", token).json["id"]
    accounts = sim.get(f"/_apis/accounts?memberId={person}", token).json
    assert [account["accountName"] for account in accounts["value"]] == organizations
    assert [account["accountUri"] for account in accounts["value"]] == [
        f"https://vssps.dev.azure.com:443/{name}/" for name in organizations
    ]


def test_accounts_want_an_owner_or_a_member_and_show_nobody_elses(data: Driver, ada: str) -> None:
    missing = data.get("/_apis/accounts", ada)
    assert (missing.status, "ownerId or memberId" in missing.json["message"]) == (400, True)
    stranger = "00000000-0000-0000-0000-000000000001"
    assert data.get(f"/_apis/accounts?memberId={stranger}", ada).json == {"count": 0, "value": []}
    assert data.get("/_apis/accounts?memberId=me", ada).status == 400


def test_the_profile_time_has_seven_digits_and_an_offset(data: Driver, ada: str) -> None:
    profile = data.get("/_apis/profile/profiles/me", ada).json
    assert profile["id"] == profile["publicAlias"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}\+00:00", profile["timeStamp"])


def test_projects_come_in_pages_named_by_an_integer_offset(data: Driver, ada: str) -> None:
    first = data.get("/fabrikam/_apis/projects?$top=3", ada)
    assert (first.json["count"], first.headers["x-ms-continuationtoken"]) == (3, "3")
    found = pages(data, ada, "/fabrikam/_apis/projects?$top=3")
    assert [len(page) for page in found] == [3, 1]
    assert [project["name"] for page in found for project in page] == [
        "Payments Platform", "Tools (new)!", "Ünïcode プロジェクト", "Empty Room",
    ]  # fmt: skip
    assert data.get("/fabrikam/_apis/projects?$skip=3", ada).json["count"] == 1


def test_a_last_page_has_no_continuation_header(data: Driver, ada: str) -> None:
    assert "x-ms-continuationtoken" not in data.get("/fabrikam/_apis/projects?$top=4", ada).headers


@pytest.mark.parametrize("target", ["?$top=0", "?$top=-1", "?$top=x", "?stateFilter=odd", "?continuationToken=x"])
def test_wrong_parameters_of_the_projects_list_are_400(data: Driver, ada: str, target: str) -> None:
    assert data.get(f"/fabrikam/_apis/projects{target}", ada).status == 400


def test_a_description_that_is_not_set_is_absent(data: Driver, ada: str) -> None:
    projects = data.get("/fabrikam/_apis/projects", ada).json["value"]
    assert ["description" in project for project in projects] == [True, False, True, False]


def test_the_builds_have_every_status_and_result(data: Driver, ada: str) -> None:
    builds = data.get(BUILDS, ada).json["value"]
    assert len(builds) >= 60
    assert {build["status"] for build in builds} == {
        "notStarted", "inProgress", "completed", "cancelling", "postponed",
    }  # fmt: skip
    assert {build.get("result") for build in builds} == {
        "succeeded", "partiallySucceeded", "failed", "canceled", "none", None,
    }  # fmt: skip


def test_a_build_not_started_has_no_times_but_when_it_was_queued(data: Driver, ada: str) -> None:
    builds = data.get(f"{BUILDS}?statusFilter=notStarted", ada).json["value"]
    assert builds
    for build in builds:
        assert not build.keys() & {"startTime", "finishTime", "result"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", build["queueTime"])


def test_by_default_finished_builds_come_first_newest_on_top(data: Driver, ada: str) -> None:
    builds = data.get(BUILDS, ada).json["value"]
    finished = [build["finishTime"] for build in builds if "finishTime" in build]
    assert finished == sorted(finished, reverse=True)
    assert all("finishTime" not in build for build in builds[len(finished) :])


@pytest.mark.parametrize("order", ["queueTimeDescending", "queueTimeAscending"])
def test_builds_page_by_date_time_without_loss_or_repetition(data: Driver, ada: str, order: str) -> None:
    found = pages(data, ada, f"{BUILDS}?queryOrder={order}&$top=25")
    assert [len(page) for page in found] == [25, 25, 22]
    queued = [build["queueTime"] for page in found for build in page]
    assert queued == sorted(set(queued), reverse=order.endswith("Descending"))


def test_a_token_used_with_other_filters_brings_page_1_again(data: Driver, ada: str) -> None:
    first = data.get(f"{BUILDS}?queryOrder=queueTimeDescending&$top=5", ada)
    token = quote(first.headers["x-ms-continuationtoken"])
    lost = data.get(f"{BUILDS}?$top=5&continuationToken={token}", ada)
    assert lost.json == data.get(f"{BUILDS}?$top=5", ada).json


@pytest.mark.parametrize(
    ("target", "holds"),
    [
        ("statusFilter=completed&resultFilter=failed", lambda build: build.get("result") == "failed"),
        ("branchName=refs/heads/main", lambda build: build["sourceBranch"] == "refs/heads/main"),
        ("definitions=11,12", lambda build: build["definition"]["id"] in (11, 12)),
    ],
)
def test_builds_are_filtered(data: Driver, ada: str, target: str, holds) -> None:
    everything = data.get(BUILDS, ada).json["value"]
    wanted = [build["id"] for build in everything if holds(build)]
    assert 0 < len(wanted) < len(everything)
    assert [build["id"] for build in data.get(f"{BUILDS}?{target}", ada).json["value"]] == wanted


@pytest.mark.parametrize(
    "target", ["statusFilter=done", "resultFilter=cancelled", "definitions=x", "queryOrder=id", "$top=0"]
)
def test_wrong_parameters_of_the_builds_list_are_400(data: Driver, ada: str, target: str) -> None:
    assert data.get(f"{BUILDS}?{target}", ada).status == 400


def repositories(data: Driver, ada: str, project: str) -> Answer:
    return data.get(f"/fabrikam/{quote(project)}/_apis/git/repositories", ada)


def test_repositories_are_normal_empty_disabled_and_huge(data: Driver, ada: str) -> None:
    found = repositories(data, ada, "Payments Platform").json
    assert list(found) == ["value", "count"]
    normal, empty, disabled, huge = found["value"]
    assert normal["defaultBranch"] == "refs/heads/main"
    assert (empty["size"], "defaultBranch" in empty) == (0, False)
    assert disabled["isDisabled"]
    assert huge["size"] == 8469699983


def test_a_project_may_have_nothing_at_all(data: Driver, ada: str) -> None:
    assert repositories(data, ada, "Empty Room").json == {"value": [], "count": 0}
    assert data.get("/fabrikam/Empty%20Room/_apis/build/builds", ada).json == {"count": 0, "value": []}


def test_people_for_load_tests_have_one_organization(sim: Driver) -> None:
    sim.settings(people_count=3)
    token = sim.sign_in("user0003")["access_token"]
    person = sim.get("/_apis/profile/profiles/me", token).json
    assert person["displayName"] == "Load User 0003"
    assert sim.get(f"/_apis/accounts?memberId={person['id']}", token).json["count"] == 1
    assert sim.consent("user0004").status == 400
