"""ALLOWED_ORGANIZATIONS: the others are hidden, and answered like what does not exist."""

import pytest

from tests.html_page import Page
from tests.site import Browser, Host, Simulator, Site

VIEWS = ("projects", "project/Payments%20Platform/workitems", "project/Payments%20Platform/builds",
         "project/Payments%20Platform/repos")  # fmt: skip


@pytest.fixture(scope="module")
def limited(site: Site) -> Host:
    """A site for one organization, in other letters than Azure DevOps spells it."""
    return site.start_host(ALLOWED_ORGANIZATIONS="FABRIKAM")


@pytest.fixture
def inside(simulator: Simulator, limited: Host) -> Browser:
    """Ada, who is in two organizations by a legacy sign-in."""
    browser = Browser(limited.url)
    browser.sign_in("ada")
    return browser


def test_only_the_allowed_ones_are_listed(inside: Browser) -> None:
    assert [it["name"] for it in inside.api("/dashboard").json()["items"]] == ["fabrikam"]
    assert "contoso" not in inside.get("/dashboard").text


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_another_one_is_a_404_without_a_call(
    simulator: Simulator, limited: Host, inside: Browser, view: str
) -> None:
    """It reads like any organization that is not there, and Azure DevOps is not even asked."""
    simulator.clear_calls()
    answer = inside.get(f"/org/contoso-labs/{view}")
    assert (answer.status_code, Page(answer.text).heading) == (404, "Azure DevOps knows nothing by this name")
    assert simulator.calls("/_apis/") == []
    assert limited.events("denied")[-1]["reason"] == "organization_not_allowed"
    assert inside.get(f"/org/fabrikam/{view}").status_code == 200
