"""Expired tokens, rejected tokens, a dead token service and a dead store, as people and scripts meet them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import pytest
import requests

from tests.conftest import empty_tables
from tests.site import Browser, Host, Simulator, Site, plain_session, start_site
from tools.chaos.storage_proxy import StorageProxy

TOKEN_LIFE = 3600
MARGIN = TOKEN_LIFE - 4 * 60
"""Due for requests (less than five minutes left), but still served (more than one)."""
PER_HOST = 25
_numbers = count(1)


@pytest.fixture(scope="module")
def storage(azurite: str) -> Iterator[StorageProxy]:
    """A way of our own to the store, which is empty."""
    empty_tables(azurite)
    with closing(StorageProxy(azurite)) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def site(storage: StorageProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A simulator with many people beside a store that can be gone."""
    started = start_site(tmp_path_factory.mktemp("site"), storage.connection_string)
    started.simulator.settings(people_count=100)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def later(site: Site) -> Callable[[float], Host]:
    """A host whose clock is ahead by so many seconds, started once for each."""
    started: dict[float, Host] = {}

    def host_at(seconds: float) -> Host:
        if seconds not in started:
            started[seconds] = site.start_host(clock_offset=seconds)
        return started[seconds]

    return host_at


@pytest.fixture
def person(simulator: Simulator) -> str:
    """Somebody who never signed in before."""
    return f"user{next(_numbers):04}"


@pytest.fixture
def signed_in(browser: Browser, person: str, simulator: Simulator) -> Browser:
    """A browser with a session of `person`, calls forgotten."""
    browser.sign_in(person)
    simulator.clear_calls()
    return browser


def test_an_expired_token_is_refreshed_once_for_all_requests_of_two_processes(
    site: Site, simulator: Simulator, signed_in: Browser, person: str
) -> None:
    """Fifty requests at once over two processes, a provider that revokes the family at a second use: one refresh."""
    simulator.settings(reuse="strict", clock_offset=TOKEN_LIFE + 10, token_latency=2.5)
    hosts = [site.start_host(clock_offset=TOKEN_LIFE + 10) for _ in range(2)]
    cookies = signed_in.http.cookies.get_dict()
    with ThreadPoolExecutor(2 * PER_HOST) as pool:
        asked = [pool.submit(view, host, cookies) for host in hosts * PER_HOST]
        answers = [each.result() for each in asked]
    assert [answer.status_code for answer in answers] == [200] * 2 * PER_HOST
    assert not any("Set-Cookie" in answer.headers for answer in answers)
    held = simulator.tokens()["users"][person]
    assert (held["refreshes"], held["replays"], held["families"][0]["revoked"]) == (1, 0, False)
    assert len({host.child.pid for host in hosts}) == 2


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 503}, id="503"),
        pytest.param({"status": 429, "headers": {"Retry-After": "600"}}, id="429"),
        pytest.param({"html": True, "status": 502}, id="html"),
        pytest.param({"drop": True}, id="drop"),
        pytest.param({"token_error": {"error": "invalid_client"}}, id="invalid_client"),
        pytest.param({"token_error": {"error": "invalid_request"}}, id="invalid_request"),
    ],
)
def test_a_token_that_still_serves_outlives_a_dead_token_service(
    site: Site, later: Callable[[float], Host], simulator: Simulator, signed_in: Browser, person: str, fault: dict
) -> None:
    """The refresh that is due fails; the page works with the stored token, and the next one does not ask again."""
    # The breaker of an application fault and the count of suspects belong to a process: these get their own.
    host = site.start_host(clock_offset=MARGIN) if "token_error" in fault else later(MARGIN)
    browser = Browser(host.url, signed_in.http)
    simulator.faults({"match": {"grant": "refresh_token", "user": person}, "action": fault})
    pages = [browser.get("/dashboard") for _ in range(3)]
    assert [page.status_code for page in pages] == [200] * 3
    assert not any("Set-Cookie" in page.headers for page in pages)
    assert upstream(simulator) == ["refresh_token", "api", "api", "api"]


