"""What an account page offers, judged on custody with fakes."""

from types import SimpleNamespace

import pytest

from shared.web import accounts
from shared.web.cookies import Cookies
from shared.web.requests import Request
from shared.web.visit import Visit
from tests.fakes import FakeProvider, World


@pytest.mark.parametrize(
    ("own", "other", "address"),
    [
        (True, True, "/auth/login/azure-devops?return_to=/account"),
        (False, True, "/auth/login?return_to=/account"),
        (False, False, None),
    ],
)
def test_a_new_sign_in_takes_the_same_way_where_it_is_still_open(own, other, address):
    """Else the one that is; where there is none, none is offered."""
    world, cookies = World(), Cookies(secure=True)
    key = world.sign_in()
    second = FakeProvider(world.clock, name="entra")
    world.provider.offers_sign_in, second.offers_sign_in = own, other
    world.custody.providers["entra"] = second
    services = SimpleNamespace(custody=world.custody, cookies=cookies)
    cookie = cookies.session(key).partition(";")[0]
    visit = Visit(Request("GET", "/account", "", {"cookie": cookie}, b""), {}, services, "id").require_session()
    assert accounts.sign_in_again(visit) == address
