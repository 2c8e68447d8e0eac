"""Errors as people and as scripts get them: the form by Accept, the shape of the contract, nothing of the inside."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from shared import errors
from tests.acceptance.failing import BUG
from tests.acceptance.route_table import addresses
from tests.every_error import CLASSES, SECRET
from tests.evidence import Report
from tests.raw_http import Reply, send
from tests.site import KEY, Browser, Host, Simulator, Site
from tests.test_function_app import ROUTES
from tools.chaos.storage_proxy import StorageProxy
from tools.simulator import defaults

HTML, PROBLEM = "text/html; charset=utf-8", "application/problem+json; charset=utf-8"
ACCEPTS = {
    None: HTML,
    "*/*": HTML,
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8": HTML,
    "text/html;q=0.9, application/json;q=0.8": HTML,
    "nonsense;;;q=2,,": HTML,
    "application/json": PROBLEM,
    "application/problem+json, application/json;q=0.9": PROBLEM,
    "application/json, text/html;q=0.5, */*;q=0.1": PROBLEM,
}
MEMBERS = {"type", "title", "status", "detail", "correlation_id"}
INSIDE = re.compile(
    "|".join((r"Traceback", r"\.py\b", r"\w+Error\b", SECRET, KEY, defaults.CLIENT_SECRET, r"AccountKey", r"\beyJ"))
)
"""What an error page must not hold: traces, names of classes, the text for the log, secrets and tokens."""
CORRELATION = re.compile(r"[0-9a-f-]{16,36}")
IN_PAGE = re.compile(r"<dt>Id for support</dt><dd><code>([^<]*)</code>")


@dataclass(frozen=True)
class Wrong:
    """A request that can't succeed, what it is answered and the last part of the problem's type."""

    status: int
    kind: str
    path: str = "/dashboard"
    method: str = "GET"
    signed_in: bool = False
    host: str | None = None
    headers: tuple[str, ...] = ()
    body: bytes = b""
    at: str = "site"


FORM = ("Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-origin")
WRONG = {
    "a bad number": Wrong(400, "bad-parameter", "/org/fabrikam/projects?top=many", signed_in=True),
    "a bad name": Wrong(400, "bad-request", "/org/-x/projects", signed_in=True),
    "a bad encoding": Wrong(400, "bad-request", "/auth/login?return_to=%zz"),
    "a long query": Wrong(414, "too-large", f"/dashboard?{'x' * 5000}", signed_in=True),
    "a long body": Wrong(413, "too-large", "/auth/logout", "POST", body=b"x" * 70_000),
    "no page": Wrong(404, "not-found", "/nowhere"),
    "no asset": Wrong(404, "not-found", "/static/0000000000000000/style.css"),
    "no such sign-in": Wrong(404, "unknown-provider", "/auth/login/github"),
    "a wrong method": Wrong(405, "method-not-allowed", method="DELETE", signed_in=True),
    "a wrong method of a probe": Wrong(405, "method-not-allowed", "/healthz", "POST"),
    "a wrong host": Wrong(421, "wrong-host", "/", host="elsewhere.example"),
    "a form of nobody": Wrong(401, "not-signed-in", "/auth/logout", "POST", headers=FORM),
    "a form of another site": Wrong(
        403, "forbidden", "/auth/logout", "POST", signed_in=True, headers=(FORM[0], "Sec-Fetch-Site: cross-site")
    ),
    "a form without its token": Wrong(403, "forbidden", "/auth/logout", "POST", signed_in=True, headers=FORM),
    "a callback of nobody": Wrong(400, "sign-in-failed", "/auth/callback?code=x"),
    "a callback out of time": Wrong(400, "sign-in-expired", f"/auth/callback?code=x&state={'s' * 43}"),
    "a callback that was declined": Wrong(400, "sign-in-denied", "/auth/callback?error=access_denied"),
    "a callback that was refused": Wrong(400, "sign-in-refused", "/auth/callback/entra?error=server_error"),
    "a callback twice the same": Wrong(400, "bad-request", "/auth/callback?code=x&code=y"),
    "an unknown project": Wrong(404, "absent", "/org/fabrikam/project/Unknown/builds", signed_in=True),
    "a bug": Wrong(500, "unexpected", f"/org/{BUG}/projects", signed_in=True),
    "no store": Wrong(503, "store-unavailable", signed_in=True, at="storeless"),
    "no vault": Wrong(503, "vault-unavailable", signed_in=True, at="vaultless"),
    "no settings": Wrong(503, "not-configured", "/", at="unset"),
}


@pytest.fixture(scope="module")
def storeless(azurite: str) -> Iterator[str]:
    """The connection string of a store that is gone."""
    proxy = StorageProxy(azurite)
    proxy.close()
    return proxy.connection_string


@pytest.fixture(scope="module")
def hosts(site: Site, storeless: str) -> dict[str, Host]:
    """The site, and others on the same keys that lack something."""
    nothing = dict.fromkeys(("TOKEN_ENCRYPTION_KEY", "AZURE_DEVOPS_CLIENT_SECRET", "ENTRA_CLIENT_SECRET"))
    return {
        "site": site.start_host(services="tests.acceptance.failing:build_services"),
        "storeless": site.start_host(AzureWebJobsStorage=storeless),
        "vaultless": site.start_host(KEY_VAULT_URL="http://127.0.0.1:9", **nothing),
        "unset": site.start_host(PUBLIC_URL=None),
    }


@pytest.fixture(scope="module")
def ada(hosts: dict[str, Host]) -> Browser:
    browser = Browser(hosts["site"].url)
    browser.sign_in("ada")
    return browser


def judge(reply: Reply, accept: str | None, status: int, kind: str, *, page_of_its_own: bool = False) -> str:
    """The form that was asked for, with nothing of the inside; its correlation id."""
    assert (reply.status, reply.all("content-type")) == (status, [ACCEPTS[accept]])
    text = reply.body.decode("utf-8")
    assert not INSIDE.search(text + str(reply.headers)), INSIDE.search(text + str(reply.headers))
    assert reply.header("vary") == "Accept, Cookie"
    if ACCEPTS[accept] == PROBLEM:
        problem = json.loads(text)
        assert set(problem) - {"problems", "parameter"} == MEMBERS
        assert ("problems" in problem) == (kind == "not-configured")
        assert problem["type"] == f"urn:gatehouse:problem:{kind}"
        assert problem["status"] == status
        assert all(isinstance(problem[name], str) and problem[name] for name in MEMBERS - {"status"})
        shown = problem["correlation_id"]
    else:
        assert text.startswith("<!doctype html>")
        assert page_of_its_own or f"Error {status}" in text
        shown = IN_PAGE.findall(text)[0]
    assert CORRELATION.fullmatch(shown), shown
    return shown


@pytest.mark.acceptance("E5")
@pytest.mark.parametrize("accept", ACCEPTS, ids=range(len(ACCEPTS)))
def test_every_error_of_the_tree_takes_the_form_that_was_asked_for(
    hosts: dict[str, Host], ada: Browser, simulator: Simulator, evidence: Report, accept: str | None
) -> None:
    """Raised where Azure DevOps is asked, answered by the real host; server faults are in the log under their id."""
    site = hosts["site"]
    headers = (f"Cookie: gatehouse-session={ada.session_cookie}", *([f"Accept: {accept}"] if accept else []))
    ids = set()
    for number, error_class in enumerate(CLASSES):
        reply = send(site.port, "GET", f"/org/fault-{number}/projects", *headers)
        if error_class is errors.NotSignedIn and ACCEPTS[accept] == HTML:
            assert reply.status == 303
            assert reply.header("location").startswith("/auth/login?return_to=/org/")
            continue
        error = errors.SignInAgain() if error_class is errors.TokenRejected else error_class.__new__(error_class)
        status = 413 if error_class is errors.TooLarge else error.status
        found = judge(reply, accept, status, error.kind)
        assert found not in ids
        ids.add(found)
        if status >= 500:
            assert found in site.child.output(), error_class
    evidence(cases=len(ids))


@pytest.mark.acceptance("E5")
@pytest.mark.parametrize("of", WRONG)
def test_a_wrong_request_is_told_so_in_the_form_that_was_asked_for(
    hosts: dict[str, Host], ada: Browser, simulator: Simulator, evidence: Report, of: str
) -> None:
    """Each by a real request, also where no session, no store, no vault or no setting is there."""
    wrong = WRONG[of]
    cookie = [f"Cookie: gatehouse-session={ada.session_cookie}"] if wrong.signed_in else []
    ids = set()
    for accept in ACCEPTS:
        asked = [f"Accept: {accept}"] if accept else []
        reply = send(
            hosts[wrong.at].port,
            wrong.method,
            wrong.path,
            *cookie,
            *asked,
            *wrong.headers,
            host=wrong.host,
            body=wrong.body,
        )
        ids.add(judge(reply, accept, wrong.status, wrong.kind, page_of_its_own=wrong.at == "unset"))
    assert len(ids) == len(ACCEPTS), "two answers share an id"
    evidence(cases=len(ids))
    assert ada.get("/").status_code == 200


@pytest.mark.acceptance("E5")
@pytest.mark.parametrize("name", ROUTES)
def test_a_script_is_never_sent_to_a_sign_in_page(
    hosts: dict[str, Host], ada: Browser, simulator: Simulator, evidence: Report, name: str
) -> None:
    """Without a session, with a dead one or with a forged one: 401 as a problem document where a session is needed."""
    path, port = addresses(ada)[name], hosts["site"].port
    protected = send(port, "GET", path).header("location") or ""
    dead = f"{ada.session_cookie[:-4]}AAAA"
    for cookie in ((), (f"Cookie: gatehouse-session={dead}",), ("Cookie: gatehouse-session=x",)):
        for accept, form in ACCEPTS.items():
            if form == PROBLEM:
                reply = send(port, "GET", path, f"Accept: {accept}", *cookie)
                assert not (reply.header("location") or "").startswith("/auth/login")
                if protected.startswith("/auth/login"):
                    judge(reply, accept, 401, "not-signed-in")
                    assert reply.header("www-authenticate") == 'Session realm="Gatehouse"'
                evidence(cases=1)


def test_the_routes_that_need_a_session_are_those(hosts: dict[str, Host], ada: Browser, simulator: Simulator) -> None:
    """The rule above is about these at least."""
    port = hosts["site"].port
    sent = {name for name, path in addresses(ada).items() if send(port, "GET", path).status == 303} - {"login"}
    assert sent >= {"dashboard", "projects", "work_items", "builds", "repos"}
