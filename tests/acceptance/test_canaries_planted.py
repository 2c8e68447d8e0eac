"""A leak is found wherever it is: each is planted in a running site, and the watch names kind and place, not the value.

Without this, no finding in all other modules would say nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from azure.data.tables import TableServiceClient

from tests import canary_watch
from tests.acceptance.signing_in import stored, under_way
from tests.canary_watch import Watch
from tests.conftest import empty_tables
from tests.site import KEY, Browser, Host, Site, start_site
from tools.run import processes
from tools.simulator import defaults

COMPOSITIONS = ("debug", "info", "error", "header")


@pytest.fixture(scope="module")
def leaky(azurite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that nobody looks through at its end: it has leaks."""
    empty_tables(azurite)
    started = start_site(tmp_path_factory.mktemp("leaky"), azurite)
    yield started
    processes.stop_all([host.child for host in started.hosts] + [started.simulator.child])


@pytest.fixture(scope="module")
def hosts(leaky: Site) -> dict[str, Host]:
    started = [leaky.launch_host(services=f"tests.acceptance.leaking:{name}") for name in COMPOSITIONS]
    started += [leaky.launch_host(APP_NAME=KEY), leaky.launch_host()]
    for host in started:
        processes.wait_listening(host.child)
    return dict(zip([*COMPOSITIONS, "page", "well"], started, strict=True))


def found(site: Site) -> set[str]:
    return {str(hit) for hit in Watch(site).hits()}


def visited(host: Host) -> Browser:
    browser = Browser(host.url)
    browser.sign_in("ada")
    browser.get("/account")
    return browser


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("debug", "refresh token (plain) in debug log of {host}"),
        ("info", "refresh token (in base64) in output of {host}"),
        ("header", "client secret (plain) in x-powered-by of answers below /account"),
        ("page", "encryption key (plain) in body of answers below /account"),
    ],
)
def test_what_a_host_lets_slip_is_found(leaky: Site, hosts: dict[str, Host], name: str, finding: str) -> None:
    visited(hosts[name])
    assert finding.format(host=hosts[name].child.name) in found(leaky)


def test_a_token_in_the_text_of_an_exception_is_found_where_it_is_logged(leaky: Site, hosts: dict[str, Host]) -> None:
    """The text is for the log alone, and must hold no secret."""
    browser = visited(hosts["well"])
    assert Browser(hosts["error"].url, browser.http).get("/account").status_code == 503
    assert f"refresh token (plain) in output of {hosts['error'].child.name}" in found(leaky)


def in_a_row(site: Site, browser: Browser) -> None:
    row = {"PartitionKey": browser.session_cookie[:32], "RowKey": "connection", "note": browser.session_cookie[32:]}
    with TableServiceClient.from_connection_string(site.storage) as service:
        service.get_table_client("connections").update_entity(row)


def in_a_target(site: Site, browser: Browser) -> None:
    site.simulator.http.get(f"{site.simulator.url}/fabrikam?with={token(site, browser)}", timeout=10)


def in_a_referer(site: Site, browser: Browser) -> None:
    callback = under_way(Browser(browser.base)).url
    site.simulator.http.get(f"{site.simulator.url}/fabrikam", headers={"Referer": callback}, timeout=10)


def in_a_redirect(site: Site, browser: Browser) -> None:
    """As a page that wants to come back with more than it should."""
    assert browser.csrf() in browser.sign_in("ada", return_to=f"/dashboard%3Fcsrf={browser.csrf()}").headers["Location"]


def token(site: Site, browser: Browser) -> str:
    connection = stored(site.storage, browser).connection
    assert connection
    return connection.access_token


@pytest.mark.parametrize(
    ("plant", "finding"),
    [
        (in_a_row, "session (plain) in rows of connections: note"),
        (in_a_target, "access token (plain) in target of calls to another endpoint"),
        (in_a_referer, "authorization code (plain) in referer of calls to another endpoint"),
        (in_a_redirect, "CSRF token (plain) in location of answers below /auth/callback"),
    ],
)
def test_a_secret_that_stands_elsewhere_is_found(
    leaky: Site, hosts: dict[str, Host], plant: Callable[[Site, Browser], None], finding: str
) -> None:
    browser = visited(hosts["well"])
    assert finding not in found(leaky)
    plant(leaky, browser)
    assert finding in found(leaky)


def test_a_leak_fails_the_module_of_its_site(
    azurite: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name of kind and place, once all processes are stopped."""
    monkeypatch.setattr(canary_watch, "looked", Counter())
    site = start_site(tmp_path_factory.mktemp("failing"), azurite)
    host = site.start_host(APP_NAME=defaults.ENTRA_CLIENT_SECRET)
    Browser(host.url).get("/")
    with pytest.raises(AssertionError, match=r"client secret .* in body of answers below /"):
        site.stop()
    assert not host.child.alive
    assert not site.simulator.child.alive
    assert canary_watch.looked["hits"] >= 1
