"""How sign-ins go in real browsers: several tabs, second thoughts, the Back button, and where people end up."""

from urllib.parse import quote, urljoin, urlsplit

import pytest

from tests.acceptance.signing_in import SIGN_IN, Attempt, pending, plant, token_calls, under_way, wire
from tests.site import Browser, Host, Simulator, Site

LOCAL = {
    "": "/dashboard",
    "%2F": "/",
    "%2Fdashboard": "/dashboard",
    "/org/fabrikam/projects?top=5": "/org/fabrikam/projects?top=5",
    "/org/fabrikam/project/Tools%2520%28new%29%21/builds": "/org/fabrikam/project/Tools%20(new)!/builds",
    "/x%23fragment": "/x#fragment",
    "/" + "a" * 799: "/" + "a" * 799,
    # Encoded twice, it is a path of this site with odd characters in it; browsers don't decode a Location.
    "/%252Fevil.example": "/%2Fevil.example",
    "/%255Cevil.example": "/%5Cevil.example",
    "/@evil.example": "/@evil.example",
    "/.evil.example": "/.evil.example",
}
ELSEWHERE = (
    "//evil.example",
    "%2F%2Fevil.example",
    "/%2Fevil.example",
    "%2f/evil.example",
    "///evil.example",
    "////evil.example",
    "/%5Cevil.example",
    "%5C%5Cevil.example",
    "%5C/evil.example",
    "/%5C/evil.example",
    "/x%5C..%5C..%5Cevil.example",
    "https://evil.example",
    "https:%2F%2Fevil.example",
    "HTTPS://evil.example/dashboard",
    "https:evil.example",
    "https:/evil.example",
    "http://127.0.0.1@evil.example",
    "ftp://evil.example",
    "javascript:alert(1)",
    "data:text/html,hello",
    "evil.example",
    "@evil.example",
    "dashboard",
    "?return_to=/",
    "%252F%252Fevil.example",
    "%2509/evil.example",
    "%20//evil.example",
    "+//evil.example",
    "/%09/evil.example",
    "/%0A/evil.example",
    "/%0D%0ALocation:%20https://evil.example",
    "/%00/evil.example",
    "%09//evil.example",
    "%0B//evil.example",
    "/%7F",
    "/%C2%85/evil.example",
    "/%E2%80%A8/evil.example",
    "%E3%80%82evil.example",
    "%EF%BC%8F%EF%BC%8Fevil.example",
    "/%EF%BC%8Fevil.example",
    "/%C3%BCber",
    "/" + "a" * 800,
)
MALFORMED = (
    "return_to=/%",
    "return_to=/%zz",
    "return_to=%FF",
    "return_to=%C0%AF%C0%AFevil.example",
    "return_to=/&return_to=//evil.example",
    "return_to=/&next=//evil.example",
    "redirect_uri=https://evil.example",
)


def begin_raw(host: Host, browser: Browser, query: str) -> str:
    """Start a sign-in with this very query; the cookie goes to the browser, the authorization URL comes back."""
    with wire(host) as line:
        answer = line.send(f"/auth/login?{query}")
    assert answer.status == 303
    plant(browser, *answer.cookie(SIGN_IN))
    return answer.header("Location")


def landing(host: Host, browser: Browser, query: str) -> str:
    answer = browser.get(browser.consent(begin_raw(host, browser, query)))
    assert answer.status_code == 303
    return answer.headers["Location"]


@pytest.mark.parametrize("value", LOCAL)
def test_a_local_path_is_where_the_sign_in_ends(simulator: Simulator, host: Host, browser: Browser, value: str) -> None:
    """A path of this site is decoded once and kept, with its query and fragment."""
    simulator.settings(auto_consent="ada")
    found = landing(host, browser, f"return_to={value}")
    assert found == LOCAL[value]
    assert urlsplit(urljoin(host.url, found)).netloc == urlsplit(host.url).netloc


@pytest.mark.parametrize("value", ELSEWHERE)
def test_nobody_is_sent_elsewhere_after_a_sign_in(
    simulator: Simulator, host: Host, browser: Browser, value: str
) -> None:
    """What is not plainly a local path is dropped: the sign-in ends on the dashboard."""
    simulator.settings(auto_consent="ada")
    assert landing(host, browser, f"return_to={value}") == "/dashboard"


@pytest.mark.parametrize("query", MALFORMED)
def test_a_malformed_start_is_refused(simulator: Simulator, host: Host, query: str) -> None:
    """Broken encoding, a parameter twice, an unknown one: 400, no redirect, no cookie."""
    with wire(host) as line:
        answer = line.send(f"/auth/login?{query}")
    assert answer.status == 400
    assert (answer.header("Location"), answer.header("Set-Cookie")) == (None, None)


def test_two_tabs_sign_in_at_the_same_time(simulator: Simulator, browser: Browser) -> None:
    """Both were begun before either came back: both succeed, each where it wanted to go, in either order."""
    for order in (0, 1), (1, 0):
        tabs = [under_way(browser, "ada", path) for path in ("/org/fabrikam/projects", "/org/contoso-labs/projects")]
        wanted = ("/org/fabrikam/projects", "/org/contoso-labs/projects")
        for number in order:
            answer = tabs[number].visit()
            assert (answer.status_code, answer.headers["Location"]) == (303, wanted[number])
            assert browser.get("/dashboard").status_code == 200
    assert pending(browser) == {}
    assert token_calls(simulator) == 4


