"""A5: a callback that is not exactly what was asked for redeems nothing and leaves the session that there is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.acceptance.signing_in import Attempt, pending, rows, token_calls, under_way, wire
from tests.evidence import Report
from tests.site import Browser, Host, Simulator

# From a good code and a good state, the query that goes out as it is.
QUERIES: dict[str, Callable[[str, str], str]] = {
    "nothing": lambda code, state: "",
    "only a code": lambda code, state: f"code={code}",
    "only a state": lambda code, state: f"state={state}",
    "an empty code": lambda code, state: f"code=&state={state}",
    "a code without a value": lambda code, state: f"code&state={state}",
    "a blank code": lambda code, state: f"code=+&state={state}",
    "the code twice": lambda code, state: f"code={code}&code={code}&state={state}",
    "another code before": lambda code, state: f"code=other&code={code}&state={state}",
    "another code behind": lambda code, state: f"code={code}&state={state}&code=other",
    "an empty code behind": lambda code, state: f"code={code}&state={state}&code=",
    "the code twice, once encoded": lambda code, state: f"code={code}&state={state}&%63ode=other",
    "the state twice": lambda code, state: f"code={code}&state={state}&state={state}",
    "another state before": lambda code, state: f"state=other&code={code}&state={state}",
    "another state behind": lambda code, state: f"code={code}&state={state}&state=other",
    "the state twice, once encoded": lambda code, state: f"code={code}&state={state}&st%61te=other",
    "an unknown parameter twice": lambda code, state: f"code={code}&state={state}&x=1&x=2",
    "code and error": lambda code, state: f"code={code}&state={state}&error=access_denied",
    "error and code": lambda code, state: f"error=server_error&code={code}&state={state}",
    "code and an empty error": lambda code, state: f"code={code}&state={state}&error=",
    "code and an unknown error": lambda code, state: f"code={code}&state={state}&error=%3Cb%3Ehello%3C%2Fb%3E",
    "an error with its state": lambda code, state: f"error=access_denied&state={state}",
    "an error without a state": lambda code, state: "error=access_denied",
    "InvalidScope without a state": lambda code, state: "error=InvalidScope",
    "an error twice": lambda code, state: f"error=access_denied&error=InvalidScope&state={state}",
    "an overlong error": lambda code, state: f"error={'a' * 5000}&state={state}",
    "an empty state": lambda code, state: f"code={code}&state=",
    "a short state": lambda code, state: f"code={code}&state={state[:42]}",
    "an overlong state": lambda code, state: f"code={code}&state={state * 100}",
    "a state and a blank": lambda code, state: f"code={code}&state={state}+",
    "a state and a line end": lambda code, state: f"code={code}&state={state}%0A",
    "a state and a NUL": lambda code, state: f"code={code}&state={state}%00",
    "a state in full width": lambda code, state: f"code={code}&state=%EF%BC%A1{state[1:]}",
    "an overlong code": lambda code, state: f"code={'a' * 9000}&state={state}",
    "an overlong query": lambda code, state: f"code={code}&state={state}&x={'a' * 20000}",
    "a blank inside the code": lambda code, state: f"code={code[:9]}+{code[9:]}&state={state}",
    "a line end in the code": lambda code, state: f"code={code}%0D%0Ax&state={state}",
    "a NUL in the code": lambda code, state: f"code={code}%00&state={state}",
    "a code that is not ASCII": lambda code, state: f"code={code}%C3%BC&state={state}",
    "broken UTF-8": lambda code, state: f"code={code}%FF&state={state}",
    "overlong UTF-8": lambda code, state: f"code={code}%C0%AF&state={state}",
    "a broken percent": lambda code, state: f"code={code}%&state={state}",
    "fifty more parameters": lambda code, state: f"code={code}&state={state}&" + "&".join(f"p{n}=" for n in range(50)),
    "an access token": lambda code, state: f"access_token=x&token_type=bearer&state={state}",
    "code and an access token": lambda code, state: f"code={code}&state={state}&access_token=x",
    "code and an id token": lambda code, state: f"code={code}&state={state}&id_token=x",
    "code and a token": lambda code, state: f"code={code}&state={state}&token=x",
    "names in capitals": lambda code, state: f"CODE={code}&STATE={state}",
    "names of arrays": lambda code, state: f"code[]={code}&state[]={state}",
    "semicolons between": lambda code, state: f"code={code};state={state}",
    "everything encoded": lambda code, state: f"code%3D{code}%26state%3D{state}",
}
METHODS = ("POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")
PATHS = {
    "/auth/callback/entra": 303,
    "/auth/callback/azure-devops": 404,
    "/auth/callback/": 404,
    "/auth/callback/x/y": 404,
    "/auth/Callback": 404,
    "/AUTH/CALLBACK": 404,
    "//auth/callback": 404,
    "/auth/./callback": 404,
    "/auth/callback%2F": 404,
    "/auth%2Fcallback": 404,
}


@pytest.fixture
def attempt(simulator: Simulator, host: Host) -> Attempt:
    """A browser that is signed in and has one more sign-in under way, up to its callback."""
    browser = Browser(host.url)
    assert browser.sign_in("ada").status_code == 303
    return under_way(browser, "ada")


@contextmanager
def nothing_happens(azurite: str, simulator: Simulator, attempt: Attempt) -> Iterator[None]:
    """No token call, no row, the same session alive; and the sign-in under way is not burnt."""
    session, before = attempt.browser.session_cookie, rows(azurite)
    simulator.clear_calls()
    yield
    assert token_calls(simulator) == 0
    assert rows(azurite) == before
    assert attempt.browser.session_cookie == session
    assert attempt.browser.get("/dashboard").status_code == 200
    assert attempt.visit().status_code == 303
    assert attempt.browser.session_cookie not in (None, session)


def cookies(browser: Browser) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies)}


@pytest.mark.acceptance("A5")
@pytest.mark.parametrize("name", QUERIES)
def test_a_malformed_callback_redeems_nothing(
    azurite: str, simulator: Simulator, host: Host, attempt: Attempt, evidence: Report, name: str
) -> None:
    """Each parameter at most once, an error beats a code, limits hold: 400 (414 where it is too long)."""
    with nothing_happens(azurite, simulator, attempt), wire(host) as line:
        query = QUERIES[name](attempt.code, attempt.state)
        answer = line.send(f"/auth/callback?{query}", cookies(attempt.browser))
        assert answer.status == (414 if len(query) > 8000 else 400)
        assert answer.header("Set-Cookie") is None
        assert b"hello" not in answer.body
        assert attempt.code.encode() not in answer.body
    evidence(cases=1)


@pytest.mark.acceptance("A5")
@pytest.mark.parametrize("method", METHODS)
def test_only_get_is_a_callback(
    azurite: str, simulator: Simulator, host: Host, attempt: Attempt, evidence: Report, method: str
) -> None:
    """A good code and state by any other method: 405 with Allow, whatever an override header says."""
    with nothing_happens(azurite, simulator, attempt), wire(host) as line:
        target = f"/auth/callback?code={attempt.code}&state={attempt.state}"
        headers = cookies(attempt.browser) | {"X-HTTP-Method-Override": "GET", "Content-Length": "0"}
        answer = line.send(target, headers, method)
        assert (answer.status, answer.header("Allow")) == (405, "GET")
        assert answer.header("Set-Cookie") is None
        assert method != "HEAD" or answer.body == b""
    evidence(cases=1)


@pytest.mark.acceptance("A5")
def test_a_form_is_no_callback(azurite: str, simulator: Simulator, attempt: Attempt, evidence: Report) -> None:
    """response_mode=form_post was never asked for: code and state in a body count for nothing."""
    with nothing_happens(azurite, simulator, attempt):
        answer = attempt.browser.http.post(
            f"{attempt.browser.base}/auth/callback", data=attempt.query, allow_redirects=False, timeout=10
        )
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    evidence(cases=1)


@pytest.mark.acceptance("A5")
@pytest.mark.parametrize("path", PATHS)
def test_only_the_registered_path_is_a_callback(
    azurite: str, simulator: Simulator, host: Host, attempt: Attempt, evidence: Report, path: str
) -> None:
    """The legacy provider has exactly one callback path; another provider's path and other spellings are none of it."""
    with nothing_happens(azurite, simulator, attempt), wire(host) as line:
        answer = line.send(f"{path}?{urlsplit(attempt.url).query}", cookies(attempt.browser))
        assert answer.status == PATHS[path]
        assert answer.header("Set-Cookie") is None
    evidence(cases=1)


@pytest.mark.acceptance("A5")
def test_the_invalid_scope_of_the_legacy_service_is_explained(
    simulator: Simulator, browser: Browser, evidence: Report
) -> None:
    """It comes without a state: a page for people says what to correct, and repeats nothing of the address."""
    answer = browser.get("/auth/callback?error=InvalidScope&error_description=%3Cscript%3E")
    assert answer.status_code == 400
    assert "AZURE_DEVOPS_SCOPES" in answer.text
    assert "InvalidScope" not in answer.text
    assert "script" not in answer.text
    assert token_calls(simulator) == 0
    evidence(cases=1)


def test_parameters_that_nobody_knows_are_ignored(attempt: Attempt) -> None:
    """RFC 6749 section 4.1.2: a client ignores what it does not know."""
    answer = attempt.browser.get(f"{attempt.url}&session_state=abc&foo=bar")
    assert answer.status_code == 303
    assert pending(attempt.browser) == {}
