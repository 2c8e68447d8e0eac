"""Text of others is text: whatever stands in a field of Azure DevOps or in an address, Chromium sees words.

The policy is switched off for these tabs, so that escaping alone is judged: under it no script would run anyway.
"""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page

from tests.browser.hostile import ACT, TEXTS, Witness, keep_session
from tests.browser.upstream import PROJECT, VIEWS, Upstream
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site

HARMLESS = str.maketrans(dict.fromkeys("<>\"'`&\u202e\u202c＜＞/\\", "."))


@pytest.fixture(scope="module")
def ada(host: Host) -> Browser:
    browser = Browser(host.url)
    browser.sign_in("ada")
    return browser


@pytest.fixture
def witness(started_browser: Chromium, host: Host, ada: Browser) -> Iterator[Witness]:
    """A tab of Ada's without the policy."""
    with started_browser.new_context(bypass_csp=True) as context:
        keep_session(context, host, ada)
        yield Witness(context.new_page(), host.url)


@pytest.fixture
def some(pytestconfig: pytest.Config) -> tuple[str, ...]:
    """All texts with --full; else every sixth, where each costs a page or a sign-in of its own."""
    return TEXTS if pytestconfig.getoption("full") else TEXTS[::6]


def shown(page: Page) -> str:
    """All text of the page, runs of blanks as one."""
    return " ".join(page.evaluate("document.body.textContent").split())


@pytest.mark.acceptance("E1")
@pytest.mark.parametrize("view", VIEWS)
def test_a_text_in_every_field_of_every_entry_adds_nothing(
    witness: Witness, host: Host, upstream: Upstream, simulator: Simulator, evidence: Report, view: str
) -> None:
    """No script, no element and no attribute more than with harmless words, and each text is there to read."""
    address = host.url + VIEWS[view][0]
    upstream.fill(view, [text.translate(HARMLESS) for text in TEXTS])
    witness.page.goto(address)
    harmless = witness.structure()
    upstream.fill(view, TEXTS)
    assert witness.page.goto(address).status == 200
    assert simulator.injected() >= 1
    assert witness.ran() == []
    assert witness.structure() == harmless
    assert witness.strangers == []
    if view != "organizations":  # of those only the name is shown, and it has a rule of its own
        missing = [text for text in TEXTS if " ".join(text.split()) not in shown(witness.page)]
        assert missing == []
    assert len(witness.page.query_selector_all("main tbody tr, main li.card")) == len(TEXTS)
    evidence(cases=len(TEXTS))


@pytest.mark.acceptance("E1")
def test_a_person_may_have_any_name(
    started_browser: Chromium, host: Host, simulator: Simulator, evidence: Report, some: tuple[str, ...]
) -> None:
    """The name stands in text and in an attribute of every page; read from the profile at the sign-in."""
    structures = set()
    for name in some:
        person = {"id": "8b1f0a5e-0000-4000-8000-00000000e001", "displayName": name, "emailAddress": name}
        profile = {"match": {"path": "/profiles/me"}, "action": {"status": 200, "json": person}}
        simulator.faults(profile)
        browser = Browser(host.url)
        assert browser.sign_in("ada").status_code == 303
        with started_browser.new_context(bypass_csp=True) as context:
            keep_session(context, host, browser)
            witness = Witness(context.new_page(), host.url)
            witness.page.goto(host.url)
            assert witness.ran() == []
            assert " ".join(name.split()) in shown(witness.page)
            structures.add("\n".join(witness.structure()))
            assert witness.strangers == []
        evidence(cases=1)
    assert len(structures) == 1


PARSED = """pages => pages.map(shapes => shapes.map(shape =>
    [...new DOMParser().parseFromString('<!doctype html>' + shape, 'text/html').querySelectorAll('*')]
        .map(element => element.localName + ' ' + element.getAttributeNames().sort())))"""
"""Scripting is off in such a document, as in the strictest reader of ours."""

ADDRESSES = {
    "a refusal of the provider": "/auth/callback?error={0}&error_description=AADSTS65004%3A+{0}&state={0}",
    "an unknown provider": "/auth/login/{0}",
    "an organization": "/org/{0}/projects",
    "a number of entries": PROJECT + "/workitems?top={0}",
    "a way on": PROJECT + "/builds?continuation={0}",
    "a parameter": PROJECT + "/repos?{0}=1",
}


@pytest.mark.acceptance("E1")
@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_adds_nothing_to_an_error_page(
    witness: Witness, host: Host, simulator: Simulator, evidence: Report, some: tuple[str, ...], address: str
) -> None:
    """The page is that of a harmless word that is as wrong."""

    def visit(word: str) -> tuple[int, list[str]]:
        answer = witness.page.goto(host.url + address.format(quote(word, safe="")))
        return answer.status, witness.structure()

    harmless = visit(TEXTS[0].translate(HARMLESS))
    assert harmless[0] >= 400
    for text in some:
        assert visit(text) == harmless, text
        assert witness.ran() == []
        assert witness.strangers == []
        evidence(cases=1)


@pytest.mark.acceptance("E1")
def test_a_sign_in_with_a_hostile_way_back_ends_on_a_harmless_page(
    witness: Witness, host: Host, simulator: Simulator, evidence: Report
) -> None:
    """`return_to` travels sealed, and leads to a page of this site that shows nothing of it."""
    simulator.settings(auto_consent="ada")
    for text in TEXTS[::6]:
        witness.page.goto(f"{host.url}/auth/login/azure-devops?return_to=/{quote(text, safe='')}")
        assert witness.page.url.startswith(f"{host.url}/")
        assert witness.ran() == []
        assert not [line for line in witness.structure() if line.split()[0] in ("script", "iframe", "object", "style")]
        assert [url for url in witness.strangers if not url.startswith(simulator.url)] == []
        evidence(cases=1)


@pytest.mark.acceptance("E1")
def test_the_name_of_the_site_and_its_help_address_are_text_too(
    site: Site, started_browser: Chromium, simulator: Simulator, evidence: Report
) -> None:
    """APP_NAME and SUPPORT_URL come from whoever sets the site up; a slip of theirs is no hole."""
    name = f'"><svg onload={ACT}></title><script>{ACT}</script>'
    structures = []
    for app_name, path in (("Gate", "plain"), (name, name.replace(" ", "/"))):
        host = site.start_host(APP_NAME=app_name, SUPPORT_URL=f"https://help.example/{path}")
        with started_browser.new_context(bypass_csp=True) as context:
            witness = Witness(context.new_page(), host.url)
            for address in ("/", "/nowhere"):
                witness.page.goto(host.url + address)
                assert witness.ran() == []
                assert app_name in witness.page.title()
                assert "Help and contact" in witness.page.content()
                structures.append(witness.structure())
            assert witness.strangers == []
        evidence(cases=2)
        host.child.stop()
    assert structures[:2] == structures[2:]


CONTEXTS = {
    "text": "<p>{0}</p>",
    "attribute": '<p title="{0}">x</p>',
    "plain attribute": "<p title='{0}'>x</p>",
    "address": '<a href="{0}">x</a>',
    "title": "<title>{0}</title>",
}


def test_each_text_would_be_noticed_where_it_is_not_escaped(started_browser: Chromium) -> None:
    """No dud among them: raw in one of the usual places each changes the structure of a page."""
    raw = [[shape.format(word) for shape in CONTEXTS.values()] for word in ("harmless", *TEXTS)]
    with started_browser.new_context() as context:
        harmless, *parsed = context.new_page().evaluate(PARSED, raw)
    assert [text for text, found in zip(TEXTS, parsed, strict=True) if found == harmless] == []
