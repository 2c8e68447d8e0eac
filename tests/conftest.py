"""Shared by all tests: the acceptance plugin, a clean environment, and the parts that cannot be faked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from azure.data.tables import TableServiceClient
from hypothesis import HealthCheck, settings

from tests.site import Browser, Host, Simulator, Site, start_site
from tools import bootstrap
from tools.run import azurite as emulator
from tools.simulator import defaults

pytest_plugins = ["tests.evidence", "tests.chaos_cases", "tests.canary_summary"]

# How long an example takes says more about this machine's other work than about our code.
settings.register_profile("gatehouse", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gatehouse")

AXE = Path(".tools", "axe", "node_modules", "axe-core", "axe.min.js")

# Every name in the settings table of the design, and what the Functions host itself reads.
SETTINGS = (
    "PUBLIC_URL",
    "CALLBACK_URL",
    "AZURE_DEVOPS_APP_ID",
    "AZURE_DEVOPS_CLIENT_SECRET",
    "AZURE_DEVOPS_SCOPES",
    "AZURE_DEVOPS_SIGN_IN",
    "ENTRA_CLIENT_ID",
    "ENTRA_TENANT_ID",
    "ENTRA_CLIENT_SECRET",
    "ALLOWED_TENANTS",
    "ALLOWED_ORGANIZATIONS",
    "ALLOWED_HOSTS",
    "AZURE_CLIENT_ID",
    "KEY_VAULT_URL",
    "TOKEN_ENCRYPTION_KEY",
    "TOKEN_STORE_URL",
    "AzureWebJobsStorage",
    "SESSION_LIFETIME_HOURS",
    "SESSION_IDLE_HOURS",
    "SESSIONS_NOT_BEFORE",
    "REFRESH_SCHEDULE",
    "REFRESH_MARGIN_MINUTES",
    "REFRESH_CALLS_PER_SECOND",
    "APP_NAME",
    "SUPPORT_URL",
    "AZURE_DEVOPS_URL",
    "AZURE_DEVOPS_IDENTITY_URL",
    "ENTRA_AUTHORITY_URL",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's shell reaches a test, nor the processes that it starts."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of an Azurite in memory, one per pytest worker; rows of other tests are in it."""
    if not emulator.installed():
        part_is_missing("Azurite", "python3 tools/bootstrap.py azurite")
    started = emulator.start_azurite(tmp_path_factory.mktemp("azurite") / "azurite.log")
    emulator.create_tables(started.connection_string)
    yield started.connection_string
    started.child.stop()


@pytest.fixture(scope="module")
def site(azurite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A simulator beside an empty store, without a host yet; tests of one module share it.

    Rows of other modules hold tokens of simulators that are gone: the timer would stumble over them.
    """
    empty_tables(azurite)
    started = start_site(tmp_path_factory.mktemp("site"), azurite)
    yield started
    started.stop()


@pytest.fixture
def simulator(site: Site) -> Simulator:
    """The simulator as after its start: no faults, no calls, default settings, but every redirect URI kept."""
    site.simulator.faults()
    site.simulator.settings(
        reuse="nonrotating",
        revoke=False,
        api_latency=0,
        token_latency=0,
        token_lifetime=3600,
        code_lifetime=60,
        clock_offset=0,
        client_secrets=[defaults.CLIENT_SECRET],
        deny_style="access_denied",
        auto_consent=None,
        entra_multi_tenant=True,
        entra_client_secrets=[defaults.ENTRA_CLIENT_SECRET],
        entra_expired_secrets=[],
        entra_federated=[],
        entra_withheld_scopes=[],
        entra_code_lifetime=600,
        id_token_mutation=None,
        claims_challenge={},
    )
    site.simulator.clear_calls()
    return site.simulator


@pytest.fixture(scope="module")
def host(site: Site) -> Host:
    """One host of the site, shared by the tests of a module."""
    return site.start_host()


@pytest.fixture
def browser(host: Host) -> Browser:
    """A fresh browser at that host."""
    return Browser(host.url)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser to drive, for Playwright's `executable_path`."""
    found = bootstrap.find_chromium()
    return found or part_is_missing("Chromium", "apt-get install chromium, or set GATEHOUSE_CHROMIUM")


@pytest.fixture(scope="session")
def axe_script(pytestconfig: pytest.Config) -> Path:
    """axe-core, for `page.add_script_tag(path=…)`."""
    script = pytestconfig.rootpath / AXE
    return script if script.exists() else part_is_missing("axe-core", "python3 tools/bootstrap.py axe")


def empty_tables(storage: str) -> None:
    """Drop every row; the emulator takes the name of a dropped table again at once, Azure would not."""
    with TableServiceClient.from_connection_string(storage) as service:
        for name in emulator.TABLES:
            service.delete_table(name)
    emulator.create_tables(storage)


def part_is_missing(part: str, install: str) -> NoReturn:
    """Skip on a developer's machine; fail where CI is set, so that nothing is left out unseen."""
    message = f"{part} is missing; install it: {install}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
