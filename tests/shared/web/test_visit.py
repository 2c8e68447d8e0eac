"""Who a visit is, and what the layout shows of it: judged on custody with fakes."""

from types import SimpleNamespace

import pytest

from shared.errors import UnknownKey, Unreadable
from shared.web import csrf
from shared.web.cookies import Cookies
from shared.web.requests import Request
from shared.web.visit import Visit
from tests.fakes import World


@pytest.fixture
def world() -> World:
    return World()


def visit_of(world: World, key=None, path: str = "/", query: str = "") -> Visit:
    cookies = Cookies(secure=True)
    services = SimpleNamespace(custody=world.custody, cookies=cookies)
    headers = {"cookie": cookies.session(key).partition(";")[0]} if key else {}
    return Visit(Request("GET", path, query, headers, b""), {}, services, "id")


def test_whose_rows_do_not_open_is_no_one_here_and_can_still_sign_out(world):
    """The front page offers every way to sign in; the form is that of the session, which the cookie alone proves."""
    key = world.sign_in()
    world.connections.damaged.add(key.user_id)
    visit = visit_of(world, key)
    assert not visit.signed_in()
    assert (visit.frame.person, visit.frame.csrf) == (None, csrf.token(key.secret))
    with pytest.raises(Unreadable):
        visit.require_session()


def test_a_key_that_is_not_here_yet_signs_nobody_out(world):
    key = world.sign_in()
    world.connections.poisoned[key.user_id] = UnknownKey("a newer one")
    with pytest.raises(UnknownKey):
        visit_of(world, key).signed_in()


def test_a_session_that_is_gone_has_nothing_to_sign_out_of(world):
    key = world.sign_in()
    world.connections._users.clear()
    visit = visit_of(world, key)
    assert not visit.signed_in()
    assert (visit.frame.person, visit.frame.csrf) == (None, None)


BUILDS = "/org/contoso/project/p/builds"


@pytest.mark.parametrize(
    ("path", "query", "here", "back"),
    [
        (BUILDS, "top=5", f"{BUILDS}?top=5", f"{BUILDS}?top=5"),
        (BUILDS, f"continuation={'x' * 2000}", f"{BUILDS}?continuation={'x' * 2000}", BUILDS),
        ("/org/" + "%C3%BC" * 200, "", "/org/" + "%C3%BC" * 200, "/"),
        ("/auth/logout", "", "/", "/"),
        ("//evil.example", "", "/", "/"),
    ],
)
def test_a_long_address_can_be_tried_again_but_a_sign_in_leads_back_to_what_its_cookie_holds(
    world, path, query, here, back
):
    """To the first page of the list, rather than to none of it."""
    visit = visit_of(world, None, path, query)
    assert (visit.frame.path, visit.address) == (here, back)
