"""Headless Chromium on the stage of `tools.screenshots`: one browser for each module, one context per test."""

import pytest

from tests.acceptance.signing_in import tokens_bought_elsewhere
from tests.browser.upstream import Upstream
from tests.browser.watch import Watch
from tests.conftest import empty_tables
from tools.screenshots.chromium import launched, person_at
from tools.screenshots.stage import staged


@pytest.fixture(scope="module")
def stage(azurite, tmp_path_factory):
    empty_tables(azurite)  # rows of other modules are sealed with keys that the stage does not have
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


@pytest.fixture(scope="module")
def token(site, host):
    """An access token of Ada's that the application does not know."""
    return tokens_bought_elsewhere(site.simulator, host)["access_token"]


@pytest.fixture
def upstream(simulator, token):
    """Azure DevOps, to be filled with the words of a test."""
    return Upstream(simulator, token)
