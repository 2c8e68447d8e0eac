"""The data views as people and as scripts get them: at least the columns and links of the source document.

What they should show is read from the simulator's own sample, made again here from the same seed.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.html_page import Page
from tests.site import Browser, Host, Simulator, Site
from tools.simulator.sample.catalogue import Catalogue, Organization
from tools.simulator.sample.projects import PLANS, Project

PAYMENTS = "/org/fabrikam/project/Payments%20Platform"
EMPTY = "/org/fabrikam/project/Empty%20Room"
LISTS = ("workitems", "builds", "repos")
RECORDED = Path(__file__).parents[1] / "data" / "recorded"


@pytest.fixture(scope="module")
def sample() -> Catalogue:
    """Names, ids and order are the same at every start; only the times differ."""
    return Catalogue(datetime.now(UTC))


@pytest.fixture(scope="module")
def fabrikam(sample: Catalogue) -> Organization:
    return sample.organization("fabrikam")


@pytest.fixture(scope="module")
def payments(fabrikam: Organization) -> Project:
    return fabrikam.project("Payments Platform")


@pytest.fixture(scope="module")
def ada(host: Host) -> Browser:
    browser = Browser(host.url)
    browser.sign_in("ada")
    return browser


@pytest.fixture(autouse=True)
def undisturbed(ada: Browser, simulator: Simulator) -> None:
    """Signed in first, then the simulator as after its start."""


def page_of(browser: Browser, path: str) -> Page:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return Page(answer.text)


def data_of(browser: Browser, path: str) -> dict:
    answer = browser.api(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    return answer.json()


def test_the_home_page_offers_to_sign_in_or_shows_who_is_signed_in(host: Host, ada: Browser) -> None:
    """A stranger finds the way to sign in; Ada finds her name, her organizations and the way out."""
    stranger = page_of(Browser(host.url), "/")
    assert stranger.address("Sign in with Azure DevOps") == "/auth/login/azure-devops"
    answer = ada.get("/").text
    assert "Ada Lovelace" in answer
    assert Page(answer).address("Open your organizations") == "/dashboard"
    assert 'action="/auth/logout"' in answer


def test_the_dashboard_lists_the_organizations_with_their_projects(ada: Browser) -> None:
    """Who is signed in, each organization as a link to its projects, the way home and out."""
    answer = ada.get("/dashboard").text
    page = Page(answer)
    assert "Ada Lovelace" in answer
    assert [page.address(name) for name in ("fabrikam", "contoso-labs")] == [
        "/org/fabrikam/projects",
        "/org/contoso-labs/projects",
    ]
    assert "/" in {address for _, address in page.links}
    assert 'action="/auth/logout"' in answer
    assert [item["name"] for item in data_of(ada, "/dashboard")["items"]] == ["contoso-labs", "fabrikam"]


@pytest.mark.parametrize("organization", ["fabrikam", "contoso-labs"])
def test_each_project_leads_to_its_work_items_builds_and_repositories(ada: Browser, organization: str) -> None:
    """Also where the name holds blanks, parentheses or letters beyond ASCII; and back to the dashboard."""
    page = page_of(ada, f"/org/{organization}/projects")
    names = [plan.name for plan in PLANS if plan.organization == organization]
    for name in names:
        place = f"/org/{organization}/project/{quote(name, safe='')}"
        assert page.address(f"Work items of {name}") == f"{place}/workitems"
        assert page.address(f"Builds of {name}") == f"{place}/builds"
        assert page.address(f"Repositories of {name}") == f"{place}/repos"
    assert page.heading == f"Projects in {organization}"
    assert ("Organizations", "/dashboard") in page.links
    assert [item["name"] for item in data_of(ada, f"/org/{organization}/projects")["items"]] == names


def test_work_items_show_id_title_state_and_who(ada: Browser, fabrikam: Organization, payments: Project) -> None:
    """The twenty changed last, newest first; "Unassigned" where nobody is; a way back to the projects."""
    page = page_of(ada, f"{PAYMENTS}/workitems")
    assert page.columns[:4] == ["ID", "Title", "State", "Assigned to"]
    expected = work_items(fabrikam, payments)[:20]
    assert [row[:4] for row in page.rows] == [
        [
            str(item.id),
            " ".join(item.fields["System.Title"].split()),
            item.fields["System.State"],
            item.fields["System.AssignedTo"]["displayName"] if "System.AssignedTo" in item.fields else "Unassigned",
        ]
        for item in expected
    ]
    assert "Unassigned" in {row[3] for row in page.rows}
    assert page.address("fabrikam") == "/org/fabrikam/projects"
    items = data_of(ada, f"{PAYMENTS}/workitems")["items"]
    assert [item["id"] for item in items] == [item.id for item in expected]
    assert [item["title"] for item in items] == [item.fields["System.Title"] for item in expected]
    assert {item["assigned_to"] for item in items} >= {None}


def test_builds_show_number_definition_status_result_branch_and_end(
    ada: Browser, fabrikam: Organization, payments: Project
) -> None:
    """The twenty queued last; branches without refs/heads/, "running" or "queued" where there is no end yet."""
    page = page_of(ada, f"{PAYMENTS}/builds")
    assert page.columns == ["Number", "Definition", "Status", "Result", "Branch", "Finished"]
    expected = [build.data for build in fabrikam.builds[payments.id][:20]]
    assert [(row[0], row[1], row[4]) for row in page.rows] == [
        (data["buildNumber"], data["definition"]["name"], data["sourceBranch"].removeprefix("refs/heads/"))
        for data in expected
    ]
    assert [row[2].replace(" ", "") for row in page.rows] == [data["status"].lower() for data in expected]
    results = [data.get("result", "—").lower() for data in expected]
    assert [row[3].replace(" ", "") for row in page.rows] == results
    assert {"—", "succeeded", "partiallysucceeded", "failed", "canceled", "none"} <= set(results)
    ends = {data["status"]: row[5] for data, row in zip(expected, page.rows, strict=True)}
    assert ends["inProgress"] == "running"
    assert ends["notStarted"] == "queued"
    assert ends["completed"].endswith(" UTC")
    assert page.address("fabrikam") == "/org/fabrikam/projects"
    items = data_of(ada, f"{PAYMENTS}/builds")["items"]
    assert [item["id"] for item in items] == [data["id"] for data in expected]


def test_repositories_show_name_size_and_default_branch(ada: Browser) -> None:
    """By name; "none" where there is no branch yet, sizes beyond 2^31, disabled ones marked."""
    page = page_of(ada, f"{PAYMENTS}/repos")
    assert page.columns == ["Name", "Size", "Default branch"]
    assert page.rows == [
        ["media-archive", "8.5 GB", "main"],
        ["old-monolith disabled", "1.6 kB", "main"],
        ["Payments Platform", "4.7 MB", "main"],
        ["scratch", "0 B", "none"],
    ]
    assert page.address("fabrikam") == "/org/fabrikam/projects"
    items = data_of(ada, f"{PAYMENTS}/repos")["items"]
    assert [(item["name"], item["default_branch"], item["disabled"]) for item in items] == [
        ("media-archive", "main", False),
        ("old-monolith", "main", True),
        ("Payments Platform", "main", False),
        ("scratch", None, False),
    ]


@pytest.mark.parametrize(
    ("user", "path", "told"),
    [
        ("chen", "/dashboard", "No organizations here"),
        ("ada", f"{EMPTY}/workitems", "No work items found"),
        ("ada", f"{EMPTY}/builds", "No builds yet"),
        ("ada", f"{EMPTY}/repos", "No repositories to show"),
    ],
)
def test_an_empty_view_says_what_that_may_mean(host: Host, user: str, path: str, told: str) -> None:
    """A heading and a sentence instead of an empty table, with all ways onward; an empty list as JSON."""
    browser = Browser(host.url)
    browser.sign_in(user)
    answer = browser.get(path)
    assert told in answer.text
    assert Page(answer.text).rows == []
    assert data_of(browser, path) == {"items": [], "next": None, "prev": None}


def test_an_organization_without_projects_says_so(ada: Browser, simulator: Simulator) -> None:
    """An empty list of projects is no error either."""
    simulator.faults({"match": {"path": "/_apis/projects"}, "action": {"status": 200, "json": {"value": []}}})
    assert "No projects to show" in ada.get("/org/fabrikam/projects").text
    assert simulator.injected() == 1


def work_items(organization: Organization, project: Project) -> list:
    """Latest change first."""
    found = [item for item in organization.work_items.values() if item.project.id == project.id]
    return sorted(found, key=lambda item: (item.changed_at, item.id), reverse=True)


@pytest.mark.parametrize(
    ("path", "top", "pages", "wanted"),
    [
        ("/org/fabrikam/projects", 2, 2, lambda org, project: [each.id for each in org.projects]),
        (f"{PAYMENTS}/workitems", 20, 16, lambda org, project: [item.id for item in work_items(org, project)]),
        (f"{PAYMENTS}/workitems", 200, 2, lambda org, project: [item.id for item in work_items(org, project)]),
        (f"{PAYMENTS}/builds", 20, 4, lambda org, project: [build.id for build in org.builds[project.id]]),
        (f"{PAYMENTS}/builds", 7, 11, lambda org, project: [build.id for build in org.builds[project.id]]),
    ],
)
def test_paging_shows_everything_once_and_leads_back(
    ada: Browser,
    fabrikam: Organization,
    payments: Project,
    path: str,
    top: int,
    pages: int,
    wanted: Callable[[Organization, Project], list],
) -> None:
    """Next through all pages gives every item in order, prev leads through the same pages back to the first."""
    address, forward = f"{path}?top={top}", []
    while address:
        forward.append(data_of(ada, address))
        assert len(forward) <= pages
        address = forward[-1]["next"]
    assert [item["id"] for page in forward for item in page["items"]] == wanted(fabrikam, payments)
    assert len(forward) == pages
    backward, address = [forward[-1]["items"]], forward[-1]["prev"]
    while address:
        page = data_of(ada, address)
        backward.append(page["items"])
        address = page["prev"]
    assert backward == [page["items"] for page in reversed(forward)]


def test_pages_link_to_their_neighbours_as_the_json_does(ada: Browser) -> None:
    """The first page has no way back, the last one no way on, and both lead by the same addresses as the JSON."""
    address: str | None = f"{PAYMENTS}/builds?top=30"
    while address:
        data, links = data_of(ada, address), dict(page_of(ada, address).links)
        assert (links.get("← Previous page"), links.get("Next page →")) == (data["prev"], data["next"])
        address = data["next"]


@pytest.mark.parametrize("name", LISTS)
def test_top_is_twenty_unless_given_and_at_most_two_hundred(ada: Browser, name: str) -> None:
    """1, 200 and no number at all are taken."""
    counts = {"workitems": 320, "builds": 72, "repos": 4}
    for query, most in (("", 20), ("?top=1", 1), ("?top=200", 200)):
        assert len(data_of(ada, f"{PAYMENTS}/{name}{query}")["items"]) == min(most, counts[name])


@pytest.mark.parametrize(
    "query",
    [
        "top=0",
        "top=201",
        "top=-1",
        "top=%2B5",
        "top=",
        "top=ten",
        "top=1e2",
        "top=1_0",
        "top=20.0",
        "top=%205",
        "top=%D9%A1%D9%A2",
        "top=1000000000",
        "top=5&top=5",
        "Top=5",
        "page=2",
        "continuation=",
        "continuation=x",
        "continuation=%00",
        "continuation=WyJhIiwiYiJd%0A",
        "continuation=WzFd",
    ],
)
@pytest.mark.parametrize("name", ["projects", "workitems", "builds", "repos"])
def test_a_query_that_breaks_a_rule_is_refused_before_any_call(
    ada: Browser, simulator: Simulator, name: str, query: str
) -> None:
    """400 as a problem document that says what is wrong; nothing is asked of Azure DevOps."""
    path = "/org/fabrikam/projects" if name == "projects" else f"{PAYMENTS}/{name}"
    answer = ada.api(f"{path}?{query}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json; charset=utf-8")
    assert answer.json()["detail"]
    assert simulator.calls() == []


def test_field_names_of_the_json_are_a_contract(ada: Browser) -> None:
    """Exactly these; adding one is fine and belongs here, losing one breaks somebody's script."""
    fields = {
        "/dashboard": {"name", "url", "projects_page"},
        "/org/fabrikam/projects": {
            "id",
            "name",
            "description",
            "visibility",
            "updated_at",
            "url",
            "work_items_page",
            "builds_page",
            "repositories_page",
        },
        f"{PAYMENTS}/workitems": {"id", "type", "title", "state", "assigned_to", "changed_at", "url"},
        f"{PAYMENTS}/builds": {
            "id",
            "number",
            "definition",
            "status",
            "result",
            "branch",
            "requested_for",
            "queued_at",
            "started_at",
            "finished_at",
            "url",
        },
        f"{PAYMENTS}/repos": {"id", "name", "default_branch", "size_bytes", "disabled", "url"},
    }
    for path, names in fields.items():
        data = data_of(ada, path)
        assert set(data) == {"items", "next", "prev"}, path
        assert [set(item) for item in data["items"]] == [names] * len(data["items"]), path
        assert ada.api(path).headers["Vary"] == "Accept, Cookie"