def test_answers_of_two_tabs_that_are_mixed_up_are_refused(simulator: Simulator, host: Host) -> None:
    """Two browsers get each other's callback: no session in either, no call; each still finishes its own."""
    one, other = under_way(Browser(host.url), "ada"), under_way(Browser(host.url), "bjorn")
    for browser, url in ((one.browser, other.url), (other.browser, one.url)):
        assert browser.get(url).status_code == 400
        assert browser.session_cookie is None
    assert token_calls(simulator) == 0
    for attempt in (one, other):
        assert attempt.visit().status_code == 303


@pytest.mark.parametrize("style", ["access_denied", "bare"])
def test_who_declines_is_told_so_and_may_start_again(simulator: Simulator, browser: Browser, style: str) -> None:
    """With an error, or, as the documents have it, with nothing at all: a page, no session, no call."""
    simulator.settings(deny_style=style)
    answer = browser.get(browser.consent(browser.begin(), decision="deny"))
    assert answer.status_code == 400
    assert "/auth/login" in answer.text
    assert browser.session_cookie is None
    assert token_calls(simulator) == 0
    assert browser.sign_in().status_code == 303


def test_who_declines_a_second_sign_in_keeps_the_session(simulator: Simulator, browser: Browser) -> None:
    """Saying no to a new sign-in takes nothing away."""
    browser.sign_in()
    assert browser.get(browser.consent(browser.begin(), decision="deny")).status_code == 400
    assert browser.get("/dashboard").status_code == 200


def test_an_old_callback_goes_home_with_a_live_session(simulator: Simulator, browser: Browser) -> None:
    """Back button, restored tab, double click: home, with the same session and no call."""
    attempt = under_way(browser)
    attempt.visit()
    session = browser.session_cookie
    simulator.clear_calls()
    stranger = attempt.url.replace(attempt.state, "A" * 43)
    for url in (attempt.url, attempt.url, stranger):
        answer = browser.get(url)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        assert "Set-Cookie" not in answer.headers
    assert token_calls(simulator) == 0
    assert browser.session_cookie == session
    assert browser.get("/dashboard").status_code == 200


def test_an_old_callback_with_an_error_does_not_go_home(simulator: Simulator, browser: Browser) -> None:
    """An error is shown, whoever is signed in."""
    browser.sign_in()
    assert browser.get("/auth/callback?error=access_denied").status_code == 400


def test_an_old_callback_with_a_dead_session_is_refused(simulator: Simulator, browser: Browser) -> None:
    """A session cookie that the store does not know is no live session."""
    attempt = under_way(browser)
    attempt.visit()
    dead = browser.session_cookie
    browser.sign_out()
    plant(browser, "gatehouse-session", dead)
    simulator.clear_calls()
    answer = attempt.visit()
    assert answer.status_code == 400
    assert "already used" in answer.text or "no longer valid" in answer.text
    assert browser.session_cookie is None
    assert token_calls(simulator) == 0


def test_a_browser_has_at_most_five_sign_ins_under_way(simulator: Simulator, browser: Browser) -> None:
    """The sixth start removes the oldest cookie; the five newest still sign in, the oldest is refused."""
    attempts = [under_way(browser) for _ in range(8)]
    assert len(pending(browser)) == 5
    simulator.clear_calls()
    lost = Browser(browser.base)
    lost.http.cookies.update(pending(browser))
    for attempt in attempts[:3]:
        assert Attempt(lost, attempt.url).visit().status_code == 400
    assert token_calls(simulator) == 0
    for attempt in attempts[3:]:
        assert attempt.visit().status_code == 303
    assert pending(browser) == {}


def test_unreadable_sign_in_cookies_go_first(simulator: Simulator, browser: Browser) -> None:
    """Junk that somebody planted does not push out the sign-ins that are under way."""
    attempts = [under_way(browser) for _ in range(3)]
    for number in range(6):
        plant(browser, f"{SIGN_IN}0000000{number}", "A" * 200)
    last = under_way(browser)
    assert len(pending(browser)) == 5
    for attempt in (*attempts, last):
        assert attempt.visit().status_code == 303


def test_all_cookies_together_stay_under_8_kb(simulator: Simulator, browser: Browser) -> None:
    """Five sign-ins with the longest return_to, and a session: proxies that allow a header of 8 KB let it through."""
    browser.sign_in()
    for number in range(7):
        browser.begin(quote("/" + str(number) * 799))
    sent = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies)
    assert len(sent) < 8192
    assert all(len(cookie.name) + len(cookie.value) < 4096 for cookie in browser.http.cookies)
    assert browser.get("/dashboard").status_code == 200


@pytest.mark.parametrize("provider", ["github", "Azure-DevOps", "azure%2Ddevops%2F", "azure-devops/x"])
def test_a_provider_that_is_not_configured_is_not_there(simulator: Simulator, host: Host, provider: str) -> None:
    """404, no redirect, no cookie."""
    with wire(host) as line:
        answer = line.send(f"/auth/login/{provider}")
    assert answer.status == 404
    assert answer.header("Set-Cookie") is None


def test_the_provider_may_be_named(simulator: Simulator, host: Host, browser: Browser) -> None:
    """The legacy provider has a name of its own, and the same callback path under it."""
    started = browser.get("/auth/login/azure-devops")
    assert browser.get(browser.consent(started.headers["Location"])).status_code == 303
    assert browser.session_cookie


def test_a_switched_off_legacy_provider_begins_no_sign_in(site: Site, simulator: Simulator, browser: Browser) -> None:
    """AZURE_DEVOPS_SIGN_IN=off: 404 at the start; who is signed in goes on."""
    browser.sign_in()
    off = site.start_host(AZURE_DEVOPS_SIGN_IN="off")
    assert Browser(off.url).get("/auth/login/azure-devops").status_code == 404
    assert "/oauth2/v2.0/authorize" in Browser(off.url).get("/auth/login").headers["Location"]
    assert Browser(off.url, browser.http).get("/dashboard").status_code == 200
