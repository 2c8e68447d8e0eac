"""A link from data leads to Azure DevOps, or it is no link."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page

from tests.browser.hostile import keep_session
from tests.browser.misled import INSIDE, OUTSIDE
from tests.browser.upstream import VIEWS, Upstream
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site

ENTRIES = "main tbody tr, main li.card"
_LINKS = """entries => entries.map(entry => [...entry.querySelectorAll('a')]
    .filter(link => link.origin !== location.origin)
    .map(link => [link.getAttribute('href'), link.rel, link.target]))"""
NAMES = {"organizations": {}, "projects": {"name": "project-{n}"}, "repositories": {"name": "repository-{n:02}"}}
"""What entries are called, so that the misled client knows which address is whose."""


@pytest.fixture(scope="module")
def misled(site: Site) -> Host:
    return site.start_host(services="tests.browser.misled:build_services")


@pytest.fixture
def tab(started_browser: Chromium, misled: Host) -> Iterator[Page]:
    ada = Browser(misled.url)
    ada.sign_in("ada")
    with started_browser.new_context() as context:
        keep_session(context, misled, ada)
        yield context.new_page()


def links_out(page: Page) -> list[list[Any]]:
    """Of each entry the links that leave this site: address, rel and target."""
    return page.eval_on_selector_all(ENTRIES, _LINKS)


@pytest.mark.acceptance("E2")
@pytest.mark.parametrize("view", ["organizations", "projects", "work items", "repositories"])
def test_only_addresses_of_azure_devops_become_links(
    tab: Page, misled: Host, upstream: Upstream, simulator: Simulator, evidence: Report, view: str
) -> None:
    """Everything else stays plain text, and each link says noopener and noreferrer."""
    addresses = [*OUTSIDE, *(address.replace("{devops}", simulator.url) for address in INSIDE)]
    upstream.fill(view, ["plain words"] * len(addresses), **NAMES.get(view, {}))
    assert tab.goto(misled.url + VIEWS[view][0]).status == 200
    found = links_out(tab)
    if view == "organizations":  # listed by name
        order = sorted(range(len(addresses)), key=lambda number: f"organization-{number}")
        found = [found[order.index(number)] for number in range(len(addresses))]
    outside, inside = found[: len(OUTSIDE)], found[len(OUTSIDE) :]
    assert [address for address, links in zip(OUTSIDE, outside, strict=True) if links] == []
    assert inside == [[[address, "noopener noreferrer", ""]] for address in addresses[len(OUTSIDE) :]]
    evidence(cases=len(addresses))


@pytest.mark.acceptance("E2")
@pytest.mark.parametrize("view", VIEWS)
def test_no_address_in_an_answer_is_ever_followed(
    started_browser: Chromium,
    host: Host,
    upstream: Upstream,
    simulator: Simulator,
    evidence: Report,
    view: str,
) -> None:
    """Whatever url, remoteUrl, webUrl or _links say, links are made from our configuration and lead to its origin."""
    ada = Browser(host.url)
    ada.sign_in("ada")
    upstream.fill(view, OUTSIDE)
    with started_browser.new_context() as context:
        keep_session(context, host, ada)
        page = context.new_page()
        assert page.goto(host.url + VIEWS[view][0]).status == 200
        found = links_out(page)
    assert len(found) == len(OUTSIDE)
    for links in found:
        assert len(links) == 1
        address, rel, target = links[0]
        assert address.startswith(f"{simulator.url}/")
        assert (rel, target) == ("noopener noreferrer", "")
    evidence(cases=len(found))


@pytest.mark.acceptance("E2")
def test_the_loopback_origin_is_allowed_only_where_it_is_configured(
    site: Site, misled: Host, simulator: Simulator, evidence: Report
) -> None:
    """With the real AZURE_DEVOPS_URL the simulator's address is one like any other on this machine: no link."""
    real = "https://dev.azure.com"
    elsewhere = site.start_host(AZURE_DEVOPS_URL=real)
    ada = Browser(elsewhere.url)
    ada.sign_in("ada")
    page = ada.get("/dashboard").text
    assert f'href="{real}/fabrikam"' in page
    assert simulator.url not in page
    evidence(cases=1)
