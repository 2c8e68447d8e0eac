"""Only a real POST that comes from a page of this session changes anything (acceptance C1, C2)."""

import pytest

from tests import raw_http
from tests.site import Browser, Host, Simulator

NAME = "gatehouse-session"
FORM = "Content-Type: application/x-www-form-urlencoded"
SAME_ORIGIN = "Sec-Fetch-Site: same-origin"


def is_signed_in(person: Browser) -> bool:
    """Whether the session of this browser lives."""
    return 'name="csrf"' in person.get("/auth/logout").text


@pytest.fixture
def person(simulator: Simulator, host: Host) -> Browser:
    """Somebody who is signed in."""
    browser = Browser(host.url)
    browser.sign_in("ada")
    return browser


@pytest.fixture(scope="module")
def other(host: Host) -> Browser:
    """Somebody else, with a live session of their own."""
    browser = Browser(host.url)
    browser.sign_in("bjorn")
    return browser


METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "REPORT"]
OVERRIDES = {
    "plain": [],
    "X-HTTP-Method-Override": ["X-HTTP-Method-Override: POST"],
    "X-HTTP-Method": ["X-HTTP-Method: POST"],
    "X-Method-Override": ["X-Method-Override: POST"],
}


@pytest.mark.acceptance("C1")
@pytest.mark.parametrize("override", OVERRIDES)
@pytest.mark.parametrize("method", METHODS)
def test_only_a_real_post_signs_out(person: Browser, host: Host, method: str, override: str, evidence) -> None:
    """All else that a sign-out needs is there, and a header, a parameter and a field that ask for POST.

    The parameters alone are refused, so that the same is sent without them too.
    """
    cookie, csrf = person.session_cookie, person.csrf()
    everything = [f"Cookie: {NAME}={cookie}", FORM, SAME_ORIGIN, f"Origin: {host.url}", *OVERRIDES[override]]
    fields = f"csrf={csrf}&_method=POST"
    for target, status in (("/auth/logout", 200), (f"/auth/logout?{fields}", 400)):
        body = b"" if method == "TRACE" else fields.encode()
        reply = raw_http.send(host.port, method, target, *everything, body=body)
        assert reply.all("set-cookie") == []
        if method in ("GET", "HEAD"):
            assert reply.status == status
        else:
            assert (reply.status, reply.header("allow")) == (405, "GET, HEAD, POST")
    assert is_signed_in(person)
    evidence(cases=1)


@pytest.mark.acceptance("C1")
@pytest.mark.parametrize("override", OVERRIDES)
def test_the_same_request_as_post_signs_out_whatever_method_a_header_asks_for(
    person: Browser, host: Host, override: str, evidence
) -> None:
    headers = [header.replace("POST", "GET") for header in OVERRIDES[override]]
    cookie = person.session_cookie
    body = f"csrf={person.csrf()}".encode()
    reply = raw_http.send(
        host.port, "POST", "/auth/logout", f"Cookie: {NAME}={cookie}", FORM, SAME_ORIGIN, *headers, body=body
    )
    assert reply.status == 200
    assert not is_signed_in(person)
    evidence(cases=1)


@pytest.mark.acceptance("C1")
def test_no_other_page_takes_a_method_that_could_change_something(person: Browser, host: Host, evidence) -> None:
    """Pages are for reading: every method but GET and HEAD is refused, and HEAD never begins or ends a sign-in."""
    paths = ["/", "/dashboard", "/org/fabrikam/projects", "/healthz", "/auth/login", "/auth/callback"]
    for path in paths:
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            reply = raw_http.send(host.port, method, path, f"Cookie: {NAME}={person.session_cookie}", SAME_ORIGIN)
            assert reply.status == 405, (method, path)
            assert set(reply.header("allow").split(", ")) <= {"GET", "HEAD"}
            evidence(cases=1)
    for path in ("/auth/login", "/auth/callback"):
        reply = raw_http.send(host.port, "HEAD", path, f"Cookie: {NAME}={person.session_cookie}")
        assert (reply.status, reply.all("set-cookie"), reply.body) == (405, [], b"")
        evidence(cases=1)
    assert is_signed_in(person)


TEXT = "Content-Type: text/plain"
DATA = "Content-Type: application/json"
PARTS = "Content-Type: multipart/form-data; boundary=x"
CROSS_SITE = "Sec-Fetch-Site: cross-site"

