"""What every REST call is checked for: host, route, bearer, version, place and scope (facts 4.8)."""

import pytest

from tests.tools.simulator.driver import Driver
from tests.tools.simulator.swagger import operation
from tools.simulator.identity.scopes import implied

PROJECT = "/fabrikam/Payments%20Platform"
PLACES = {
    "profile": "/_apis/profile/profiles/me",
    "accounts": "/_apis/accounts?memberId=x",
    "projects": "/fabrikam/_apis/projects",
    "work items": f"{PROJECT}/_apis/wit/workitems?ids=1001",
    "builds": f"{PROJECT}/_apis/build/builds",
    "repositories": f"{PROJECT}/_apis/git/repositories",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("token", [None, "foreign", "eyJ.x.y"])
def test_without_a_valid_bearer_the_answer_is_203_with_the_sign_in_page(
    data: Driver, place: str, token: str | None
) -> None:
    answer = data.get(place, token)
    assert answer.status == 203
    assert answer.headers["content-type"].startswith("text/html")
    assert "Azure DevOps Services | Sign In" in answer.text


def test_a_post_with_an_expired_bearer_gets_the_sign_in_page_too(sim: Driver) -> None:
    token = sim.sign_in()["access_token"]
    sim.settings(clock_offset=7200)
    assert sim.wiql("SELECT [System.Id] FROM WorkItems", token).status == 203


def test_a_client_that_suppresses_the_redirect_gets_401(data: Driver) -> None:
    answer = data.get(PLACES["projects"], "foreign", X_TFS_FedAuthRedirect="Suppress")
    assert (answer.status, answer.json["typeKey"]) == (401, "UnauthorizedRequestException")


def test_basic_credentials_are_no_bearer(data: Driver, ada: str) -> None:
    assert data.get(PLACES["projects"], authorization=f"Basic {ada}").status == 203


def test_somebody_outside_the_organization_gets_401_tf400813_with_the_recorded_headers(sim: Driver) -> None:
    answer = sim.get(PLACES["projects"], sim.sign_in("bjorn")["access_token"])
    assert answer.status == 401
    assert answer.json["message"].startswith("TF400813: ")
    challenges = [value for name, value in answer.header_pairs if name == "WWW-Authenticate"]
    tenant = answer.headers["x-vss-resourcetenant"]
    assert challenges == [
        f"Bearer authorization_uri=https://login.microsoftonline.com/{tenant}",
        "TFS-Federated",
    ]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("vso.profile", {"profile", "accounts", "projects"}),
        ("vso.project", {"projects"}),
        ("vso.work", {"profile", "accounts", "projects", "work items"}),
        ("vso.build", {"profile", "accounts", "projects", "builds"}),
        ("vso.code", {"profile", "accounts", "projects", "repositories"}),
        ("vso.code_full", {"profile", "accounts", "projects", "repositories"}),
        ("vso.graph", set()),
    ],
)
def test_each_api_wants_its_scope_and_scopes_imply_others(sim: Driver, scope: str, allowed: set[str]) -> None:
    token = sim.sign_in(scope=scope)["access_token"]
    answers = {name: sim.get(place, token) for name, place in PLACES.items()}
    assert {name for name, answer in answers.items() if answer.status != 403} == allowed
    refused = [answer.json for answer in answers.values() if answer.status == 403]
    assert all("not authorized for the requested scope" in body["message"] for body in refused)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "/fabrikam/Nowhere/_apis/git/repositories",
            "TF200016: The following project does not exist: Nowhere.",
        ),
        ("/fabrikam/_apis/projects/Nowhere", "TF200016: "),
        ("/fabrikam/Lighthouse/_apis/build/builds", "TF200016: "),
        (f"{PROJECT}/_apis/wit/workitems/999999", "TF401232: Work item 999999 does not exist"),
        (f"{PROJECT}/_apis/wit/workitems?ids=1001,999999", "TF401232: Work item 999999 does not exist"),
        (f"{PROJECT}/_apis/build/builds/1", "The requested build 1 could not be found."),
    ],
)
def test_what_is_not_there_is_404_with_its_code(data: Driver, ada: str, target: str, message: str) -> None:
    answer = data.get(target, ada)
    assert (answer.status, answer.headers["content-type"]) == (404, "application/json; charset=utf-8")
    assert answer.json["message"].startswith(message)


