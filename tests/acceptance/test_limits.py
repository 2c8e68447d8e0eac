"""Sizes and encodings are checked before any work: 400, 413, 414 or 431, never 500 (acceptance D5)."""

import statistics
import time
from collections.abc import Iterator

import pytest

from shared.web import callbacks, requests
from tests import raw_http
from tests.acceptance.conftest import Untouched
from tests.evidence import Report
from tests.raw_http import Reply
from tests.route_table import Page, pages
from tests.site import Browser, Host

KB = 1024
FORM = "Content-Type: application/x-www-form-urlencoded"
PAGES = pages()
TARGET_OF_THE_HOST = 8 * KB
"""The real host refuses longer targets with 414 before our code is asked; uvicorn from 64 KB on with 400."""


@pytest.fixture(scope="module")
def cookie(ada: Browser) -> str:
    return f"Cookie: gatehouse-session={ada.session_cookie}"


def size_of_headers(port: int, *lines: str) -> int:
    """What a request of raw_http weighs: each line with its colon, blank and line break."""
    always = [f"Host: 127.0.0.1:{port}", "Connection: close"]
    return sum(len(line) + 2 for line in [*always, *lines])


def filled_up(port: int, total: int, *lines: str) -> list[str]:
    """These lines and one more, so that all headers together weigh `total`."""
    left = total - size_of_headers(port, *lines, "X-Filler: ")
    return [*lines, "X-Filler: " + "x" * left]


def well_answered(reply: Reply, target: str, *statuses: int) -> None:
    """One of these, with security headers; the server before the application refuses long targets in its own way."""
    if len(target) > TARGET_OF_THE_HOST:
        assert reply.status in (400, 414), (target[:80], reply)
        return
    assert reply.status in statuses, (target[:80], reply)
    assert reply.header("x-content-type-options") == "nosniff"


@pytest.mark.acceptance("D5")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_reads_a_query_beyond_its_limit(
    counted: Host, cookie: str, untouched: Untouched, page: Page, evidence: Report
) -> None:
    """4 KB, at the callback 16 KB (the host ends targets at 8 KB before that); one more is 414."""
    limit = page.route.max_query
    assert limit == (callbacks.MAX_QUERY if page.name == "callback" else requests.MAX_QUERY)
    with untouched():
        for size in (limit - 1, limit, limit + 1, 2 * limit, 64 * KB):
            target = f"{page.path}?{'x' * size}"
            reply = raw_http.send(counted.port, page.method, target, cookie)
            well_answered(reply, target, *((414,) if size > limit else (400, 404)))
            evidence(cases=1)


@pytest.mark.acceptance("D5")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_reads_a_body_beyond_64_kb(
    counted: Host, cookie: str, untouched: Untouched, page: Page, evidence: Report
) -> None:
    """Whatever the method: it is refused before the method, the session or the form is looked at."""
    with untouched():
        for method in dict.fromkeys([page.method, "POST", "PUT", "GET"]):
            for size in (requests.MAX_BODY + 1, 4 * requests.MAX_BODY):
                reply = raw_http.send(counted.port, method, page.path, cookie, FORM, body=b"x" * size)
                well_answered(reply, page.path, 413)
                evidence(cases=1)


@pytest.mark.acceptance("D5")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_reads_headers_beyond_32_kb(
    counted: Host, cookie: str, untouched: Untouched, page: Page, evidence: Report
) -> None:
    for total in (requests.MAX_HEADERS + 1, 64 * KB):
        with untouched():
            reply = raw_http.send(counted.port, page.method, page.path, *filled_up(counted.port, total, cookie))
            assert reply.status == 431
        evidence(cases=1)


@pytest.mark.acceptance("D5")
def test_up_to_the_limits_a_request_is_served(counted: Host, ada: Browser, cookie: str, evidence: Report) -> None:
    """Headers of just 32 KB, a form of just 64 KB (one more is none), a path of just 2 KB."""
    for less in (1, 0):
        lines = filled_up(counted.port, requests.MAX_HEADERS - less, "Accept: application/json", cookie)
        assert raw_http.send(counted.port, "GET", "/dashboard", *lines).status == 200
        begin = f"csrf={ada.csrf()[:-1]}&x=".encode()
        body = begin + b"x" * (requests.MAX_BODY - less - len(begin))
        reply = raw_http.send(
            counted.port, "POST", "/auth/logout", cookie, FORM, "Sec-Fetch-Site: same-origin", body=body
        )
        assert reply.status == 403, "read, and found to lack the last character of its token"
        path = "/" + "x" * (requests.MAX_PATH - less - 1)
        assert raw_http.send(counted.port, "GET", path, cookie).status == 404
        evidence(cases=3)


