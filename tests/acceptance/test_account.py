"""The account page and the receipt over HTTP: one's own sessions and nobody else's, and what became of the tokens."""

import html
import re

import pytest

from shared.custody.rules import REVOCATION_KEPT
from shared.models.custody import new_secret, sha256_hex
from shared.web import csrf
from tests.acceptance.signing_in import plant
from tests.site import Browser, Host, Simulator, Site, tick

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1"
RECEIPT = "gatehouse-receipt"


def signed_in(host: Host, person: str = "ada", agent: str = FIREFOX, provider: str = "azure-devops") -> Browser:
    browser = Browser(host.url)
    browser.http.headers["User-Agent"] = agent
    browser.sign_in(person, provider=provider)
    return browser


def digits(browser: Browser) -> str:
    """What names this browser's session in forms."""
    return sha256_hex(browser.session_cookie[32:])[:12]


def lives(browser: Browser) -> bool:
    return browser.api("/account").status_code == 200


def sessions_of(browser: Browser) -> list[str]:
    return [session["id"] for session in browser.api("/account").json()["sessions"]]


@pytest.fixture(autouse=True)
def nobody_is_there(simulator: Simulator, host: Host) -> None:
    """Whoever is left of the test before is signed out everywhere."""
    for person, provider in (("ada", "azure-devops"), ("bjorn", "azure-devops"), ("ada", "entra")):
        assert signed_in(host, person, provider=provider).post("/auth/disconnect").status_code == 303
    simulator.clear_calls()


def test_an_account_tells_connection_scopes_and_sessions(host: Host) -> None:
    """As JSON under its own names and as a page; this browser comes first, then the last used."""
    others = [signed_in(host, agent=SAFARI), signed_in(host)]
    browser = signed_in(host)
    found = browser.api("/account").json()
    assert found["name"] == "Ada Lovelace"
    assert (found["provider"], found["provider_title"], found["status"]) == ("azure-devops", "Azure DevOps", "live")
    assert {"name": "vso.work", "meaning": "Read work items, queries and boards"} in found["scopes"]
    assert found["refreshed_at"] < found["expires_at"]
    assert [session["id"] for session in found["sessions"]] == [digits(it) for it in (browser, *reversed(others))]
    assert [session["current"] for session in found["sessions"]] == [True, False, False]
    assert [session["browser"] for session in found["sessions"]] == [
        "Firefox on Linux",
        "Firefox on Linux",
        "Safari on iPhone",
    ]
    page = browser.get("/account").text
    assert all(text in page for text in ("Ada Lovelace", "Safari on iPhone", "this browser", "Sign out everywhere"))
    assert browser.session_cookie[32:] not in page
    assert sha256_hex(browser.session_cookie[32:]) not in page


def test_an_account_is_for_who_is_signed_in(host: Host, browser: Browser) -> None:
    assert browser.get("/account").headers["Location"] == "/auth/login?return_to=/account"
    assert browser.api("/account").status_code == 401
    assert signed_in(host).get("/account?all=1").status_code == 400


def test_sessions_that_are_over_are_not_listed(site: Site, host: Host) -> None:
    old = signed_in(host)
    later = site.start_host(clock_offset=5 * 3600)
    new = signed_in(later)
    latest = Browser(site.start_host(clock_offset=9 * 3600).url, new.http)
    assert not lives(Browser(latest.base, old.http))
    assert sessions_of(latest) == [digits(new)]


def test_another_session_of_one_s_own_ends_and_this_one_goes_on(host: Host) -> None:
    """Back to the account, which lists one less; no receipt, for nothing of this browser ended."""
    browser, other, third = (signed_in(host) for _ in range(3))
    answer = browser.post("/auth/logout", session=digits(other))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
    assert "Set-Cookie" not in answer.headers
    assert "Clear-Site-Data" not in answer.headers
    assert not lives(other)
    assert lives(third)
    assert set(sessions_of(browser)) == {digits(browser), digits(third)}


def test_the_button_of_this_browser_is_a_sign_out(host: Host) -> None:
    browser, other = signed_in(host), signed_in(host)
    answer = browser.post("/auth/logout", session=digits(browser))
    assert answer.headers["Location"] == "/auth/receipt"
    assert not lives(browser)
    assert lives(other)