def test_an_item_of_another_project_is_as_good_as_missing(data: Driver, ada: str) -> None:
    other = data.get("/fabrikam/_apis/wit/workitems/1400", ada).json["fields"]["System.TeamProject"]
    assert other != "Payments Platform"
    assert data.get(f"{PROJECT}/_apis/wit/workitems/1400", ada).status == 404


@pytest.mark.parametrize("target", ["/fabrikam/_apis/nonsense", "/fabrikam", "/", f"{PROJECT}/_apis/wit/wiql"])
def test_an_unknown_route_is_404_in_plain_text(data: Driver, ada: str, target: str) -> None:
    answer = data.get(target, ada)
    assert (answer.status, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert answer.text.startswith("The controller for path ")


def test_an_unknown_organization_is_404(data: Driver, ada: str) -> None:
    assert data.get("/nowhere/_apis/projects", ada).status == 404


@pytest.mark.parametrize(
    ("version", "status"),
    [("7.1", 200), ("7.1-preview.3", 200), ("5.0", 200), ("", 400), ("99.0", 400), ("seven", 400)],
)
def test_the_api_version_is_required(data: Driver, ada: str, version: str, status: int) -> None:
    answer = data.get(f"/fabrikam/_apis/projects?api-version={version}", ada)
    assert answer.status == status
    if status == 200:
        assert answer.headers["content-type"].endswith(f"; api-version={version}")
    else:
        assert answer.json["typeKey"].startswith("VssVersion")


def test_the_api_version_may_come_in_the_accept_header(data: Driver, ada: str) -> None:
    accept = "application/json; api-version=7.1"
    bearer = {"authorization": f"Bearer {ada}"}
    assert data.call("GET", "/fabrikam/_apis/projects", accept=accept, **bearer).status == 200
    assert data.call("GET", "/fabrikam/_apis/projects", **bearer).status == 400


@pytest.mark.parametrize(
    ("host", "target", "there"),
    [
        ("dev.azure.com", "/fabrikam/_apis/projects", True),
        ("DEV.AZURE.COM", "/fabrikam/_apis/projects", True),
        ("app.vssps.visualstudio.com", "/fabrikam/_apis/projects", False),
        ("app.vssps.visualstudio.com", "/_apis/profile/profiles/me", True),
        ("dev.azure.com", "/_apis/profile/profiles/me", False),
        ("dev.azure.com", "/oauth2/authorize", False),
        ("vssps.dev.azure.com", "/fabrikam/_apis/projects", False),
    ],
)
def test_a_forwarded_host_answers_its_own_paths_only(
    data: Driver, ada: str, host: str, target: str, there: bool
) -> None:
    assert (data.get(target, ada, X_Forwarded_Host=host).status == 200) is there


def test_names_in_paths_are_found_by_id_and_in_any_case(data: Driver, ada: str) -> None:
    project = data.get("/FABRIKAM/_APIS/Projects/payments%20platform", ada).json
    assert data.get(f"/fabrikam/{project['id']}/_apis/build/Builds?$top=1", ada).json["count"] == 1


@pytest.mark.parametrize(
    ("document", "path", "method", "name"),
    [
        ("profile/7.1/profile.json", "/_apis/profile/profiles/{id}", "get", "profile"),
        ("account/7.1/accounts.json", "/_apis/accounts", "get", "accounts"),
        ("core/7.1/core.json", "/{organization}/_apis/projects", "get", "projects"),
        (
            "wit/7.1/workItemTracking.json",
            "/{organization}/{project}/_apis/wit/workitems",
            "get",
            "work items",
        ),
        ("build/7.1/build.json", "/{organization}/{project}/_apis/build/builds", "get", "builds"),
        ("git/7.1/git.json", "/{organization}/{project}/_apis/git/repositories", "get", "repositories"),
    ],
)
def test_the_scopes_are_those_of_the_documents(sim: Driver, document: str, path: str, method: str, name: str) -> None:
    declared = {scope for each in operation(document, path, method)["security"] for scope in each["oauth2"]}
    for scope in ("vso.profile", "vso.project", "vso.work", "vso.build", "vso.code"):
        token = sim.sign_in(scope=scope)["access_token"]
        allowed = sim.get(PLACES[name], token).status != 403
        assert allowed == (not declared.isdisjoint(implied(scope))), scope
