"""What Entra ID and the API refuse, read as a person would: every page says who has to do what (facts 3.5 and 3.8)."""

import base64
import html
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.config import DEFAULT_SCOPES
from tests.acceptance.signing_in import stored
from tests.evidence import Report
from tests.html_page import Page
from tests.site import Browser, Host, Simulator, Site, tick
from tools.simulator.entra.failures import FAILURES

# By code: the reason in the event, and words of the page that tell what to do next.
CODES = {
    50011: ("registration", "redirect URI"),
    50194: ("registration", "ALLOWED_TENANTS"),
    700016: ("registration", "ENTRA_CLIENT_ID"),
    700011: ("registration", "ENTRA_CLIENT_ID"),
    7000215: ("client_secret", "the client secret is wrong"),
    7000222: ("client_secret", "the client secret has expired"),
    70002: ("client_secret", "the client secret is wrong"),
    70011: ("scope", "AZURE_DEVOPS_SCOPES"),
    28002: ("scope", "AZURE_DEVOPS_SCOPES"),
    650053: ("scope", "AZURE_DEVOPS_SCOPES"),
    65004: ("denied", "You can start again"),
    65001: ("consent_needed", "accept what this site asks for"),
    90094: ("admin_consent", "administrator can grant access"),
    700082: ("expired", "Sign in again"),
    70008: ("expired", "Sign in again"),
    70043: ("expired", "sign in again"),
    50173: ("expired", "Sign in again"),
    54005: ("used", "Start it again"),
    501481: ("verifier", "Start it again"),
    50074: ("second_factor", "confirm your second factor"),
    50076: ("second_factor", "confirm your second factor"),
    50078: ("second_factor", "confirm your second factor"),
    50072: ("second_factor", "set up a second factor"),
    50079: ("second_factor", "set up a second factor"),
    53003: ("conditional_access", "administrator of your organization"),
    53000: ("conditional_access", "administrator of your organization"),
    53001: ("conditional_access", "administrator of your organization"),
    50105: ("not_assigned", "must be assigned"),
    50020: ("wrong_account", "choose another account"),
    500208: ("wrong_account", "choose another account"),
    50034: ("wrong_account", "choose another account"),
    51004: ("wrong_account", "choose another account"),
    50196: ("loop", "Wait a few minutes"),
}
HEADINGS = {
    "registration": "This site is not registered correctly",
    "client_secret": "This site can't prove itself to Microsoft",
    "scope": "This site asks for something that Microsoft does not know",
    "denied": "Access was declined",
    "consent_needed": "Access was not granted yet",
    "admin_consent": "An administrator must grant access first",
    "expired": "This sign-in is no longer valid",
    "used": "This sign-in was already used",
    "verifier": "This sign-in was mixed up with another one",
    "second_factor": "Your organization asks for more than a password",
    "conditional_access": "A policy of your organization does not allow this",
    "not_assigned": "You are not assigned to this site",
    "wrong_account": "This account can't be used here",
    "loop": "Microsoft stopped a sign-in that went round in circles",
}
STATUS = {
    "invalid_grant": 400,
    "interaction_required": 400,
    "consent_required": 400,
    "access_denied": 403,
    "invalid_client": 503,
    "unauthorized_client": 503,
    "invalid_request": 503,
    "invalid_scope": 503,
    "invalid_resource": 503,
    "temporarily_unavailable": 503,
}
"""By the `error` of the token endpoint: the person's to cure, a policy's, ours."""
CHALLENGE = {"access_token": {"acrs": {"essential": True, "value": "c1"}}}


