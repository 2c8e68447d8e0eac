"""U5: a person's token and the client secret go to the configured hosts and nowhere else."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.evidence import Report
from tests.shared.azure_devops.scripted_server import Request, Response, ScriptedServer, answer_json, scripted_server
from tests.site import Browser, Host, Simulator, Site
from tools.local_host.certificate import certificate_files

REDIRECTS = (301, 302, 303, 307, 308)
VIEWS = ("/dashboard", "/org/contoso-labs/projects", "/org/contoso-labs/project/Lighthouse/workitems")
LATER = 10 * 60
"""Seconds: long enough after the sign-in that a rejected token is worth a refresh."""
_numbers = count(1)


def welcoming(request: Request) -> Response:
    """What a thief would answer: everything is fine."""
    tokens = {"access_token": "a", "refresh_token": "r", "token_type": "jwt-bearer", "expires_in": "3600"}
    return answer_json({"id": "00000000-0000-0000-0000-000000000001", "displayName": "x", "value": []} | tokens)


@pytest.fixture(scope="module")
def foreign() -> Iterator[ScriptedServer]:
    """A server at another port of loopback that remembers everything it is sent."""
    with scripted_server(welcoming) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_seen(foreign: ScriptedServer) -> Iterator[None]:
    """After each test the foreign host must have seen nothing at all."""
    foreign.calls.clear()
    yield
    assert [(call.method, call.target, call.headers.get("authorization")) for call in foreign.calls] == []


@pytest.fixture
def person(simulator: Simulator) -> str:
    simulator.settings(people_count=100)
    return f"user{next(_numbers):04}"


@pytest.fixture(scope="module")
def later(site: Site) -> Host:
    return site.start_host(clock_offset=LATER)


def redirecting(status: int, address: str) -> dict:
    return {"status": status, "headers": {"Location": address}, "body": ""}


@pytest.mark.acceptance("U5")
@pytest.mark.parametrize("path", VIEWS)
@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_of_the_api_is_not_followed(
    later: Host,
    simulator: Simulator,
    foreign: ScriptedServer,
    browser: Browser,
    person: str,
    status: int,
    path: str,
    evidence: Report,
) -> None:
    """GET or POST, to another host: taken for a rejected token, so one refresh, and then a page."""
    browser.sign_in(person)
    simulator.faults({"match": {"path": "/_apis/"}, "action": redirecting(status, f"{foreign.url}/steal")})
    answer = Browser(later.url, browser.http).get(path)
    assert answer.status_code == 401
    assert foreign.url not in answer.text
    assert simulator.injected() == 2
    evidence(cases=1, faults=simulator.injected())


@pytest.mark.acceptance("U5")
@pytest.mark.parametrize(
    "address",
    [
        "//127.0.0.1:{port}/steal",
        "http://127.0.0.1:{own}@127.0.0.1:{port}/steal",
        "HTTP://127.0.0.1:{port}",
        "/\\127.0.0.1:{port}/steal",
        "http://localhost:{port}/",
        "/_signin",
        "",
    ],
)
def test_no_form_of_a_redirect_is_followed(
    later: Host,
    simulator: Simulator,
    foreign: ScriptedServer,
    browser: Browser,
    person: str,
    address: str,
    evidence: Report,
) -> None:
    """Without a scheme, with user info, in capitals, to the same host, without an address."""
    browser.sign_in(person)
    own = urlsplit(simulator.url).port
    location = address.format(port=foreign.server_port, own=own)
    simulator.faults({"match": {"path": "/_apis/"}, "action": redirecting(302, location)})
    simulator.clear_calls()
    assert Browser(later.url, browser.http).get("/dashboard").status_code == 401
    assert [call["target"].partition("?")[0] for call in simulator.calls()] == [
        "/_apis/accounts",
        "/oauth2/token",
        "/_apis/accounts",
    ]
    evidence(cases=1, faults=simulator.injected())


@pytest.mark.acceptance("U5")
@pytest.mark.parametrize("path", ["^/oauth2/token", "^/_apis/profile"])
@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_during_the_sign_in_is_not_followed(
    simulator: Simulator,
    foreign: ScriptedServer,
    browser: Browser,
    person: str,
    status: int,
    path: str,
    evidence: Report,
) -> None:
    """Neither the code and the client secret nor the first access token leave; nobody is signed in."""
    callback = browser.consent(browser.begin(), person)
    simulator.faults({"match": {"path": path}, "action": redirecting(status, f"{foreign.url}/steal")})
    assert browser.get(callback).status_code in (400, 503)
    assert browser.session_cookie is None
    assert simulator.injected() == 1
    evidence(cases=1, faults=1)


@pytest.mark.acceptance("U5")
@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_of_refresh_or_revocation_is_not_followed(
    later: Host,
    simulator: Simulator,
    foreign: ScriptedServer,
    browser: Browser,
    person: str,
    status: int,
    evidence: Report,
) -> None:
    """The refresh token stays with us; the person stays signed in, and can sign out."""
    browser.sign_in(person)
    simulator.faults(
        {"match": {"path": "/_apis/"}, "times": 1, "action": {"status": 401}},
        {"match": {"path": "^/oauth2/"}, "action": redirecting(status, f"{foreign.url}/steal")},
    )
    answer = Browser(later.url, browser.http).get("/dashboard")
    assert answer.status_code == 503
    assert "Set-Cookie" not in answer.headers
    page = browser.sign_out()
    assert "You are signed out" in page.text
    assert simulator.injected() == 4  # the rejection, one refresh, two revocations
    evidence(cases=1, faults=3)


@pytest.mark.acceptance("U5")
def test_proxy_settings_of_the_environment_are_ignored(
    site: Site, simulator: Simulator, foreign: ScriptedServer, person: str, evidence: Report
) -> None:
    """No variable of the environment sends tokens, codes or rows through another host."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    settings: dict[str, str | None] = dict.fromkeys(names, foreign.url) | {"NO_PROXY": None, "no_proxy": None}
    browser = Browser(site.start_host(**settings).url)
    browser.sign_in(person)
    for path in VIEWS:
        assert browser.get(path).status_code == 200
    assert "You are signed out" in browser.sign_out().text
    evidence(cases=1)