@pytest.mark.parametrize("path", ["/dashboard", "/org/fabrikam/projects", *(f"{PAYMENTS}/{name}" for name in LISTS)])
def test_without_a_session_a_script_gets_401_and_a_browser_is_sent_to_sign_in(
    host: Host, simulator: Simulator, path: str
) -> None:
    """A problem document with a challenge for JSON, never a redirect; 303 with the way back for HTML."""
    stranger = Browser(host.url)
    problem = stranger.api(path)
    assert (problem.status_code, problem.headers["Content-Type"]) == (401, "application/problem+json; charset=utf-8")
    assert problem.headers["WWW-Authenticate"]
    assert problem.json()["type"] == "urn:gatehouse:problem:not-signed-in"
    assert set(problem.json()) == {"type", "title", "status", "detail", "correlation_id"}
    address = path if path == "/dashboard" else f"{path}?top=5"
    page = stranger.get(address)
    assert page.status_code == 303
    assert page.headers["Location"] == f"/auth/login?return_to={quote(address, safe='/')}"
    assert simulator.calls() == []


@pytest.fixture(scope="module")
def with_few_scopes(site: Site) -> Browser:
    """Ada at a site that asks for her profile alone."""
    browser = Browser(site.start_host(AZURE_DEVOPS_SCOPES="vso.profile").url)
    browser.sign_in("ada")
    return browser


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        (f"{PAYMENTS}/workitems", "vso.work"),
        (f"{PAYMENTS}/builds", "vso.build"),
        (f"{PAYMENTS}/repos", "vso.code"),
    ],
)
def test_a_missing_scope_is_named_with_what_to_do(with_few_scopes: Browser, path: str, scope: str) -> None:
    """403 that names the scope and the setting, as page and as problem document; what was granted still works."""
    page, problem = with_few_scopes.get(path), with_few_scopes.api(path)
    assert (page.status_code, problem.status_code) == (403, 403)
    for text in (page.text, problem.json()["detail"]):
        assert f"“{scope}”" in text
        assert "AZURE_DEVOPS_SCOPES" in text
    assert problem.json()["type"] == "urn:gatehouse:problem:scope-missing"
    for granted in ("/dashboard", "/org/fabrikam/projects"):
        assert with_few_scopes.get(granted).status_code == 200


