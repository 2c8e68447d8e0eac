"""The headers of every answer: each route in each of its states, and what the host answers before our code runs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.route_table import addresses
from tests.evidence import Report
from tests.raw_http import Reply, send
from tests.site import ROOT, Browser, Host, Simulator, Site
from tests.test_function_app import ROUTES
from tools.chaos.storage_proxy import StorageProxy

PAGES = [name for name in ROUTES if name not in ("static", "health")]
YEAR = 31_536_000
ISOLATION = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
BANNERS = {"server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "via"}
GRANTS = "access-control-"
DIRECTIVES = {"default-src": "'none'", "object-src": "'none'", "base-uri": "'none'", "frame-ancestors": "'none'"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


@pytest.fixture(scope="module")
def store(azurite: str) -> Iterator[StorageProxy]:
    proxy = StorageProxy(azurite)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application with a host that adds no header: what is missing can't be filled in by it."""
    root = tmp_path_factory.mktemp("alone")
    for part in ("function_app.py", "functions", "shared"):
        (root / part).symlink_to(ROOT / part)
    settings = json.loads((ROOT / "host.json").read_text())
    del settings["extensions"]["http"]["customHeaders"]
    (root / "host.json").write_text(json.dumps(settings))
    return root


@pytest.fixture(scope="module")
def crawled(site: Site, store: StorageProxy, alone: Path) -> Host:
    """A host whose store can be taken away, and whose Azure DevOps fails where asked."""
    return site.start_host(
        services="tests.acceptance.failing:build_services", root=alone, AzureWebJobsStorage=store.connection_string
    )


@pytest.fixture(scope="module")
def unset(site: Site, alone: Path) -> Host:
    """A host that nobody set up."""
    return site.start_host(root=alone, PUBLIC_URL=None, TOKEN_ENCRYPTION_KEY=None)


@pytest.fixture(scope="module")
def ada(site: Site, crawled: Host) -> Browser:
    browser = Browser(crawled.url)
    browser.sign_in("ada")
    return browser


@pytest.fixture(scope="module")
def paths(ada: Browser) -> dict[str, str]:
    return addresses(ada)


@pytest.fixture
def cookie(ada: Browser) -> str:
    return f"Cookie: gatehouse-session={ada.session_cookie}"


def judge(reply: Reply, of: str) -> None:
    """Every security header once, with a value that protects."""
    policy = dict(part.split(" ", 1) for part in only(reply, "content-security-policy", of).split("; "))
    assert {name: policy.get(name) for name in DIRECTIVES} == DIRECTIVES, of
    assert set(policy.values()) <= {"'none'", "'self'"}, of
    for name, value in ISOLATION.items():
        assert only(reply, name, of) == value
    seconds = re.fullmatch(r"max-age=(\d+); includeSubDomains", only(reply, "strict-transport-security", of))
    assert seconds, of
    assert int(seconds[1]) >= YEAR, of
    names = {name for name, _ in reply.headers}
    assert not names & BANNERS, of
    assert not [name for name in names if name.startswith(GRANTS)], of


def only(reply: Reply, name: str, of: str) -> str:
    values = reply.all(name)
    assert len(values) == 1, f"{of}: {name} is sent {len(values)} times"
    return values[0]


def is_not_kept(reply: Reply, of: str) -> None:
    """No cache and no browser may keep it, and nothing lets one ask whether its copy still holds."""
    assert only(reply, "cache-control", of) == "no-store"
    assert not {"etag", "last-modified", "expires", "age"} & {name for name, _ in reply.headers}, of