# `{ours}` is the origin of the site; OWN the token of the person's session, OTHER that of another live one.
OWN, OTHER = "csrf={own}", "csrf={other}"
FROM_OUR_PAGES = {
    "same-origin": ([FORM, SAME_ORIGIN], OWN),
    "same-origin, Origin null as under no-referrer": ([FORM, SAME_ORIGIN, "Origin: null"], OWN),
    "typed by the person": ([FORM, "Sec-Fetch-Site: none"], OWN),
    "old browser with Origin": ([FORM, "Origin: {ours}"], OWN),
    "old browser with Referer": ([FORM, "Referer: {ours}/auth/logout"], OWN),
    "form with a charset": ([FORM + "; charset=UTF-8", SAME_ORIGIN], OWN),
}
FROM_ELSEWHERE = {
    "cross-site": ([FORM, CROSS_SITE], OWN),
    "cross-site that claims our Origin": ([FORM, CROSS_SITE, "Origin: {ours}"], OWN),
    "same-site": ([FORM, "Sec-Fetch-Site: same-site"], OWN),
    "Sec-Fetch-Site twice": ([FORM, SAME_ORIGIN, CROSS_SITE], OWN),
    "Sec-Fetch-Site empty": ([FORM, "Sec-Fetch-Site:"], OWN),
    "no header that tells": ([FORM], OWN),
    "Origin null": ([FORM, "Origin: null"], OWN),
    "Origin of another site": ([FORM, "Origin: https://evil.example"], OWN),
    "Origin of another port": ([FORM, "Origin: http://127.0.0.1:1"], OWN),
    "Origin that begins like ours": ([FORM, "Origin: {ours}.evil.example"], OWN),
    "Origin of another scheme": ([FORM, "Origin: https://127.0.0.1:{port}"], OWN),
    "Origin foreign, Referer ours": ([FORM, "Origin: https://evil.example", "Referer: {ours}/"], OWN),
    "Referer of another site": ([FORM, "Referer: https://evil.example/?{ours}/"], OWN),
    "Referer with our origin as user": ([FORM, "Referer: {ours}@evil.example/"], OWN),
    "Referer that is no URL": ([FORM, "Referer: https://[evil"], OWN),
    "no token": ([FORM, SAME_ORIGIN], ""),
    "empty token": ([FORM, SAME_ORIGIN], "csrf="),
    "token of another session": ([FORM, SAME_ORIGIN], OTHER),
    "token of another session, old browser": ([FORM, "Origin: {ours}"], OTHER),
    "token cut short": ([FORM, SAME_ORIGIN], "csrf={cut}"),
    "token with more behind it": ([FORM, SAME_ORIGIN], OWN + "A"),
    "token in a header alone": ([FORM, SAME_ORIGIN, "X-CSRF-Token: {own}"], "x=y"),
    "token under another name": ([FORM, SAME_ORIGIN], "CSRF={own}"),
    "session secret as token": ([FORM, SAME_ORIGIN], "csrf={secret}"),
    "text/plain": ([TEXT, SAME_ORIGIN], OWN),
    "JSON": ([DATA, SAME_ORIGIN], '{{"csrf": "{own}"}}'),
    "multipart": ([PARTS, SAME_ORIGIN], '--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{own}\r\n--x--\r\n'),
    "no content type": ([SAME_ORIGIN], OWN),
    "cross-site form that is malformed": ([FORM, CROSS_SITE], OWN + "&x=%"),
}


def post(person: Browser, other: Browser, headers: list[str], body: str) -> raw_http.Reply:
    """Send this sign-out form with the cookie of `person`."""
    own = person.csrf()
    port = int(person.base.rpartition(":")[2])
    cookie = person.session_cookie
    values = {"own": own, "other": other.csrf(), "cut": own[:-1], "secret": cookie[32:]}
    values |= {"ours": person.base, "port": port}
    lines = [f"Cookie: {NAME}={cookie}", *(header.format(**values) for header in headers)]
    return raw_http.send(port, "POST", "/auth/logout", *lines, body=body.format(**values).encode())


@pytest.mark.acceptance("C2")
@pytest.mark.parametrize("case", FROM_OUR_PAGES)
def test_a_form_of_ours_with_its_own_token_signs_out(person: Browser, other: Browser, case: str, evidence) -> None:
    assert post(person, other, *FROM_OUR_PAGES[case]).status == 200
    assert not is_signed_in(person)
    assert is_signed_in(other)
    evidence(cases=1)


@pytest.mark.acceptance("C2")
@pytest.mark.parametrize("case", FROM_ELSEWHERE)
def test_any_other_form_is_forbidden_and_changes_nothing(person: Browser, other: Browser, case: str, evidence) -> None:
    reply = post(person, other, *FROM_ELSEWHERE[case])
    assert reply.status == 403
    assert reply.all("set-cookie") == []
    assert is_signed_in(person)
    assert is_signed_in(other)
    evidence(cases=1)
