"""Headless Chromium on the stage of `tools.screenshots`: one browser for the session, one context per test."""

import pytest

from tests.browser.watch import Watch
from tools.screenshots.chromium import launched, person_at
from tools.screenshots.stage import staged


@pytest.fixture(scope="module")
def stage(azurite, tmp_path_factory):
    with staged(tmp_path_factory.mktemp("stage"), azurite) as started:
        yield started


@pytest.fixture(scope="module")
def started_browser(chromium):
    with launched(chromium) as browser:
        yield browser


@pytest.fixture
def page(started_browser):
    """A tab of somebody who was never here."""
    with person_at(started_browser) as context:
        yield context.new_page()


@pytest.fixture
def watch(page):
    """What this tab does and what its browser says about it."""
    watch = Watch()
    watch.follow(page)
    return watch