def test_with_token_and_token_service_dead_people_wait_and_stay_signed_in(
    later: Callable[[float], Host], simulator: Simulator, signed_in: Browser, person: str
) -> None:
    """503 with Retry-After as page and JSON, the cookie stays; when the service is back the same cookie serves."""
    dead = Browser(later(TOKEN_LIFE + 10).url, signed_in.http)
    simulator.faults({"match": {"grant": "refresh_token", "user": person}, "action": {"status": 503}})
    for answer in (dead.get("/dashboard"), dead.api("/dashboard")):
        assert answer.status_code == 503
        assert 1 <= int(answer.headers["Retry-After"]) <= 300
        assert "Set-Cookie" not in answer.headers
        assert "signs nobody out" in answer.text
    assert upstream(simulator) == ["refresh_token"], "the cooldown holds"
    simulator.faults()
    assert Browser(later(TOKEN_LIFE + 60).url, signed_in.http).get("/dashboard").status_code == 200


def test_a_grant_that_ended_serves_to_its_end_and_then_asks_to_sign_in_again(
    later: Callable[[float], Host], simulator: Simulator, signed_in: Browser, person: str
) -> None:
    """invalid_grant is final: no further refresh, the access token serves while it lives, then a page that says so."""
    error = {"token_error": {"error": "invalid_grant"}}
    simulator.faults({"match": {"grant": "refresh_token", "user": person}, "action": error})
    served = Browser(later(MARGIN).url, signed_in.http)
    assert [served.get("/dashboard").status_code for _ in range(2)] == [200] * 2
    over = Browser(later(TOKEN_LIFE + 10).url, signed_in.http)
    page = over.get("/dashboard")
    assert (page.status_code, over.api("/dashboard").status_code) == (401, 401)
    assert 'href="/auth/login?return_to=/dashboard"' in page.text
    assert upstream(simulator) == ["refresh_token", "api", "api"]
    simulator.faults()
    assert signed_in.sign_in(person).status_code == 303
    assert signed_in.get("/dashboard").status_code == 200


def test_a_logout_revokes_both_tokens_where_the_provider_offers_it(
    simulator: Simulator, signed_in: Browser, person: str
) -> None:
    """Both tokens are sent, none is active afterwards, and the page says so."""
    simulator.settings(revoke=True)
    before = simulator.tokens()["revoke_requests"]
    page = signed_in.sign_out()
    assert "has revoked both tokens" in page.text
    held, after = simulator.tokens()["users"][person], simulator.tokens()["revoke_requests"]
    assert (held["active_access_tokens"], held["active_refresh_tokens"]) == (0, 0)
    assert {kind: after[kind] - before[kind] for kind in after} == {
        "access_token": 1,
        "refresh_token": 1,
        "unknown": 0,
    }
    assert upstream(simulator) == ["revoke", "revoke"]


def test_a_store_that_refuses_signs_nobody_out(storage: StorageProxy, simulator: Simulator, signed_in: Browser) -> None:
    """503 with Retry-After and the cookie untouched, on pages, JSON and logout; alive; back without a restart."""
    csrf = signed_in.csrf()
    with storage.gone():
        answers = [signed_in.get("/dashboard"), signed_in.api("/dashboard"), signed_in.get("/")]
        answers += [signed_in.post(path, csrf) for path in ("/auth/logout", "/auth/disconnect")]
        answers.append(signed_in.get("/account"))
        health = signed_in.get("/healthz")
    for answer in answers:
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert "Set-Cookie" not in answer.headers
    assert health.status_code == 200
    assert upstream(simulator) == []
    assert signed_in.get("/dashboard").status_code == 200


def view(host: Host, cookies: dict[str, str]) -> requests.Response:
    return plain_session().get(f"{host.url}/dashboard", cookies=cookies, allow_redirects=False, timeout=60)


def upstream(simulator: Simulator) -> list[str]:
    """The grants of token calls, and "api" for each REST call, in their order."""
    return [call["grant"] or "api" for call in simulator.calls()]