@pytest.mark.acceptance("E3", "E4")
@pytest.mark.parametrize("name", ROUTES)
def test_every_route_in_every_state_protects_its_answer(
    crawled: Host,
    unset: Host,
    store: StorageProxy,
    simulator: Simulator,
    paths: dict[str, str],
    cookie: str,
    evidence: Report,
    name: str,
) -> None:
    """Whatever the method, the caller, the request and the state of the store: all headers, and nothing is kept."""
    path, port = paths[name], crawled.port
    script = "Accept: application/json"
    replies = {f"{method} {path}": send(port, method, path, cookie) for method in METHODS}
    replies |= {
        "a stranger": send(port, "GET", path),
        "a stranger's script": send(port, "GET", path, script),
        "a script": send(port, "GET", path, cookie, script),
        "a bad query": send(port, "GET", f"{path}?%zz=%", cookie),
        "a long query": send(port, "GET", f"{path}?x={'x' * 5000}", cookie),
        "a long body": send(port, "POST", path, cookie, body=b"x" * 70_000),
        "a wrong host": send(port, "GET", path, host="elsewhere.example"),
        "a slash more": send(port, "GET", f"{path}/", cookie),
        "no settings": send(unset.port, "GET", path),
        "no settings, a script": send(unset.port, "GET", path, script),
    }
    with store.gone():
        replies["no store"] = send(port, "GET", path, cookie)
        replies["no store, a script"] = send(port, "GET", path, cookie, script)
    kept = [of for of, reply in replies.items() if reply.header("cache-control") != "no-store"]
    for of, reply in replies.items():
        judge(reply, f"{name}, {of}: {reply.status}")
        if of not in kept or name != "static":
            is_not_kept(reply, f"{name}, {of}: {reply.status}")
    assert len({reply.status for reply in replies.values()}) >= 4
    statuses = {(reply.status, of.partition(" ")[0]) for of, reply in replies.items()}
    evidence(cases=len(statuses), row="E3")
    evidence(cases=len({reply.status for reply in replies.values()}), row="E4")


FAILURES = {500: "fault-999", 403: "northwind-lab", 404: "nobody-has-this", 502: None, 503: None}


@pytest.mark.acceptance("E3", "E4")
@pytest.mark.parametrize("status", FAILURES)
@pytest.mark.parametrize("name", [name for name, route in ROUTES.items() if "{org}" in route])
def test_every_failure_of_azure_devops_protects_its_answer(
    crawled: Host,
    simulator: Simulator,
    paths: dict[str, str],
    cookie: str,
    evidence: Report,
    name: str,
    status: int,
) -> None:
    """Also an exception that nobody foresaw."""
    organization = FAILURES[status] or "fabrikam"
    if FAILURES[status] is None:
        body = {"status": 200, "body": "{"} if status == 502 else {"html": True, "status": 500}
        simulator.faults({"match": {"path": "^/fabrikam/"}, "action": body})
    elif status == 403:
        simulator.faults(
            {"match": {"path": f"^/{organization}/"}, "action": {"json": {"message": "no"}, "status": 403}}
        )
    reply = send(crawled.port, "GET", paths[name].replace("fabrikam", organization), cookie)
    assert reply.status == status
    judge(reply, f"{name}: {status}")
    is_not_kept(reply, f"{name}: {status}")
    evidence(cases=1)


BEFORE_OUR_CODE = {
    "an unknown page of the host": ("GET", "/admin/nothing", (), 404),
    "the host's status": ("GET", "/admin/host/status", (), 200),
    "an address over 8 KiB": ("GET", f"/{'x' * 9000}", (), 414),
    "a query over 8 KiB": ("GET", f"/dashboard?x={'x' * 9000}", (), 414),
    "headers over 32 KiB": ("GET", "/", (f"X-Long: {'x' * 40_000}",), 431),
    "a hundred headers too many": ("GET", "/", tuple(f"X-{n}: x" for n in range(120)), 431),
    "a zero byte": ("GET", "/dashboard%00", (), 400),
    "a body over 100 MiB": ("PUT", "/", ("Content-Length: 200000000",), 413),
}