def long_paths() -> Iterator[str]:
    for size in (requests.MAX_PATH + 1, 4 * KB, 64 * KB):
        yield "/" + "x" * (size - 1)
        yield "/org/" + "x" * (size - len("/org//projects")) + "/projects"
        yield "/org/fabrikam/project/" + "%C3%A9" * ((size + 5) // 6) + "/builds"
        yield "/" + "/" * (size - 1)
        yield "/static/" + "%2e%2e%2f" * (size // 9 + 1) + "/style.css"


@pytest.mark.acceptance("D5")
def test_a_path_beyond_2_kb_is_414(counted: Host, cookie: str, untouched: Untouched, evidence: Report) -> None:
    with untouched():
        for path in long_paths():
            well_answered(raw_http.send(counted.port, "GET", path, cookie), path, 414)
            evidence(cases=1)


MALFORMED = [
    *(b"%", b"a%", b"%2", b"%zz", b"%u0041", b"%%41", b"%ff", b"%c0%af", b"%c3", b"%e0%80%af", b"%ed%a0%80"),
    *(b"%f4%90%80%80", b"a%fe", b"%80", b"\xc3\xa9", b"\xff", b"<", b"a|b", b"a\\b", b"a{b}"),
]


@pytest.mark.acceptance("D5")
@pytest.mark.parametrize("page", [page for page in PAGES if "{" in page.route.template], ids=lambda page: page.name)
def test_broken_percent_or_utf8_in_a_path_is_400(
    counted: Host, cookie: str, untouched: Untouched, page: Page, evidence: Report
) -> None:
    """In each segment that is a parameter; 404 where the whole path can't be one of ours."""
    literal = page.path.encode().rstrip(b"/")
    with untouched():
        for raw in MALFORMED:
            for path in (literal + b"/" + raw, literal.replace(b"fabrikam", raw), literal.replace(b"Payments", raw)):
                if path == literal:
                    continue
                reply = raw_http.send(counted.port, page.method, path, cookie, "Accept: application/json")
                assert reply.status in (400, 404), (path, reply.status)
                evidence(cases=1)


AUTHORIZATIONS = [
    *("", "Basic", "Basic x", "Basic YWRhOnNlY3JldA==", "Bearer", "Bearer ", "Bearer garbage", "Bearer " + "a" * 9000),
    *("Negotiate YIIB", 'Digest username="ada"', "Session x", "é", "\u202e", "a, b, c", "Bearer a b c", "=", "%00"),
]


@pytest.mark.acceptance("D5")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_authorization_header_changes_nothing(counted: Host, cookie: str, page: Page, evidence: Report) -> None:
    """Whatever it holds: identity comes from the session cookie alone, and so does the answer."""
    headers = ["Accept: application/json"]
    for own in ([], [cookie]):
        plain = raw_http.send(counted.port, "HEAD", page.path, *headers, *own)
        assert plain.status < 500
        for value in AUTHORIZATIONS:
            reply = raw_http.send(counted.port, "HEAD", page.path, f"Authorization: {value}", *headers, *own)
            assert (reply.status, reply.header("location")) == (plain.status, plain.header("location")), value[:30]
            evidence(cases=1)


@pytest.mark.acceptance("D5")
def test_a_refusal_takes_no_time(counted: Host, cookie: str, evidence: Report) -> None:
    """Less than 100 ms in the median of 40 refusals, on a machine that does other things too."""
    oversized = [f"/dashboard?{'x' * (requests.MAX_QUERY + 1)}", "/" + "x" * (requests.MAX_PATH + 1)] * 20
    took = []
    for target in oversized:
        began = time.monotonic()
        assert raw_http.send(counted.port, "GET", target, cookie).status == 414
        took.append(time.monotonic() - began)
    assert statistics.median(took) < 0.1
    evidence(cases=len(took))