def test_a_sign_in_without_the_profile_scope_names_it(site: Site, simulator: Simulator) -> None:
    """Without it nobody can tell who signed in: 403 that names the scope, no session, no token left with anybody."""
    simulator.settings(revoke=True)
    browser = Browser(site.start_host(AZURE_DEVOPS_SCOPES="vso.project").url)
    answer = browser.sign_in("bjorn")
    assert answer.status_code == 403
    assert "“vso.profile”" in answer.text
    assert "AZURE_DEVOPS_SCOPES" in answer.text
    assert browser.session_cookie is None
    family = simulator.tokens()["users"]["bjorn"]["families"][-1]
    assert (family["scopes"], family["active_access_tokens"], family["active_refresh_tokens"]) == ("vso.project", 0, 0)


@pytest.mark.parametrize(
    "path",
    [
        "/org/nobody-has-this/projects",
        *(f"/org/fabrikam/project/No%20such%20project/{name}" for name in LISTS),
        *(f"/org/nobody-has-this/project/Lighthouse/{name}" for name in LISTS),
    ],
)
def test_what_azure_devops_does_not_know_is_a_404_that_says_so(ada: Browser, path: str) -> None:
    """Both forms; none of the words of Azure DevOps, which can hold names of others, goes through."""
    page, problem = ada.get(path), ada.api(path)
    assert (page.status_code, problem.status_code) == (404, 404)
    assert "Azure DevOps knows nothing by this name" in page.text
    assert problem.json()["type"] == "urn:gatehouse:problem:absent"
    assert "TF200016" not in page.text + problem.text