@pytest.mark.parametrize("session", ["0" * 12, "somebody else's"])
def test_a_session_that_is_not_one_s_own_is_not_there(host: Host, session: str) -> None:
    """404 that says so, for a session that ended, that never was, or of another person; nothing ends."""
    browser, second, other = signed_in(host), signed_in(host), signed_in(host, "bjorn")
    answer = browser.post("/auth/logout", session=digits(other) if " " in session else session)
    assert answer.status_code == 404
    assert "That session is not there any more" in answer.text
    assert lives(browser)
    assert lives(second)
    assert lives(other)


@pytest.mark.parametrize("session", ["", "0", "0" * 13, "F" * 12, "g" * 12, "0" * 64, "session:0123", "*"])
def test_what_names_no_session_is_refused(host: Host, session: str) -> None:
    browser = signed_in(host)
    answer = browser.post("/auth/logout", session=session)
    assert answer.status_code == 400
    assert "12 hex digits" in html.unescape(answer.text)
    assert lives(browser)


@pytest.mark.parametrize("form", ["logout", "disconnect"])
def test_a_cookie_made_of_a_user_id_out_of_a_log_ends_nobody(host: Host, browser: Browser, form: str) -> None:
    """Its form token can be computed; the session that it claims is in no row."""
    victim, witness = signed_in(host), signed_in(host)
    browser.sign_in("bjorn")
    secret = new_secret()
    plant(browser, "gatehouse-session", victim.session_cookie[:32] + secret)
    fields = {"session": digits(victim)} if form == "logout" else {}
    answer = browser.post(f"/auth/{form}", csrf.token(secret), **fields)
    assert answer.status_code == 401
    assert lives(victim)
    assert lives(witness)


def test_signing_out_everywhere_ends_every_session_and_the_connection(simulator: Simulator, host: Host) -> None:
    """Here at once and there by one revocation; the receipt counts them."""
    simulator.settings(revoke=True)
    browsers = [signed_in(host) for _ in range(4)]
    answer = browsers[1].post("/auth/disconnect")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/auth/receipt")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert not any(lives(browser) for browser in browsers)
    receipt = browsers[1].api("/auth/receipt").json()
    assert (receipt["sessions_ended"], receipt["tokens_deleted"]) == (4, True)
    assert receipt["revocations"][0] == {"state": "revoked", "next_try_at": None}
    assert "All your 4 sessions have ended" in browsers[1].get("/auth/receipt").text


def test_a_receipt_follows_its_revocation_from_still_trying_to_revoked(
    site: Site, simulator: Simulator, host: Host
) -> None:
    """The same cookie, read again: what the timer did meanwhile is there."""
    simulator.settings(revoke=True)
    browser = signed_in(host)
    simulator.faults({"match": {"grant": "revoke"}, "times": 2, "action": {"status": 503}})
    page = browser.sign_out()
    assert "we go on trying until it does" in page.text
    waiting = browser.api("/auth/receipt").json()["revocations"][0]
    assert waiting["state"] == "retried"
    assert waiting["next_try_at"]
    assert simulator.injected() == 2
    tick(site.start_host(clock_offset=60))
    assert browser.api("/auth/receipt").json()["revocations"][0]["state"] == "revoked"
    assert "Azure DevOps has revoked both tokens" in browser.get("/auth/receipt").text


def test_a_receipt_says_what_only_the_person_can_withdraw(simulator: Simulator, host: Host) -> None:
    """With the link to where: the profile of the legacy service, the apps at Microsoft."""
    legacy, entra = signed_in(host), signed_in(host, provider="entra")
    assert f'href="{simulator.url}/Profile/View"' in legacy.sign_out().text
    assert legacy.api("/auth/receipt").json()["access_token_minutes"] == 60
    assert 'href="https://myapps.microsoft.com"' in entra.sign_out().text
    receipt = entra.api("/auth/receipt").json()
    assert receipt["access_token_minutes"] == 90
    assert receipt["revocations"] == [{"state": "not_offered", "next_try_at": None}]
    assert "post_logout_redirect_uri" in receipt["sign_out_url"]


