"""What clients normalise, sent as bytes to every page: never a 5xx, never another identity (acceptance B4, D5)."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests import raw_http
from tests.evidence import Report
from tests.raw_http import Reply
from tests.route_table import Page, pages
from tests.site import Browser, Host, Simulator

EVIL = "evil.example"


class Wire:
    """A way to the host on which requests go out as they are, with the cookies of two people who are signed in."""

    def __init__(self, host: Host) -> None:
        self.port, self.name = host.port, urlsplit(host.url).netloc
        people = [Browser(host.url), Browser(host.url)]
        for browser, user in zip(people, ("ada", "bjorn"), strict=True):
            browser.sign_in(user)
        self.ada, self.bjorn = (f"gatehouse-session={browser.session_cookie}" for browser in people)
        self.marks = [browser.csrf().encode() for browser in people]
        """What stands on every page of this session, and on no other."""

    def send(self, request: bytes) -> Reply | None:
        """The first answer; None when the connection is closed, or nothing comes, without one."""
        try:
            return raw_http.exchange(self.port, request)
        except (ConnectionError, TimeoutError):
            return None


@pytest.fixture(scope="module")
def wire(host: Host, monkeypatch_module: pytest.MonkeyPatch) -> Wire:
    """With little patience: some of these requests announce a body that never comes."""
    built = Wire(host)
    monkeypatch_module.setattr(raw_http, "SECONDS", 2)
    return built


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


# {p} is the path of the page, {h} the name of the host, {e} a foreign one.
TARGETS = [
    *(
        "/.{p}",
        "/..{p}",
        "/x/..{p}",
        "{p}/.",
        "{p}/..",
        "{p}/../..",
        "/%2e%2e{p}",
        "/{p}",
        "{p}//",
        "{p}/%2e",
        "{p}%2f",
    ),
    *("{p}%252f", "{p}%00", "{p}%0d%0aX:y", "{p};x", "{p}#x", "{p}?#x", "{p}\0", "{p}\x7f", "{p}é", "{p} x", "{p}\tx"),
    *("http://{h}{p}", "http://{e}{p}", "https://{h}{p}", "ftp://{e}{p}", "//{e}{p}", "http://{h}@{e}{p}", "{h}:80"),
    *("http:{p}", "javascript:{p}", "x{p}", "*", "", "%2f{p}", "\\{p}", "{p}\\", "{p}/%5c..%5c", "{p}%c0%af"),
]
# {a} and {b} are the session cookies of Ada and Björn.
HOST, ADA = "Host: {h}", "Cookie: {a}"
HEADS = [
    *([ADA], ["Host:", ADA], ["Host: {e}", ADA], [HOST, "Host: {e}", ADA], ["Host: {e}", HOST, ADA], [HOST, HOST, ADA]),
    *(["Host: {h},{e}", ADA], ["Host: x@{h}", ADA], ["Host: {h}/", ADA], ["Host: [", ADA], ["Host: é", ADA]),
    *([HOST, "X-Forwarded-Host: {e}", ADA], [HOST, "Forwarded: host={e}", ADA], [HOST, "X-Host: {e}", ADA]),
    *([HOST, ADA, "Cookie: {b}"], [HOST, "Cookie: {b}", ADA], [HOST, "Cookie: {a}; {b}"], [HOST, "Cookie: {b}; {a}"]),
    *([HOST, "Cookie: {a}\r\n {b}"], [HOST, "Cookie: a=b\r\n\t{b}", ADA], [HOST, "X: y\r\n Cookie: {b}", ADA]),
    *([HOST, "X: y\rCookie: {b}", ADA], [HOST, "X: y\nCookie: {b}", ADA], [HOST, "X: y\0Cookie: {b}", ADA]),
    *(
        [HOST, "Cookie : {a}"],
        [HOST, " Cookie: {a}"],
        [HOST, "Cookie: {a}\0"],
        [HOST, "Cookie\0: {a}"],
        [HOST, ": x", ADA],
    ),
    *([HOST, "X-Original-URL: /auth/logout", ADA], [HOST, "X-Rewrite-URL: /admin", ADA], [HOST, "no colon", ADA]),
]
START_LINES = ["get {p} HTTP/1.1", "G\0T {p} HTTP/1.1", " {p} HTTP/1.1", "CONNECT {p} HTTP/1.1", "GET {p} HTTP/0.9"]
START_LINES += [
    "GET {p} HTTP/2.0",
    "GET {p} HTTP/9.9",
    "GET {p} x",
    "GET {p}",
    "GET  {p}  HTTP/1.1",
    "GET {p} HTTP/1.0",
]
LENGTH, CHUNKED = "Content-Length: ", "Transfer-Encoding: "
FRAMINGS = [
    *([f"{LENGTH}0", f"{LENGTH}5"], [f"{LENGTH}5", f"{LENGTH}5"], [f"{LENGTH}0, 5"], [f"{LENGTH}+5"], [f"{LENGTH}-1"]),
    *([f"{LENGTH}0x5"], [f"{LENGTH}5 5"], [LENGTH], [f"{LENGTH}١"], [f"{LENGTH}{'9' * 30}"], [f"{CHUNKED}xchunked"]),
    *([f"{LENGTH}5", f"{CHUNKED}chunked"], [f"{CHUNKED}chunked", f"{LENGTH}0"], [f"{CHUNKED}chunked, identity"]),
    *([f"{CHUNKED}\x0bchunked"], [f"{CHUNKED}chunked", f"{CHUNKED}identity"], [f"{CHUNKED}chunked"]),
]
SMUGGLED = "GET /auth/logout HTTP/1.1\r\nHost: {h}\r\nCookie: {b}\r\n\r\n"


def requests_to(page: Page, wire: Wire) -> Iterator[bytes]:
    """Requests by Ada that each break a rule of HTTP, or mean one thing to one reader and another to the next."""
    good = f"{page.method} {{p}} HTTP/1.1"
    templates = [(f"{page.method} {target} HTTP/1.1", [HOST, ADA], "") for target in TARGETS]
    templates += [(good, head, "") for head in HEADS]
    templates += [(line, [HOST, ADA], "") for line in START_LINES]
    for framing in FRAMINGS:
        bodies = ("0\r\n\r\n" + SMUGGLED, "csrf=\r\n" + SMUGGLED)
        templates += [("POST {p} HTTP/1.1", [HOST, ADA, *framing], body) for body in bodies]
    values = {"p": page.path, "h": wire.name, "e": EVIL, "a": wire.ada, "b": wire.bjorn}
    for line, head, body in templates:
        text = "\r\n".join([line, *head, "Connection: close", "", body])
        yield text.format(**values).encode()


@pytest.mark.acceptance("B4", "D5")
@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_no_request_is_answered_by_a_5xx_or_to_somebody_else(
    wire: Wire, simulator: Simulator, page: Page, evidence: Report
) -> None:
    """Refused, closed, or answered to Ada, whose request it is; nobody's session ends, no cookie is set."""
    for request in requests_to(page, wire):
        reply = wire.send(request)
        evidence(cases=1)
        if reply is None:
            continue
        assert reply.status < 500, (request, reply)
        assert wire.marks[1] not in reply.body, request
        assert EVIL not in (reply.header("location") or ""), request
        assert not any("session=" in line for line in reply.all("set-cookie")), request
    for cookie, mark in zip((wire.ada, wire.bjorn), wire.marks, strict=True):
        assert mark in raw_http.send(wire.port, "GET", "/auth/logout", f"Cookie: {cookie}").body, "still signed in"
