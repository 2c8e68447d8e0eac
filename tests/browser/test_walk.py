"""The main job as a person does it in Chromium, under the Content Security Policy that people get."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.watch import Watch, history
from tools.screenshots.chromium import person_at
from tools.screenshots.scenes import ADA, press, sign_in
from tools.screenshots.stage import Stage

SPENT = re.compile(r"\b(code|state|error)=")


def follow(page: Page, link: str) -> None:
    page.get_by_role("link", name=link).first.click()


def stands_before(page: Page, headline: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(headline)


def test_a_person_clicks_from_the_home_page_to_every_list_and_out_again(stage: Stage, page: Page, watch: Watch) -> None:
    """Every step is a link or a button of the page before, and Chromium has nothing to complain about."""
    page.goto(stage.site)
    follow(page, "Sign in with")
    page.get_by_role("radio", name=ADA).check()
    press(page, "Accept")
    stands_before(page, "Your organizations")
    expect(page.get_by_role("banner")).to_contain_text(ADA)
    follow(page, "fabrikam")
    stands_before(page, "Projects in fabrikam")
    follow(page, "Work items of Payments Platform")
    newest = page.get_by_role("rowheader").all_inner_texts()
    follow(page, "Next page")
    expect(page.get_by_role("link", name="Previous page")).to_be_visible()
    older = page.get_by_role("rowheader").all_inner_texts()
    assert (len(newest), len(older)) == (20, 20)
    assert newest != older
    follow(page, "Builds")
    expect(page.get_by_role("table", name="Builds")).to_be_visible()
    follow(page, "Repositories")
    expect(page.get_by_role("table", name="Git repositories")).to_be_visible()
    press(page, "Sign out")
    stands_before(page, "You are signed out")
    assert [cookie["name"] for cookie in page.context.cookies()] == ["gatehouse-receipt"]
    assert watch.complaints == []


def test_a_person_ends_one_session_and_then_all_from_the_account(stage: Stage, page: Page, watch: Watch) -> None:
    """The other browser's button ends that one; the last button ends everything and leads to the receipt."""
    sign_in(page, stage, ADA)
    with person_at(page.context.browser) as elsewhere:
        other = elsewhere.new_page()
        sign_in(other, stage, ADA)
        follow(page, "Account")
        stands_before(page, "Your account")
        cards = page.get_by_role("listitem").filter(has=page.get_by_role("button", name="Sign out"))
        before = cards.count()
        expect(cards.first).to_contain_text("this browser")
        with page.expect_navigation():
            cards.nth(1).get_by_role("button").click()
        stands_before(page, "Your account")
        expect(cards).to_have_count(before - 1)
        other.goto(f"{stage.site}/account")
        stands_before(other, "Grant this application access?")
    press(page, "Sign out everywhere")
    stands_before(page, "You are signed out")
    assert page.url == f"{stage.site}/auth/receipt"
    assert watch.complaints == []


def test_a_sign_in_leaves_no_trace_of_the_callback(stage: Stage, page: Page, watch: Watch) -> None:
    """No code and no state in the address bar, the history or a Referer; no script could read the session cookie."""
    sign_in(page, stage, ADA)
    assert any(SPENT.search(request.url) for request in watch.sent_to(stage.site))
    assert page.url == f"{stage.site}/dashboard"
    assert [url for url in history(page) if url.startswith(stage.site)] == [f"{stage.site}/", page.url]
    follow(page, "fabrikam")
    stands_before(page, "Projects in fabrikam")
    referers = [request.all_headers().get("referer", "") for request in watch.sent_to(stage.site)]
    assert not [referer for referer in referers if SPENT.search(referer)]
    assert page.evaluate("document.cookie") == ""


def test_the_keyboard_alone_reaches_the_content_and_the_sign_in(stage: Stage, page: Page) -> None:
    """The first Tab shows the skip link, which leads past the header; the next one after it is the sign-in."""
    page.goto(stage.site)
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).not_to_be_in_viewport()
    page.keyboard.press("Tab")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Sign in with")).to_be_focused()
    page.keyboard.press("Enter")
    stands_before(page, "Grant this application access?")


def test_who_declines_is_told_so_and_can_start_again(stage: Stage, page: Page, watch: Watch) -> None:
    """No session begins, and nothing but the refusal is reported; the page offers another try, which works."""
    page.goto(stage.site)
    follow(page, "Sign in with")
    press(page, "Deny")
    stands_before(page, "Access was declined")
    assert not [cookie for cookie in page.context.cookies() if cookie["name"].endswith("session")]
    assert [complaint.partition("?")[0] for complaint in watch.complaints] == [f"{stage.site}/auth/callback"]
    follow(page, "Sign in")
    page.get_by_role("radio", name=ADA).check()
    press(page, "Accept")
    stands_before(page, "Your organizations")


def test_back_after_a_sign_out_shows_nothing_private(stage: Stage, page: Page) -> None:
    """Neither the back/forward cache nor the HTTP cache brings a list back: the browser is sent to sign in."""
    sign_in(page, stage, ADA)
    follow(page, "fabrikam")
    stands_before(page, "Projects in fabrikam")
    press(page, "Sign out")
    page.go_back(wait_until="commit")
    stands_before(page, "Grant this application access?")
    assert "Payments Platform" not in page.content()


def test_a_sign_out_clears_what_the_site_left_in_the_browser(stage: Stage, page: Page) -> None:
    """Clear-Site-Data works on a redirect: storage is empty, and of the cookies only the receipt's is left."""
    sign_in(page, stage, ADA)
    page.evaluate("localStorage.setItem('left', 'behind')")
    press(page, "Sign out")
    assert page.evaluate("localStorage.length") == 0
    assert [cookie["name"] for cookie in page.context.cookies()] == ["gatehouse-receipt"]


@pytest.mark.parametrize(
    "misdeed",
    [
        "document.body.append(Object.assign(document.createElement('script'), {textContent: '1'}))",
        "document.body.setAttribute('style', 'color: red')",
        "document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))",
        "setTimeout(() => { throw new Error('bug') })",
    ],
    ids=["script", "style", "image", "exception"],
)
def test_the_watch_hears_what_the_walk_must_not_cause(stage: Stage, page: Page, watch: Watch, misdeed: str) -> None:
    """A silent watch proves something: the policy refuses each of these, and the watch tells."""
    page.goto(stage.site)
    assert watch.complaints == []
    page.evaluate(misdeed)
    deadline = time.monotonic() + 10
    while not watch.complaints and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert watch.complaints
