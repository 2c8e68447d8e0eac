"""Sign-in with Entra ID over real HTTP: the walk, the refresh, and both providers beside each other."""

import re

from tests.html_page import Page
from tests.site import Browser, Host, Simulator, Site, tick


def test_a_person_signs_in_with_entra_walks_and_signs_out(simulator: Simulator, browser: Browser) -> None:
    """Entra is the first button and the default; the views are those of the token's tenant."""
    home = browser.get("/").text
    assert home.index("/auth/login/entra") < home.index("/auth/login/azure-devops")
    assert "/oauth2/v2.0/authorize" in browser.get("/auth/login").headers["Location"]
    assert browser.sign_in("ada", provider="entra").headers["Location"] == "/dashboard"
    dashboard = browser.get("/dashboard").text
    assert "Ada Lovelace" in dashboard
    (projects,) = re.findall(r'href="(/org/[^"]+/projects)"', dashboard)
    for view in sorted(set(re.findall(r'href="(/org/[^"]+/project/[^"]+)"', browser.get(projects).text))):
        assert browser.get(view).status_code == 200, view
    assert "You are signed out" in browser.sign_out().text
    assert simulator.calls("/oauth2/revoke") == []


def test_a_connection_of_entra_is_refreshed_by_the_timer(site: Site, simulator: Simulator) -> None:
    """Fifty minutes later the timer renews it once."""
    Browser(site.start_host().url).sign_in("ada", provider="entra")
    report = tick(site.start_host(clock_offset=50 * 60))
    assert report["refreshed"] >= 1
    assert report["failed"] == {}
    assert report["by_provider"]["entra"] >= 1


def test_a_sign_in_with_the_other_provider_ends_the_old_session(simulator: Simulator, browser: Browser) -> None:
    """Legacy drains by itself: the person's last legacy session takes its connection with it."""
    browser.sign_in("ada")
    old = browser.session_cookie
    browser.sign_in("ada", provider="entra")
    assert browser.session_cookie != old
    stale = Browser(browser.base)
    stale.http.cookies.set("gatehouse-session", old)
    assert stale.api("/dashboard").status_code == 401


def test_a_legacy_session_goes_on_when_new_sign_ins_are_off(site: Site, simulator: Simulator, host: Host) -> None:
    """AZURE_DEVOPS_SIGN_IN=off hides the button and refuses new sign-ins; live sessions go on."""
    browser = Browser(host.url)
    browser.sign_in("ada")
    off = Browser(site.start_host(AZURE_DEVOPS_SIGN_IN="off").url)
    off.http.cookies.set("gatehouse-session", browser.session_cookie)
    assert off.get("/dashboard").status_code == 200
    refused = off.get("/auth/login/azure-devops")
    assert (refused.status_code, Page(refused.text).heading) == (404, "New sign-ins are switched off here")
    assert "/auth/login/azure-devops" not in Browser(off.base).get("/").text


def test_without_the_provider_its_sessions_end_with_a_page_that_offers_the_other(
    site: Site, simulator: Simulator, host: Host
) -> None:
    """The page says what happened and where to sign in now."""
    browser = Browser(host.url)
    browser.sign_in("ada")
    gone = Browser(site.start_host(AZURE_DEVOPS_APP_ID=None, AZURE_DEVOPS_CLIENT_SECRET=None).url)
    gone.http.cookies.set("gatehouse-session", browser.session_cookie)
    answer = gone.get("/dashboard")
    assert answer.status_code == 401
    assert "switched off" in answer.text
    assert "/auth/login" in answer.text
