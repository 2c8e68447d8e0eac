"""The table of contents, as Microsoft's own runtime indexes it: names, routes and bindings are settled (design.md)."""

import asyncio

import pytest

from tests.site import ROOT
from tools.local_host import runtime
from tools.local_host.runtime import HostedFunction

ROUTES = {
    "home": "/",
    "login": "auth/login/{provider?}",
    "callback": "auth/callback/{provider?}",
    "logout": "auth/logout",
    "disconnect": "auth/disconnect",
    "receipt": "auth/receipt",
    "account": "account",
    "dashboard": "dashboard",
    "projects": "org/{org}/projects",
    "work_items": "org/{org}/project/{project}/workitems",
    "builds": "org/{org}/project/{project}/builds",
    "repos": "org/{org}/project/{project}/repos",
    "health": "healthz",
    "ready": "readyz",
    "openapi": "openapi.json",
    "static": "static/{digest}/{file}",
    "zz_not_found": "{*path}",
}
TIMER = "refresh_tokens"


@pytest.fixture(scope="module")
def indexed() -> dict[str, HostedFunction]:
    """The functions by name, imported and indexed by the runtime as in Azure."""
    return {function.name: function for function in asyncio.run(runtime.index(ROOT))}


def test_the_app_has_exactly_these_functions(indexed) -> None:
    assert set(indexed) == {*ROUTES, TIMER}


def test_every_module_of_functions_is_one_function_of_its_name(indexed) -> None:
    """The smoke test after a deployment counts them by their files."""
    assert set(indexed) == {path.stem for path in (ROOT / "functions").glob("[!_]*.py")}


@pytest.mark.parametrize("name", ROUTES)
def test_each_page_has_its_settled_route(indexed, name: str) -> None:
    assert indexed[name].route == ROUTES[name]


@pytest.mark.parametrize("name", ROUTES)
def test_no_route_declares_methods_as_the_host_would_answer_404_to_all_others(indexed, name: str) -> None:
    assert indexed[name].methods == frozenset()
    assert not indexed[name].trigger.get("methods")


@pytest.mark.parametrize("name", ROUTES)
def test_the_host_lets_everybody_in_and_the_session_decides(indexed, name: str) -> None:
    assert str(indexed[name].trigger["authLevel"]).lower() == "anonymous"


def test_the_404_page_comes_last_in_the_order_of_names_by_which_the_host_matches(indexed) -> None:
    assert max(indexed, key=str.lower) == "zz_not_found"


def test_the_timer_takes_its_schedule_from_the_settings_and_does_not_run_at_the_start(indexed) -> None:
    trigger = indexed[TIMER].trigger
    assert (trigger["type"], trigger["schedule"]) == ("timerTrigger", "%REFRESH_SCHEDULE%")
    assert trigger["useMonitor"] is True
    assert not trigger.get("runOnStartup")


@pytest.mark.parametrize("name", [*ROUTES, TIMER])
def test_a_function_has_one_trigger_and_returns_by_http_or_not_at_all(indexed, name: str) -> None:
    others = [binding["type"] for binding in indexed[name].bindings if binding is not indexed[name].trigger]
    assert others == (["http"] if name in ROUTES else [])