@pytest.mark.parametrize("cookie", ["absent", "broken", "of another site", "twice"])
def test_without_a_receipt_of_its_own_a_browser_is_told_that_there_is_none(
    site: Site, host: Host, browser: Browser, cookie: str
) -> None:
    """A page and a problem document of status 404, never an error; the cookie of another key does not open."""
    maker = site.start_host(TOKEN_ENCRYPTION_KEY="7" * 64) if cookie == "of another site" else host
    leaving = signed_in(maker, "chen")
    leaving.post("/auth/disconnect")
    value = next(found.value for found in leaving.http.cookies if found.name == RECEIPT)
    sent = {
        "absent": "x=y",
        "broken": f"{RECEIPT}={value[:-5]}",
        "of another site": f"{RECEIPT}={value}",
        "twice": f"{RECEIPT}={value}; {RECEIPT}={value}",
    }[cookie]
    page = browser.get("/auth/receipt", headers={"Cookie": sent})
    problem = browser.get("/auth/receipt", headers={"Cookie": sent, "Accept": "application/json"})
    assert (page.status_code, problem.status_code) == (404, 404)
    assert "There is no receipt to show" in page.text
    assert problem.json()["type"] == "urn:gatehouse:problem:no-receipt"


def test_a_receipt_ends_after_a_day(site: Site, host: Host) -> None:
    browser = signed_in(host)
    browser.sign_out()
    later = site.start_host(clock_offset=REVOCATION_KEPT.total_seconds() + 60)
    assert Browser(later.url, browser.http).get("/auth/receipt").status_code == 404


def test_signing_out_twice_keeps_the_receipt_that_tells_something(host: Host) -> None:
    """The second press finds nothing to end; without a receipt it is told that all was over."""
    browser = signed_in(host)
    cookie, token = browser.session_cookie, browser.csrf()
    browser.post("/auth/logout", token)
    plant(browser, "gatehouse-session", cookie)
    browser.post("/auth/logout", token)
    assert browser.api("/auth/receipt").json()["sessions_ended"] == 1
    stranger = Browser(host.url)
    plant(stranger, "gatehouse-session", cookie)
    stranger.post("/auth/logout", token)
    assert "had ended before" in html.unescape(stranger.get("/auth/receipt").text)


def test_who_signs_in_as_somebody_else_finds_the_receipt_of_the_first_on_the_account_page(host: Host) -> None:
    """Leaving the legacy sign-in for Entra ID in one browser: what became of the old connection is told."""
    browser = signed_in(host)
    assert browser.api("/account").json()["receipt_page"] is None
    browser.sign_in("ada", provider="entra")
    assert browser.api("/account").json()["receipt_page"] == "/auth/receipt"
    assert 'href="/auth/receipt"' in browser.get("/account").text
    receipt = browser.get("/auth/receipt").text
    assert "Receipt of your sign-out" in receipt
    assert re.search(r'aria-label="Main".*Account', receipt)
    assert browser.api("/auth/receipt").json()["provider"] == "azure-devops"


@pytest.mark.parametrize("refusal", ["suspect", "reconnect"])
def test_an_account_explains_a_connection_that_is_not_renewed(
    site: Site, simulator: Simulator, host: Host, refusal: str
) -> None:
    """Suspect: kept and tried again; ended: sign in again, while the access token still serves."""
    browser = signed_in(host)
    error = "invalid_grant" if refusal == "reconnect" else "invalid_request"
    simulator.faults({"match": {"grant": "refresh_token"}, "action": {"token_error": {"error": error}}})
    later = Browser(site.start_host(clock_offset=56 * 60).url, browser.http)
    later.get("/dashboard")
    assert simulator.injected() == 1
    assert later.api("/account").json()["status"] == refusal
    page = later.get("/account").text
    assert {"suspect": "try again at", "reconnect": "Sign in again to go on"}[refusal] in page


def test_a_receipt_is_shown_while_the_store_is_away(site: Site, simulator: Simulator, host: Host) -> None:
    """Our own faults only make it older: it tells how things stood at the sign-out."""
    simulator.settings(revoke=True)
    browser = signed_in(host)
    browser.post("/auth/logout")
    nowhere = re.sub(r"TableEndpoint=[^;]+", "TableEndpoint=http://127.0.0.1:9/devstoreaccount1", site.storage)
    cut_off = Browser(site.start_host(AzureWebJobsStorage=nowhere).url, browser.http)
    receipt = cut_off.api("/auth/receipt").json()
    assert (receipt["checked"], receipt["revocations"][0]["state"]) == (False, "revoked")
    assert "does not answer right now" in cut_off.get("/auth/receipt").text