@pytest.mark.parametrize("path", ["/org/fabrikam/projects", *(f"{PAYMENTS}/{name}" for name in LISTS)])
def test_an_organization_that_one_is_no_member_of_is_a_403(host: Host, simulator: Simulator, path: str) -> None:
    """TF400813: access denied with what to do, and the token is not renewed for it."""
    bjorn = Browser(host.url)
    bjorn.sign_in("bjorn")
    simulator.clear_calls()
    page, problem = bjorn.get(path), bjorn.api(path)
    assert (page.status_code, problem.status_code) == (403, 403)
    assert "Ask an administrator" in page.text
    assert problem.json()["type"] == "urn:gatehouse:problem:access-denied"
    assert [call["grant"] for call in simulator.calls()] == [None, None]


@pytest.mark.parametrize("path", ["/org/fabrikam/projects", f"{PAYMENTS}/builds"])
def test_a_deactivated_organization_is_told_as_such_and_not_asked_again(
    ada: Browser, simulator: Simulator, path: str
) -> None:
    """503 TF24668 passes by itself for nobody: one call each, and the reason."""
    body = (RECORDED / "error_503_TF24668_bom.json").read_text("utf-8")
    action = {"status": 503, "body": body, "headers": {"Content-Type": "application/json; charset=utf-8"}}
    simulator.faults({"match": {"path": "^/fabrikam/"}, "action": action})
    page, problem = ada.get(path), ada.api(path)
    assert (page.status_code, problem.status_code) == (503, 503)
    for text in (page.text, problem.json()["detail"]):
        assert "was deactivated in Azure DevOps" in text
        assert "TF24668" not in text
    assert simulator.injected() == 2
    assert ada.get("/org/contoso-labs/projects").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/org/-fabrikam/projects", 400),
        ("/org/fab..rikam/projects", 400),
        ("/org/fabrikam/project/_hidden/builds", 400),
        ("/org/fabrikam/project/a%2Fb/builds", 400),
        ("/org/fabrikam/project/Lighthouse", 404),
        ("/org/fabrikam/project/Lighthouse/pipelines", 404),
        ("/org/fabrikam/projects/", 404),
        ("/org/fabrikam/Projects", 404),
    ],
)
def test_an_address_that_can_not_be_is_refused_without_a_call(
    ada: Browser, simulator: Simulator, path: str, status: int
) -> None:
    """Names that Azure DevOps itself forbids, and paths that are not exactly ours."""
    assert (ada.get(path).status_code, ada.api(path).status_code) == (status, status)
    assert simulator.calls() == []