def shown(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("code", CODES)
def test_a_code_at_the_way_back_says_what_to_do_next(simulator: Simulator, host: Host, code: int) -> None:
    """Nothing is redeemed, and nothing of Microsoft's text is repeated."""
    reason, words = CODES[code]
    simulator.faults({"match": {"path": "/authorize"}, "action": {"aadsts": {"code": code, "page": False}}})
    browser = Browser(host.url)
    answer = browser.get(browser.get(browser.begin(provider="entra")).headers["Location"])
    page = Page(answer.text)
    assert (answer.status_code, page.heading) == (400, HEADINGS[reason])
    assert words in shown(answer.text)
    another = "Choose another account" if reason == "wrong_account" else "Sign in"
    assert page.address(another).startswith("/auth/login")
    assert "AADSTS" not in answer.text
    assert browser.session_cookie is None
    assert [call for call in simulator.calls("/token") if call["method"] == "POST"] == []
    assert host.events("sign_in_failed")[-1]["reason"] == reason


@pytest.mark.parametrize("code", CODES)
def test_a_code_at_the_token_endpoint_says_what_to_do_next(simulator: Simulator, host: Host, code: int) -> None:
    """The class comes from `error`, the words from the code."""
    reason, words = CODES[code]
    browser = Browser(host.url)
    callback = browser.consent(browser.begin(provider="entra"))
    simulator.faults({"match": {"path": "/token"}, "action": {"aadsts": code}})
    answer = browser.get(callback)
    expected = (STATUS[FAILURES[code].error], HEADINGS[reason])
    assert (answer.status_code, Page(answer.text).heading) == expected
    assert words in shown(answer.text)
    assert "AADSTS" not in answer.text
    assert browser.session_cookie is None
    assert host.events("sign_in_failed")[-1]["reason"] == reason


def test_a_code_that_nobody_knows_is_still_an_answer(simulator: Simulator, host: Host, browser: Browser) -> None:
    """By its `error` alone."""
    action = {"aadsts": {"code": 999999, "error": "server_error", "page": False}}
    simulator.faults({"match": {"path": "/authorize"}, "action": action})
    answer = browser.get(browser.get(browser.begin(provider="entra")).headers["Location"])
    assert answer.status_code == 400
    assert "Start the sign-in again" in shown(answer.text)


def test_a_claims_challenge_leads_to_one_sign_in_with_these_claims(
    simulator: Simulator, host: Host, browser: Browser
) -> None:
    """One call is refused, no refresh is tried; a link leads to Microsoft with the claims, and then the page works."""
    browser.sign_in("ada", provider="entra")
    simulator.settings(claims_challenge={"ada": CHALLENGE})
    simulator.clear_calls()
    page = browser.get("/dashboard")
    assert page.status_code == 401
    assert len(simulator.calls("/_apis/")) == 1
    assert simulator.calls("/token") == []
    assert browser.api("/dashboard").json()["type"].endswith("claims-challenge")
    link = html.unescape(re.search(r'href="(/auth/login/entra\?[^"]*claims=[^"]*)"', page.text)[1])
    address = browser.get(link).headers["Location"]
    assert "essential" in parse_qs(urlsplit(address).query)["claims"][0]
    answer = browser.get(browser.consent(address))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard")
    assert browser.get("/dashboard").status_code == 200
    stranger = Browser(host.url)  # sealed for the session that was asked
    assert "claims" not in parse_qs(urlsplit(stranger.get(link).headers["Location"]).query)


def test_a_challenge_that_no_sign_in_satisfies_is_no_loop(simulator: Simulator, host: Host, browser: Browser) -> None:
    """Every visit is one refused call and a page; only the person goes to Microsoft again, or asks the admin."""
    browser.sign_in("ada", provider="entra")
    claims = base64.b64encode(json.dumps(CHALLENGE).encode()).decode()
    refused = {"WWW-Authenticate": f'Bearer error="insufficient_claims", claims="{claims}"'}
    simulator.faults({"match": {"path": "/_apis/"}, "action": {"status": 401, "json": {}, "headers": refused}})
    simulator.clear_calls()
    for visit in (1, 2, 3):
        page = browser.get("/dashboard")
        assert (page.status_code, "Location" in page.headers) == (401, False)
        assert "ask the administrator of your organization" in shown(page.text)
        assert len(simulator.calls("/_apis/")) == visit
        link = html.unescape(re.search(r'href="(/auth/login/entra\?[^"]*claims=[^"]*)"', page.text)[1])
        browser.get(browser.consent(browser.get(link).headers["Location"]))
    assert len([call for call in simulator.calls("/token") if call["method"] == "POST"]) == 3
    assert browser.session_cookie is not None


@pytest.mark.parametrize("claims", ["%7B%22access_token%22%3A%7B%7D%7D", "AAAA", "%00", "é" * 4, "a" * 3500])
def test_claims_of_a_stranger_are_never_passed_on(simulator: Simulator, browser: Browser, claims: str) -> None:
    browser.sign_in("ada", provider="entra")
    answer = browser.get(f"/auth/login/entra?claims={claims}")
    assert answer.status_code in (303, 400)
    assert "claims" not in parse_qs(urlsplit(answer.headers.get("Location", "")).query)


def link_to_grant(page: str) -> str:
    return html.unescape(re.search(r'href="(/auth/login/entra\?[^"]*consent=1[^"]*)"', page)[1])


def builds_of(browser: Browser) -> str:
    """The address of the first list of builds that the pages lead to."""
    (projects,) = re.findall(r'href="(/org/[^"]+/projects)"', browser.get("/dashboard").text)
    return html.unescape(re.findall(r'href="(/org/[^"]+/builds)"', browser.get(projects).text)[0])


def test_a_missing_scope_is_named_and_can_be_granted(
    azurite: str, simulator: Simulator, host: Host, browser: Browser
) -> None:
    """The API misses it; the link asks for consent once more and leads back to the page that lacked it."""
    simulator.settings(entra_withheld_scopes=["vso.build"])
    browser.sign_in("ada", provider="entra")
    builds = builds_of(browser)
    page = browser.get(builds)
    assert page.status_code == 403
    assert "“vso.build” is missing" in shown(page.text)
    assert host.events("denied")[-1]["reason"] == "scope_missing"
    assert "vso.build" not in browser.get("/account").text
    address = browser.get(link_to_grant(page.text)).headers["Location"]
    assert parse_qs(urlsplit(address).query)["prompt"] == ["consent"]
    assert browser.get(browser.consent(address)).headers["Location"] == builds
    assert browser.get(builds).status_code == 200
    assert "vso.build" in browser.get("/account").text


@pytest.mark.acceptance("A8")
def test_scopes_that_are_added_to_the_settings_end_no_session(
    azurite: str, site: Site, simulator: Simulator, evidence: Report
) -> None:
    """A refresh asks for all that was granted and for nothing else; the new one is granted where it is missed."""
    before = site.start_host(AZURE_DEVOPS_SCOPES="vso.project vso.profile")
    browser = Browser(before.url)
    browser.sign_in("ada", provider="entra")
    narrow = stored(azurite, browser).connection
    before.child.stop()
    after = site.start_host(port=before.port, clock_offset=50 * 60)
    tick(after)
    renewed = stored(azurite, browser).connection
    assert (renewed.generation, renewed.status) == (narrow.generation + 1, "live")
    assert renewed.scopes == narrow.scopes == "vso.project vso.profile"
    builds = builds_of(browser)
    address = browser.get(link_to_grant(browser.get(builds).text)).headers["Location"]
    browser.get(browser.consent(address))
    assert browser.get(builds).status_code == 200
    assert stored(azurite, browser).connection.scopes == DEFAULT_SCOPES
    evidence(cases=1)