@contextmanager
def untrusted(folder: Path) -> Iterator[ScriptedServer]:
    """The welcoming server behind TLS with a certificate that nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate_files(folder, datetime.now(UTC)))
    server = ScriptedServer(welcoming)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.acceptance("U5")
@pytest.mark.parametrize("setting", ["AZURE_DEVOPS_URL", "AZURE_DEVOPS_IDENTITY_URL"])
def test_certificates_are_verified(
    site: Site, simulator: Simulator, person: str, tmp_path: Path, setting: str, evidence: Report
) -> None:
    """A host that can't prove its name gets neither token nor code: 503, as when it is gone."""
    with untrusted(tmp_path) as server:
        host = site.start_host(**{setting: f"https://localhost:{server.server_port}"})
        browser = Browser(host.url)
        if setting == "AZURE_DEVOPS_URL":
            browser.sign_in(person)
            assert browser.get("/org/contoso-labs/projects").status_code == 503
        else:
            callback = f"/auth/callback?code=c&state={state_of(browser.begin())}"
            assert browser.get(callback).status_code == 503
            assert browser.session_cookie is None
        assert server.calls == []
    evidence(cases=1, faults=1)


@pytest.mark.acceptance("U5")
def test_cookies_of_azure_devops_are_neither_kept_nor_sent(site: Site, simulator: Simulator, evidence: Report) -> None:
    """One person's upstream cookie in the shared connections would make the next person's call theirs."""
    with scripted_server(giving_cookies) as server:
        host = site.start_host(AZURE_DEVOPS_URL=server.url, AZURE_DEVOPS_IDENTITY_URL=server.url)
        for code in ("first", "second", "first"):
            browser = Browser(host.url)
            callback = f"/auth/callback?code={code}&state={state_of(browser.begin())}"
            assert browser.get(callback).headers["Location"] == "/dashboard"
            for path in ("/dashboard", "/org/contoso-labs/projects"):
                answer = browser.get(path)
                assert answer.status_code == 200
                assert "UserAuthentication" not in str(answer.headers)
        assert len(server.calls) == 3 * 4
        assert not any("cookie" in call.headers for call in server.calls)
        bearers = [call.headers["authorization"] for call in server.calls if "authorization" in call.headers]
        assert bearers == [f"Bearer of-{code}" for code in ("first", "second", "first") for _ in range(3)]
        evidence(cases=1, faults=len(server.calls))


def giving_cookies(request: Request) -> Response:
    """A whole Azure DevOps in one function; the code is the person."""
    cookie = {"Set-Cookie": f"UserAuthentication={quote(request.headers.get('authorization', 'none'))}; Path=/"}
    if request.path == "/oauth2/token":
        code = parse_qs(request.body.decode())["assertion"][0]
        tokens = {"access_token": f"of-{code}", "refresh_token": "r", "token_type": "jwt-bearer", "expires_in": "3600"}
        return answer_json(tokens, **cookie)
    return answer_json({"id": request.headers["authorization"][-5:], "displayName": "x", "value": []}, **cookie)


def state_of(authorization_url: str) -> str:
    return parse_qs(urlsplit(authorization_url).query)["state"][0]
