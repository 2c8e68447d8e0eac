"""Routing follows the ASP.NET router of the real host."""

import pytest

from tools.local_host.errors import HostError
from tools.local_host.routing import Router, decode_segment
from tools.local_host.runtime import HostedFunction


def function(name: str, route: str | None, *methods: str) -> HostedFunction:
    trigger = {"type": "httpTrigger", "name": "req"}
    if route is not None:
        trigger["route"] = route
    if methods:
        trigger["methods"] = methods
    return HostedFunction(name, name, trigger, (trigger,))


def matched(router: Router, path: str, method: str = "GET") -> tuple[str, dict[str, str]] | None:
    match = router.match(method, path)
    return (match.function.name, match.parameters) if match else None


ROUTER = Router(
    [
        function("zz_not_found", "{*path}"),
        function("home", "/"),
        function("login", "auth/login/{provider?}"),
        function("build", "org/{org}/builds/{id}"),
        function("builds", "org/{org}/builds"),
        function("unnamed", None),
    ],
    prefix="",
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ("home", {})),
        ("/auth/login", ("login", {})),
        ("/auth/login/", ("login", {})),
        ("/AUTH/Login/Entra", ("login", {"provider": "Entra"})),
        ("/org/fab%20rikam/builds/7", ("build", {"org": "fab rikam", "id": "7"})),
        ("/org/fab/builds/", ("builds", {"org": "fab"})),
        ("/org/a%2Fb/builds", ("builds", {"org": "a%2Fb"})),
        ("/org/a%252Fb/builds", ("builds", {"org": "a%2Fb"})),
        ("/org/bj%C3%B6rn/builds", ("builds", {"org": "björn"})),
        ("/org/%FF/builds", ("builds", {"org": "%FF"})),
        ("/unnamed", ("unnamed", {})),
        ("/org//builds", ("zz_not_found", {"path": "org//builds"})),
        ("/org/x/builds/1/2", ("zz_not_found", {"path": "org/x/builds/1/2"})),
        ("//", ("zz_not_found", {"path": "/"})),
        ("//evil.example/", ("zz_not_found", {"path": "/evil.example/"})),
        ("/nowhere/", ("zz_not_found", {"path": "nowhere/"})),
    ],
)
def test_paths_and_their_functions(path: str, expected: tuple[str, dict[str, str]]) -> None:
    assert expected == matched(ROUTER, path)


def test_the_first_name_wins_over_the_more_specific_route() -> None:
    router = Router([function("b_exact", "pages/about"), function("a_general", "pages/{name}")], prefix="")
    assert matched(router, "/pages/about") == ("a_general", {"name": "about"})


def test_a_catch_all_matches_the_empty_path() -> None:
    assert matched(Router([function("rest", "{*path}")], prefix=""), "/") == ("rest", {})


def test_an_undeclared_method_does_not_match() -> None:
    router = Router([function("save", "save", "POST")], prefix="")
    assert matched(router, "/save", "GET") is None
    assert matched(router, "/save", "POST") == ("save", {})


def test_the_prefix_of_host_json_is_part_of_every_route() -> None:
    router = Router([function("save", "save")], prefix="api")
    assert matched(router, "/save") is None
    assert matched(router, "/api/save") == ("save", {})


@pytest.mark.parametrize("route", ["{a}/{*b}/c", "{a?}/b", "{a}.{b}", "{id:int}", "{", "admin/x", "Admin"])
def test_templates_that_the_host_does_not_take_stop_the_start(route: str) -> None:
    with pytest.raises(HostError):
        Router([function("strange", route)], prefix="")


def test_segments_are_decoded_once() -> None:
    assert decode_segment("%2541%2f%41+") == "%41%2fA+"
