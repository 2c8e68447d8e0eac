"""U3: a token that Azure DevOps does not take costs one refresh and one more call, and never a loop.

By facts 4.8 it says so with a sign-in page under 203, with 401, with a redirect, or with HTML where JSON belongs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, product
from typing import Any

import pytest

from tests.acceptance.refreshing import CONTOSO
from tests.evidence import Report
from tests.route_table import pages
from tests.site import Browser, Host, Simulator, Site
from tools.chaos.clock import SERVICES, MovableClock

PROVIDERS = ("azure-devops", "entra")
NAMES = {"org": "contoso-labs", "project": "Lighthouse", "id": "1"}
VIEWS = {
    page.name: f"/{page.route.template.format_map(NAMES)}"
    for page in pages()
    if page.route.template.split("/")[0] in ("dashboard", "org")
}
REJECTIONS: dict[str, dict[str, Any]] = {
    "203-html": {"html": True, "status": 203},
    "401": {"status": 401},
    "302-to-sign-in": {"status": 302, "headers": {"Location": "/_signin?realm=dev.azure.com"}},
    "200-html": {"html": True, "status": 200},
}
NOT_ALLOWED = {
    "status": 401,
    "json": {"message": "TF400813: The user 'x' is not authorized.", "typeKey": "UnauthorizedRequestException"},
}
LATER = timedelta(minutes=2)
"""After the last refresh: a token that was bought within a minute is not bought again."""
ONCE = ["api", "refresh_token", "api"]
PAGE, JSON = "page", "json"
_numbers = count(1)


@dataclass
class Asking:
    """Somebody signed in, and the clock of the application."""

    browser: Browser
    clock: MovableClock
    name: str

    def ask(self, path: str, form: str) -> Any:
        """A view as page or as JSON; redirects are not followed, so one that loops would be seen."""
        return self.browser.get(path) if form == PAGE else self.browser.api(path)

    def told_to_sign_in_again(self, path: str, form: str) -> None:
        """401 with the way on, cookie untouched, and nothing that a browser follows by itself."""
        answer = self.ask(path, form)
        assert answer.status_code == 401
        assert not {"Set-Cookie", "Location", "Refresh"} & set(answer.headers)
        if form == PAGE:
            assert f'href="/auth/login?return_to={path}"' in answer.text
        else:
            assert answer.json()["type"] == "urn:gatehouse:problem:sign-in-again"


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> MovableClock:
    return MovableClock(tmp_path_factory.mktemp("clock") / "ahead")


@pytest.fixture(scope="module")
def host(site: Site, clock: MovableClock) -> Host:
    site.simulator.settings(people_count=100)
    return site.start_host(services=SERVICES, ENTRA_TENANT_ID=CONTOSO, **clock.setting)


@pytest.fixture
def somebody(host: Host, clock: MovableClock, simulator: Simulator) -> Callable[[str], Asking]:
    """A function that signs somebody new in with a provider; every page of theirs works."""
    clock.move_to(timedelta())

    def arrive(provider: str) -> Asking:
        name = f"user{next(_numbers):04}"
        browser = Browser(host.url)
        browser.sign_in(name, provider=provider)
        clock.advance(LATER)
        simulator.clear_calls()
        return Asking(browser, clock, name)

    return arrive


@pytest.fixture(params=PROVIDERS)
def person(request: pytest.FixtureRequest, somebody: Callable[[str], Asking]) -> Asking:
    """Somebody of each provider."""
    return somebody(request.param)


def upstream(simulator: Simulator) -> list[str]:
    """The grants of token calls, and "api" for each REST call, in their order; they are forgotten then."""
    found = [call["grant"] or "api" for call in simulator.calls()]
    simulator.clear_calls()
    return found


def rejecting(person: Asking, action: dict[str, Any], path: str = "/_apis/") -> dict[str, Any]:
    return {"match": {"path": path, "user": person.name}, "action": action}


@pytest.mark.acceptance("U3")
@pytest.mark.parametrize("rejection", REJECTIONS)
def test_an_endless_rejection_costs_one_refresh_and_two_calls_in_every_view(
    simulator: Simulator, person: Asking, rejection: str, evidence: Report
) -> None:
    """As page and as JSON, then the way to sign in again; who reloads is told the same for a single call."""
    simulator.faults(rejecting(person, REJECTIONS[rejection]))
    for path, (first, second) in product(VIEWS.values(), ((PAGE, JSON), (JSON, PAGE))):
        person.told_to_sign_in_again(path, first)
        assert upstream(simulator) == ONCE, f"{path} as {first}"
        person.told_to_sign_in_again(path, second)
        assert upstream(simulator) == ["api"], f"{path}: a token just bought is not bought again"
        person.clock.advance(LATER)
        evidence(cases=1)
    evidence(faults=simulator.injected())
    simulator.faults()
    assert [person.ask(path, PAGE).status_code for path in VIEWS.values()] == [200] * len(VIEWS)


@pytest.mark.acceptance("U3")
def test_a_policy_of_the_organization_is_denied_without_a_refresh(
    simulator: Simulator, person: Asking, evidence: Report
) -> None:
    """TF400813 is about the person, not the token: one call a view, no refresh, and its text goes nowhere."""
    simulator.faults(rejecting(person, NOT_ALLOWED))
    for path, form in product(VIEWS.values(), (PAGE, JSON)):
        answer = person.ask(path, form)
        assert answer.status_code == 403
        assert "Third-party application access via OAuth" in answer.text
        assert "TF400813" not in answer.text
        assert "Set-Cookie" not in answer.headers
        assert upstream(simulator) == ["api"], f"{path} as {form}"
        evidence(cases=1)
    evidence(faults=simulator.injected())


@pytest.mark.acceptance("U3")
@pytest.mark.parametrize("rejection", REJECTIONS)
def test_one_rejection_is_healed_unseen(simulator: Simulator, person: Asking, rejection: str, evidence: Report) -> None:
    """The same view with the new token: nobody notices."""
    for path in VIEWS.values():
        healthy = calls_of(simulator, person, path)
        simulator.faults({**rejecting(person, REJECTIONS[rejection]), "times": 1})
        assert person.ask(path, PAGE).status_code == 200
        assert upstream(simulator) == ["api", "refresh_token", *healthy]
        assert simulator.injected() == 1
        person.clock.advance(LATER)
        evidence(cases=1, faults=1)


def calls_of(simulator: Simulator, person: Asking, path: str) -> list[str]:
    """What a view asks for when all is well."""
    simulator.faults()
    assert person.ask(path, PAGE).status_code == 200
    return upstream(simulator)


@pytest.mark.acceptance("U3")
@pytest.mark.parametrize("rejection", REJECTIONS)
def test_a_rejection_in_the_middle_of_a_view_is_one_too(
    simulator: Simulator, person: Asking, rejection: str, evidence: Report
) -> None:
    """The query of the work items is answered, their details are refused: that call too is made twice at most."""
    path = VIEWS["work_items"]
    simulator.faults(rejecting(person, REJECTIONS[rejection], "/workitemsbatch"))
    person.told_to_sign_in_again(path, PAGE)
    assert upstream(simulator) == ["api", "api", "refresh_token", "api", "api"]
    assert simulator.injected() == 2
    evidence(cases=1, faults=2)


@pytest.mark.acceptance("U3")
def test_a_refresh_that_buys_nothing_better_is_the_last(simulator: Simulator, person: Asking, evidence: Report) -> None:
    """The service hands out a token that the API rejects by itself: one refresh, and none more for those who reload."""
    bought = {"access_token": "no.good.token", "refresh_token": "r", "token_type": "Bearer", "expires_in": 3600}
    simulator.settings(clock_offset=3700)  # the stored token is over there, not here
    simulator.faults(
        {"match": {"grant": "refresh_token", "user": person.name}, "action": {"status": 200, "json": bought}}
    )
    person.told_to_sign_in_again(VIEWS["projects"], PAGE)
    assert upstream(simulator) == ONCE
    for form in (JSON, PAGE) * 3:
        person.told_to_sign_in_again(VIEWS["projects"], form)
    assert upstream(simulator) == ["api"] * 6
    evidence(cases=1, faults=simulator.injected())


@pytest.mark.acceptance("U3")
def test_a_grant_that_ended_is_asked_once(simulator: Simulator, person: Asking, evidence: Report) -> None:
    """Rejected token, refused refresh: no second call with the same token, and no second refresh, minutes later too."""
    ended = {"status": 400, "json": {"error": "invalid_grant", "Error": "invalid_grant"}}
    refused = {"match": {"grant": "refresh_token", "user": person.name}, "action": ended}
    simulator.faults(rejecting(person, REJECTIONS["203-html"]), refused)
    person.told_to_sign_in_again(VIEWS["builds"], PAGE)
    assert upstream(simulator) == ["api", "refresh_token"]
    person.clock.advance(LATER)
    person.told_to_sign_in_again(VIEWS["builds"], JSON)
    assert upstream(simulator) == ["api"]
    evidence(cases=1, faults=simulator.injected())


def test_the_views_are_all_there() -> None:
    """Those of the table of contents that ask Azure DevOps; a new one is found by its address."""
    assert {"dashboard", "projects", "work_items", "builds", "repos"} <= set(VIEWS)