@pytest.mark.acceptance("E3", "E4")
@pytest.mark.parametrize("of", BEFORE_OUR_CODE)
def test_the_host_protects_what_it_answers_itself(host: Host, simulator: Simulator, evidence: Report, of: str) -> None:
    """By `customHeaders` of host.json, before any function is called."""
    method, target, headers, status = BEFORE_OUR_CODE[of]
    reply = send(host.port, method, target, *headers)
    assert reply.status == status
    judge(reply, of)
    is_not_kept(reply, of)
    evidence(cases=1)


@pytest.mark.acceptance("E4")
def test_a_sign_in_and_a_sign_out_are_kept_nowhere(
    crawled: Host, ada: Browser, simulator: Simulator, evidence: Report
) -> None:
    """The redirect to the provider, the callback that brings a session, the last page and what it clears."""
    browser = Browser(crawled.url)
    answers = {"login": browser.get("/auth/login/azure-devops")}
    answers["callback"] = browser.get(browser.consent(answers["login"].headers["Location"], "bjorn"))
    answers["dashboard"] = browser.get("/dashboard")
    answers["data"] = browser.api("/dashboard")
    answers["question"] = browser.get("/auth/logout")
    answers["logout"] = browser.post("/auth/logout")
    answers["login after it"] = browser.get("/auth/login/entra")
    assert [answer.status_code for answer in answers.values()] == [303, 303, 200, 200, 200, 303, 303]
    for of, answer in answers.items():
        reply = Reply(answer.status_code, tuple((name.lower(), value) for name, value in answer.headers.items()), b"")
        is_not_kept(reply, of)
        cleared = '"cache", "storage"' if of == "logout" else None
        assert answer.headers.get("Clear-Site-Data") == cleared, of
    evidence(cases=len(answers))


TRICKS = (
    "/x.css",
    ";x.js",
    "%2fx.css",
    "%2Fx.css",
    "%3bx.js",
    "%3Bx.css",
    ".css",
    ".json",
    "%0ax.css",
    "%00x.css",
    "%23x.css",
    "%3fx.css",
    "%26x.css",
    "/",
    "//",
    "/.",
    "/..%2fx.css",
    "/%2e%2e/x.css",
    "\\x.css",
    "%5cx.css",
    ";jsessionid=1/x.js",
    "/;/x.css",
)
"""After Omer Gil's web cache deception and James Kettle's delimiters: a cache takes the address for a file."""


@pytest.mark.acceptance("E4")
@pytest.mark.parametrize("name", [name for name in PAGES if name != "zz_not_found"])
def test_no_page_answers_under_an_address_that_looks_like_a_file(
    host: Host, crawled: Host, simulator: Simulator, paths: dict[str, str], cookie: str, evidence: Report, name: str
) -> None:
    """404 (400 where the host refuses the address), with nothing of the person, and never kept."""
    for trick in TRICKS:
        path = paths[name].rstrip("/") + (trick if paths[name] != "/" or trick[0] == "/" else f"/{trick}")
        if path == "/":
            continue
        by_the_host = "%00" in path
        reply = send(host.port if by_the_host else crawled.port, "GET", path, cookie)
        assert reply.status == (400 if by_the_host else 404), path
        assert b"<table" not in reply.body, path
        assert b"fabrikam" not in reply.body, path
        is_not_kept(reply, path)
        judge(reply, path)
        evidence(cases=1)


@pytest.mark.acceptance("E3")
def test_assets_alone_are_kept(crawled: Host, simulator: Simulator, paths: dict[str, str], evidence: Report) -> None:
    """A year, because their address changes with their content; under another digest there is nothing."""
    reply = send(crawled.port, "GET", paths["static"])
    assert (reply.status, reply.header("cache-control")) == (200, "public, max-age=31536000, immutable")
    other = send(crawled.port, "GET", re.sub(r"/[0-9a-f]{16}/", f"/{'0' * 16}/", paths["static"]))
    assert (other.status, other.header("cache-control")) == (404, "no-store")
    judge(reply, "asset")
    judge(other, "no asset")
    evidence(cases=2)
