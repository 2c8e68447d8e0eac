"""A1: the redirect URI is a constant of the settings, whatever the headers of a request say."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.acceptance.signing_in import Raw, wire
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site
from tools.run import processes

EVIL = "evil.example"
CALLBACKS = {"azure-devops": "/auth/callback", "entra": "/auth/callback/entra"}
MISLEADING = {
    "X-Forwarded-Host": {"X-Forwarded-Host": EVIL},
    "X-Forwarded-Host list": {"X-Forwarded-Host": f"{EVIL}, 127.0.0.1"},
    "X-Forwarded-Proto": {"X-Forwarded-Proto": "https"},
    "X-Forwarded-Port": {"X-Forwarded-Port": "443"},
    "X-Forwarded-Prefix": {"X-Forwarded-Prefix": "/evil"},
    "X-Forwarded-Server": {"X-Forwarded-Server": EVIL},
    "X-Forwarded-For": {"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1"},
    "Forwarded": {"Forwarded": f"for=192.0.2.1;host={EVIL};proto=https"},
    "X-Original-Host": {"X-Original-Host": EVIL},
    "X-Original-URL": {"X-Original-URL": f"https://{EVIL}/auth/login"},
    "X-Rewrite-URL": {"X-Rewrite-URL": f"https://{EVIL}/auth/login"},
    "X-Host": {"X-Host": EVIL, "X-HTTP-Host-Override": EVIL},
    "Disguised-Host": {"Disguised-Host": EVIL, "X-WAWS-Unencoded-URL": f"//{EVIL}/auth/login"},
    "Origin and Referer": {"Origin": f"https://{EVIL}", "Referer": f"https://{EVIL}/auth/login"},
}
ALL_AT_ONCE = {name: value for headers in MISLEADING.values() for name, value in headers.items()}
WRONG_HOSTS = {
    "another name": lambda port: EVIL,
    "another name with the port": lambda port: f"{EVIL}:{port}",
    "without the port": lambda _: "127.0.0.1",
    "another port": lambda _: "127.0.0.1:1",
    "another loopback name": lambda port: f"localhost:{port}",
    "a name that begins like ours": lambda port: f"127.0.0.1:{port}.{EVIL}",
    "a name that ends like ours": lambda port: f"{EVIL}.127.0.0.1:{port}",
    "ours as user": lambda port: f"127.0.0.1:{port}@{EVIL}",
    "ours with a path": lambda port: f"127.0.0.1:{port}/{EVIL}",
}


def redirect_uri(answer: Raw) -> str:
    assert answer.status == 303
    return parse_qs(urlsplit(answer.header("Location")).query)["redirect_uri"][0]


@pytest.mark.acceptance("A1")
@pytest.mark.parametrize("name", MISLEADING)
def test_no_header_of_a_proxy_changes_the_redirect_uri(
    simulator: Simulator, host: Host, evidence: Report, name: str
) -> None:
    """Headers of proxies that nobody configured are not read: the redirect URI stays byte for byte the same."""
    with wire(host) as line:
        for provider, callback in CALLBACKS.items():
            answer = line.send(f"/auth/login/{provider}", MISLEADING[name])
            assert redirect_uri(answer) == f"{host.url}{callback}"
            evidence(cases=1)


@pytest.mark.acceptance("A1")
@pytest.mark.parametrize("name", WRONG_HOSTS)
def test_a_wrong_host_name_begins_no_sign_in(simulator: Simulator, host: Host, evidence: Report, name: str) -> None:
    """421 with a page that names the right address: no redirect, no cookie, nothing of the wrong name."""
    with wire(host) as line:
        answer = line.send("/auth/login", {"Host": WRONG_HOSTS[name](host.port)})
    assert answer.status == 421
    assert (answer.header("Location"), answer.header("Set-Cookie")) == (None, None)
    assert host.url.encode() in answer.body
    assert EVIL.encode() not in answer.body
    evidence(cases=1)


@pytest.mark.acceptance("A1")
def test_an_allowed_host_name_gets_the_same_redirect_uri(site: Site, simulator: Simulator, evidence: Report) -> None:
    """Under a front door's name, and under our own in capitals, it is still built from PUBLIC_URL alone."""
    port = processes.free_port()
    public_url = f"http://localhost:{port}"
    host = site.start_host(port=port, public_url=public_url, ALLOWED_HOSTS="origin.front.example")
    with wire(host) as line:
        for name in ("origin.front.example", "ORIGIN.front.example", f"LOCALHOST:{port}", f"localhost:{port}"):
            for provider, callback in CALLBACKS.items():
                answer = line.send(f"/auth/login/{provider}", {"Host": name})
                assert redirect_uri(answer) == f"{public_url}{callback}", name
                evidence(cases=1)


@pytest.mark.acceptance("A1")
def test_the_token_request_repeats_the_same_redirect_uri(
    simulator: Simulator, browser: Browser, host: Host, evidence: Report
) -> None:
    """With every such header at login and at callback the exchange works: the service compares its redirect URI."""
    begun = browser.get("/auth/login", headers=ALL_AT_ONCE)
    answer = browser.get(browser.consent(begun.headers["Location"]), headers=ALL_AT_ONCE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard")
    assert browser.session_cookie
    evidence(cases=1)
