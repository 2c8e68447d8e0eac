"""What a callback brings stays nowhere: not in logs and events, not in the history, the address bar or a Referer."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_other_sites import BUTTONS
from tests.browser.watch import Watch, history
from tests.evidence import Report
from tests.site import Host, Simulator
from tools.screenshots.scenes import ADA, press

SPENT = re.compile(r"[?&](code|state|session_state)=")


def callbacks(watch: Watch, host: Host) -> list[str]:
    """The addresses that the provider sent this tab to."""
    return [request.url for request in watch.sent_to(host.url) if "/auth/callback" in request.url]


def secrets_of(url: str) -> list[str]:
    """Code and state of a callback."""
    query = parse_qs(urlsplit(url).query)
    return [value for name in ("code", "state") for value in query.get(name, [])]


def begin(page: Page, host: Host, provider: str, button: str) -> None:
    page.goto(host.url)
    page.get_by_role("link", name=BUTTONS[provider], exact=True).click()
    page.get_by_role("radio", name=ADA).check()
    press(page, button)


def is_in_no_log(host: Host, simulator: Simulator, secrets: list[str]) -> None:
    """Neither what host, runtime and application wrote, nor the audit events; the log does hold the invocation."""
    log = host.child.output()
    assert "callback" in log
    assert not [secret for secret in secrets if secret in log]
    assert not SPENT.search(log)
    assert not [event for event in host.events() for secret in secrets if secret in str(event)]


@pytest.mark.acceptance("G2")
@pytest.mark.parametrize("provider", BUTTONS)
def test_a_sign_in_leaves_no_code_and_no_state_behind(
    host: Host, page: Page, watch: Watch, simulator: Simulator, evidence: Report, provider: str
) -> None:
    """The page after the callback is reached by a redirect, at a clean address, and loads nothing of anybody else."""
    begin(page, host, provider, "Accept")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your organizations")
    (callback,) = callbacks(watch, host)
    secrets = secrets_of(callback)
    assert len(secrets) == 2
    answer = next(request for request in watch.requests if request.url == callback).response()
    assert answer.status == 303
    assert answer.headers["location"] == "/dashboard"
    assert page.url == f"{host.url}/dashboard"
    assert page.evaluate("document.referrer") == ""
    visited = [url for url in history(page) if url.startswith(host.url)]
    assert visited == [f"{host.url}/", f"{host.url}/dashboard"]
    since = watch.requests.index(next(request for request in watch.requests if request.url == callback))
    page.get_by_role("link", name="fabrikam", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Projects in fabrikam")
    later = watch.requests[since + 1 :]
    assert [request.url for request in later if not request.url.startswith(f"{host.url}/")] == []
    assert not [request for request in later if request.all_headers().get("referer")]
    is_in_no_log(host, simulator, secrets)
    evidence(cases=1)


@pytest.mark.acceptance("G2")
@pytest.mark.parametrize("provider", BUTTONS)
def test_a_refusal_tells_nobody_where_it_happened(
    host: Host, page: Page, watch: Watch, simulator: Simulator, evidence: Report, provider: str
) -> None:
    """The page of a declined sign-in holds no code; its links send no Referer, it loads nothing of anybody else."""
    begin(page, host, provider, "Deny" if provider == "azure-devops" else "Cancel")
    expect(page.get_by_role("heading", level=1)).to_have_text("Access was declined")
    (callback,) = callbacks(watch, host)
    assert "code" not in parse_qs(urlsplit(callback).query)
    since = len(watch.requests)
    page.get_by_role("link", name="Home page").click()
    expect(page.get_by_role("link", name=BUTTONS[provider], exact=True)).to_be_visible()
    assert page.evaluate("document.referrer") == ""
    later = watch.requests[since:]
    assert [request.url for request in later if not request.url.startswith(f"{host.url}/")] == []
    assert not [request for request in later if request.all_headers().get("referer")]
    is_in_no_log(host, simulator, secrets_of(callback))
    evidence(cases=1)


@pytest.mark.acceptance("G2")
@pytest.mark.parametrize("provider", BUTTONS)
def test_a_callback_that_is_visited_again_leads_away_from_itself(
    host: Host, page: Page, watch: Watch, simulator: Simulator, evidence: Report, provider: str
) -> None:
    """Who goes back to it while signed in is sent home: the spent code stays in no address."""
    begin(page, host, provider, "Accept")
    (callback,) = callbacks(watch, host)
    page.goto(callback)
    assert page.url == f"{host.url}/"
    assert not [url for url in history(page) if url.startswith(host.url) and SPENT.search(url)]
    is_in_no_log(host, simulator, secrets_of(callback))
    evidence(cases=1)
