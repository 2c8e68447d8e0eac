"""Whatever arrives at a callback address, nobody is signed in by it and nothing breaks; over HTTP, on the real host."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests import raw_http
from tests.site import Browser, Host, Simulator

SLICE, FULL = 40, 400
STATE = "s" * 43
names = st.sampled_from(["code", "state", "error", "error_description", "iss", "session_state", "access_token"])
values = st.sampled_from([STATE, "x", "", "access_denied", "invalid_scope", "%00", "a" * 9000]) | st.text(max_size=30)
pairs = st.lists(st.tuples(names | st.text(max_size=8), values), max_size=6).map(urlencode)
queries = pairs | st.text(max_size=60).map(lambda text: quote(text, safe="&=;%+?/")) | st.just(f"code=x&state={STATE}")
signins = st.sampled_from(["gatehouse-signin-0badcafe", "gatehouse-signin-", "gatehouse-session", "__Host-session"])
cookies = st.lists(st.tuples(signins, st.text('aZ09_-="%', max_size=90)), max_size=3)


@pytest.mark.parametrize("path", ["/auth/callback", "/auth/callback/entra"])
def test_a_made_up_callback_never_yields_a_session_nor_a_server_error(
    host: Host, simulator: Simulator, pytestconfig: pytest.Config, path: str
) -> None:
    """With a sign-in under way in this browser or without, and no code is ever redeemed."""
    full = pytestconfig.getoption("full")
    browser = Browser(host.url)
    browser.begin()
    (begun,) = [f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies]
    asked = []

    @settings(
        max_examples=FULL if full else SLICE,
        derandomize=not full,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(queries, cookies, st.booleans())
    @example(f"code=x&state={STATE}", [], True)
    def fuzz(query: str, others: list[tuple[str, str]], with_begun: bool) -> None:
        header = "; ".join([f"{name}={value}" for name, value in others] + [begun] * with_begun)
        reply = raw_http.send(host.port, "GET", f"{path}?{query}", f"Cookie: {header}")
        asked.append(reply.status)
        assert 400 <= reply.status < 500, query
        assert not [line for line in reply.all("set-cookie") if "session=" in line and "session=;" not in line]

    fuzz()
    assert len(asked) >= (FULL if full else SLICE)
    assert simulator.calls() == []
