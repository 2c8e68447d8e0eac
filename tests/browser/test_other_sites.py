"""What pages of other sites can do with ours in Chromium: nothing; and what our policy lets people do: everything."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from tests.acceptance.route_table import addresses
from tests.browser.elsewhere import Elsewhere, elsewhere
from tests.browser.hostile import keep_session
from tests.browser.watch import Watch
from tests.evidence import Report
from tests.raw_http import send
from tests.site import Browser, Host, Simulator
from tests.test_function_app import ROUTES
from tools.screenshots.scenes import ADA, press

BUTTONS = {"azure-devops": "Sign in with Azure DevOps", "entra": "Sign in with Microsoft"}
METHODS = ("GET", "POST", "PUT", "DELETE")
REACH = """async ([url, method]) => {
    const init = {method, mode: 'cors', credentials: 'include', headers: {'X-Own': '1'}};
    try { return 'read: ' + (await (await fetch(url, init)).text()).length; } catch (error) { return error.name; }
}"""
LOADED = """async url => {
    const image = new Image();
    const loaded = new Promise(done => { image.onload = () => done('loaded'); image.onerror = () => done('refused'); });
    image.src = url;
    return await loaded;
}"""


@pytest.fixture(scope="module")
def ada(host: Host) -> Browser:
    browser = Browser(host.url)
    browser.sign_in("ada")
    return browser


@pytest.fixture(scope="module")
def evil() -> Iterator[Elsewhere]:
    with elsewhere() as site:
        yield site


@pytest.fixture
def tab(started_browser: Chromium, host: Host, ada: Browser) -> Iterator[Page]:
    """A tab of Ada's, who is signed in at our site."""
    with started_browser.new_context() as context:
        keep_session(context, host, ada)
        yield context.new_page()


@pytest.mark.acceptance("C4")
@pytest.mark.parametrize("name", ROUTES)
def test_no_other_origin_may_read_an_answer(
    host: Host, ada: Browser, tab: Page, evil: Elsewhere, simulator: Simulator, evidence: Report, name: str
) -> None:
    """No preflight is granted, and a script of another origin gets nothing, not even of an asset."""
    path = addresses(ada)[name]
    for method in METHODS:
        asked = (f"Access-Control-Request-Method: {method}", "Access-Control-Request-Headers: x-own")
        reply = send(host.port, "OPTIONS", path, f"Origin: {evil.url}", *asked)
        assert reply.status in (404, 405)
        assert not [header for header, _ in reply.headers if header.startswith("access-control-")]
    evil.pages["/"] = "<!doctype html><title>Elsewhere</title>"
    tab.goto(evil.url)
    assert [tab.evaluate(REACH, [host.url + path, method]) for method in METHODS] == ["TypeError"] * len(METHODS)
    assert tab.evaluate(LOADED, host.url + path) == "refused"
    evidence(cases=len(METHODS))


@pytest.mark.acceptance("C4")
@pytest.mark.parametrize(
    ("element", "name"), [*(("iframe", name) for name in ROUTES), ("object", "home"), ("embed", "home")]
)
def test_no_other_site_may_frame_a_page(
    host: Host,
    ada: Browser,
    tab: Page,
    evil: Elsewhere,
    simulator: Simulator,
    evidence: Report,
    element: str,
    name: str,
) -> None:
    """Chromium shows its own error instead; a page that allows it is shown in the same place.

    A session cookie is not sent into a foreign frame, so a protected page goes on to the provider's own page there.
    """
    source = "data" if element == "object" else "src"
    evil.pages["/inside"] = "<!doctype html><title>x</title><h1>Inside</h1>"
    shown = {}
    for of, url in (("ours", host.url + addresses(ada)[name]), ("theirs", f"{evil.url}/inside")):
        evil.pages["/"] = f"<!doctype html><title>x</title><{element} {source}='{url}' type='text/html'></{element}>"
        tab.goto(evil.url, wait_until="load")
        frames = [frame for frame in tab.frames if frame != tab.main_frame]
        shown[of] = [frame.url for frame in frames if frame.url.startswith((host.url, evil.url))]
    assert shown == {"ours": [], "theirs": [f"{evil.url}/inside"]}
    evidence(cases=1)


@pytest.mark.acceptance("C4")
@pytest.mark.parametrize("provider", BUTTONS)
def test_a_person_signs_in_walks_and_signs_out_under_the_policy(
    host: Host, page: Page, watch: Watch, simulator: Simulator, evidence: Report, provider: str
) -> None:
    """By either button: every link, form and redirect works in Chromium, which reports no violation."""
    page.goto(host.url)
    page.get_by_role("link", name=BUTTONS[provider], exact=True).click()
    page.get_by_role("radio", name=ADA).check()
    press(page, "Accept")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your organizations")
    page.get_by_role("link", name="fabrikam", exact=True).click()
    for link in ("Work items of Payments Platform", "Builds", "Repositories"):
        page.get_by_role("link", name=link).first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Payments Platform")
        expect(page.get_by_role("table")).to_be_visible()
    press(page, "Sign out")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    # Cookies do not tell ports apart: the other ones are the simulator's.
    kept = [cookie["name"] for cookie in page.context.cookies(host.url) if cookie["name"].startswith("gatehouse")]
    assert kept == ["gatehouse-receipt"]
    assert watch.complaints == []
    evidence(cases=1)


@pytest.mark.acceptance("E4")
@pytest.mark.parametrize("path", ["/", "/dashboard", "/org/fabrikam/projects"])
def test_back_after_a_sign_out_shows_nothing_of_the_person(
    host: Host, page: Page, simulator: Simulator, evidence: Report, path: str
) -> None:
    """Neither from the back/forward cache nor from the HTTP cache."""
    ada = Browser(host.url)
    ada.sign_in("ada")
    keep_session(page.context, host, ada)
    page.goto(host.url + path)
    assert ADA in page.content()
    press(page, "Sign out")
    page.go_back(wait_until="load")
    shown = page.content()
    assert not [word for word in (ADA, "Payments Platform", "contoso-labs", "Sign out") if word in without_form(shown)]
    evidence(cases=1)


def without_form(content: str) -> str:
    """A page without the list of accounts that the simulator's sign-in offers to everybody."""
    return "" if "the simulator of Azure DevOps" in content or "the simulator of Microsoft" in content else content
