"""The main job over real HTTP: sign in, walk from the dashboard to every view, sign out."""

import re

from tests.site import Browser, Host, Simulator, Site, tick


def test_a_person_signs_in_walks_through_every_view_and_signs_out(simulator: Simulator, browser: Browser) -> None:
    """From the home page to the sign-in, dashboard, projects, work items, builds, repositories, and out again."""
    assert "/auth/login" in browser.get("/").text
    assert browser.sign_in("ada").headers["Location"] == "/dashboard"
    dashboard = browser.get("/dashboard").text
    assert "Ada Lovelace" in dashboard
    organizations = re.findall(r'href="(/org/[^"]+/projects)"', dashboard)
    assert len(organizations) == 2
    views = [link for path in organizations for link in re.findall(r'href="(/org/[^"]+)"', browser.get(path).text)]
    views = sorted({view for view in views if "/project/" in view})
    assert len(views) == 6 * 3
    for view in views:
        page, data = browser.get(view), browser.api(view)
        assert (page.status_code, data.status_code) == (200, 200), view
        assert set(data.json()) == {"items", "next", "prev"}
    assert "You are signed out" in browser.sign_out().text
    assert browser.get("/dashboard").headers["Location"] == "/auth/login?return_to=/dashboard"


def test_people_with_one_and_with_no_organization_see_what_is_theirs(simulator: Simulator, host: Host) -> None:
    """Björn belongs to one organization, Chen to none and is told what that may mean."""
    for user, count in (("bjorn", 1), ("chen", 0)):
        browser = Browser(host.url)
        browser.sign_in(user)
        assert len(browser.api("/dashboard").json()["items"]) == count
        assert browser.get("/dashboard").status_code == 200


def test_a_sign_in_comes_back_to_the_page_that_was_wanted(simulator: Simulator, browser: Browser) -> None:
    """A stranger who asks for a view is sent to sign in, and lands on that view."""
    wanted = "/org/fabrikam/project/Tools%20%28new%29%21/builds?top=5"
    first = browser.get(wanted)
    assert first.status_code == 303
    answer = browser.get(browser.consent(browser.get(first.headers["Location"]).headers["Location"]))
    assert answer.headers["Location"] == wanted
    assert browser.get(wanted).status_code == 200


def test_signed_in_people_stay_signed_in_when_the_host_is_killed(site: Site, simulator: Simulator) -> None:
    """SIGKILL in the middle of use, a new process on the same store: the same cookie serves."""
    first = site.start_host()
    browser = Browser(first.url)
    browser.sign_in("ada")
    assert browser.get("/dashboard").status_code == 200
    first.child.kill()
    site.start_host(port=first.port)
    assert browser.get("/dashboard").status_code == 200


def test_the_timer_refreshes_what_is_due_and_nothing_else(site: Site, simulator: Simulator) -> None:
    """Fifty minutes later the hint is found, the token is refreshed once, and the next run has nothing to do."""
    simulator.settings(reuse="strict")
    now = site.start_host()
    Browser(now.url).sign_in("ada")
    later = site.start_host(clock_offset=50 * 60)
    report = tick(later)
    assert report["refreshed"] >= 1
    assert report["failed"] == {}
    assert tick(later)["looked"] == 0
