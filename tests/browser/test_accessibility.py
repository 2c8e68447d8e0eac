"""Every page in every look: axe-core finds nothing, and nothing is wider than the window."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tools.screenshots.chromium import LOOKS, Look, person_at
from tools.screenshots.scenes import SCENES, Scene, sign_in
from tools.screenshots.stage import Stage

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice", "experimental"]
RUN = "tags => axe.run({runOnly: {type: 'tag', values: tags}, resultTypes: ['violations', 'incomplete']})"
RULES = "tags => axe.getRules(tags).filter(rule => !rule.tags.includes('deprecated')).map(rule => rule.ruleId)"
OUTCOMES = ("violations", "passes", "incomplete", "inapplicable")
NARROWEST = 320
"""WCAG 2.2, 1.4.10 Reflow: CSS pixels without a scroll bar in two dimensions."""


@pytest.fixture(scope="session")
def axe(axe_script: Path) -> str:
    return axe_script.read_text("utf-8")


@pytest.fixture(scope="module")
def sessions(started_browser: Browser, stage: Stage) -> dict[str | None, list[Any]]:
    """The cookies of each person of the scenes, signed in once."""
    cookies: dict[str | None, list[Any]] = {None: []}
    for person in {scene.person for scene in SCENES if scene.person}:
        with person_at(started_browser) as context:
            sign_in(context.new_page(), stage, person)
            cookies[person] = context.cookies()
    return cookies


def judged(page: Page) -> dict[str, Any]:
    return page.evaluate(RUN, TAGS)


def findings(result: dict[str, Any]) -> list[str]:
    """Every violation, and every contrast that axe could not measure."""
    found = [*result["violations"], *(rule for rule in result["incomplete"] if rule["id"] == "color-contrast")]
    nodes = [(rule["id"], node) for rule in found for node in rule["nodes"] if not is_a_lone_symbol(node)]
    return [f"{rule}: {node['html']} {node['failureSummary']}" for rule, node in nodes]


def is_a_lone_symbol(node: dict[str, Any]) -> bool:
    """Whether axe gives up because the text is one character like ✓; `test_style.py` measures those colours."""
    return [check["data"].get("messageKey") for check in node["any"] if isinstance(check["data"], dict)] == ["nonBmp"]


def overflow(page: Page) -> int:
    """By how many pixels the page can be scrolled sideways."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_page_is_accessible_and_fits_the_window(
    stage: Stage, page: Page, sessions: dict[str | None, list[Any]], axe: str, scene: Scene
) -> None:
    """In light, dark and narrow, by all rules up to WCAG 2.2 AA, best practices and experiments among them."""
    if not scene.presses:  # those may end the session
        page.context.add_cookies(sessions[scene.person])
    scene.show(page, stage)
    # Evaluated by the debugger: the page's own policy stays in force, and would refuse a script tag.
    page.evaluate(axe)
    for look in LOOKS:
        look.put_on(page)
        assert findings(judged(page)) == [], look.name
        assert overflow(page) == 0, look.name
    Look("narrowest", "light", NARROWEST).put_on(page)
    assert overflow(page) == 0


def test_no_rule_is_left_out(stage: Stage, page: Page, axe: str) -> None:
    """Each rule of these tags has an outcome, also those that axe runs only when asked; a bad page has violations."""
    page.goto(stage.site)
    page.evaluate(axe)
    result = judged(page)
    ran = {rule["id"] for outcome in OUTCOMES for rule in result[outcome]}
    assert ran == set(page.evaluate(RULES, TAGS))
    assert "target-size" in ran
    page.evaluate("document.querySelector('main').innerHTML = '<h1>High</h1><h4>Deep</h4><img>'")
    assert {"image-alt", "heading-order"} <= {found["id"] for found in judged(page)["violations"]}
