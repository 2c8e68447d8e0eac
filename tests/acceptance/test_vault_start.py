"""Processes that start without their secrets: they live, say so, let nobody in, and recover by themselves (K1)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import requests

from tests.conftest import empty_tables
from tests.local_vault import ENCRYPTION_KEY, ENTRA_SECRET, LEGACY_SECRET, LocalVault, start_vault
from tests.site import Browser, Host, start_site
from tests.vault_fleet import Fleet
from tools.chaos.clock import MovableClock
from tools.chaos.volley import Shot, volley
from tools.vault.protocol import CHALLENGE

PROJECT = "/org/contoso-labs/project/Lighthouse"
PROTECTED = [
    "/dashboard",
    "/org/contoso-labs/projects",
    *(f"{PROJECT}/{view}" for view in ("workitems", "builds", "repos")),
]
WITHIN = 30.0
FAULTS = {
    "401": {"status": 401, "json": {"error": {"code": "Unauthorized"}}, "headers": {"WWW-Authenticate": CHALLENGE}},
    "403": {"status": 403, "json": {"error": {"code": "Forbidden", "innererror": {"code": "ForbiddenByRbac"}}}},
    "404": {"status": 404, "json": {"error": {"code": "SecretNotFound"}}},
    "timeout": {"delay": 20},
    "empty": {"json": {"value": "", "id": "https://v/secrets/s/1", "attributes": {}}, "status": 200},
    "short": {"json": {"value": "11" * 31, "id": "https://v/secrets/s/1", "attributes": {}}, "status": 200},
}
REASONS = {"401": "unauthenticated", "403": "ForbiddenByRbac", "timeout": "unreachable"}
REASONS |= {"404": "404", "empty": "malformed", "short": "malformed"}


@dataclass
class Started:
    """One process per fault, all in trouble at the same time, and somebody who signed in where all was well."""

    fleet: Fleet
    well: Host
    person: Browser
    mended_at: float = 0.0

    def mend(self) -> None:
        """The end of all faults, once."""
        if not self.mended_at:
            self.fleet.vault.faults()
            self.mended_at = time.monotonic()


@pytest.fixture(scope="module")
def started(azurite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    empty_tables(azurite)
    folder = tmp_path_factory.mktemp("start")
    vault = start_vault(folder)
    site = start_site(folder, azurite)
    site.simulator.settings(people_count=1000)
    fleet = Fleet(site, vault, MovableClock(folder / "clock"))
    (well,) = fleet.launch("well")
    person = fleet.person_at(well)
    vault.faults(
        *({"name": name, "match": {"path": "^/secrets", "user": name}, "action": FAULTS[name]} for name in FAULTS)
    )
    volley(Shot(f"{host.url}/readyz") for host in fleet.launch(*FAULTS))
    yield Started(fleet, well, person)
    site.stop()
    vault.child.stop()


def eventually(look: Callable[[], bool], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if look():
            return True
        time.sleep(0.2)
    return False


def get(host: Host, path: str, **options: object) -> requests.Response:
    return Browser(host.url).get(path, **options)


@pytest.mark.acceptance("K1")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_process_without_its_secrets_lives_says_so_and_lets_nobody_in(started: Started, fault: str, evidence) -> None:
    """Alive, not ready; protected pages send strangers to sign in and tell people to wait, the cookie stays."""
    host = started.fleet.hosts[fault]
    assert get(host, "/healthz").status_code == 200
    ready = get(host, "/readyz")
    assert (ready.status_code, ready.json()["vault"]) == (503, "failing")
    for path in PROTECTED:
        assert get(host, path).headers["Location"].startswith("/auth/login?return_to=")
        assert get(host, path, headers={"Accept": "application/json"}).status_code == 401
        page = Browser(host.url, started.person.http).get(path)
        assert (page.status_code, "Set-Cookie" in page.headers) == (503, False)
        assert int(page.headers["Retry-After"]) >= 1
    assert Browser(host.url, started.person.http).get("/auth/logout").status_code == 503
    assert get(host, "/auth/login/azure-devops").status_code == 503
    told = [event for event in host.events("vault_stale") if event["secret"] == ENCRYPTION_KEY]
    assert told[0]["reason"] == REASONS[fault]
    rules = started.fleet.vault.http.get(f"{started.fleet.vault.url}/_sim/faults", timeout=10).json()["rules"]
    injected = next(rule["injected"] for rule in rules if rule["name"] == fault)
    assert injected >= 1
    evidence(faults=injected, processes=[host.child.pid])


@pytest.mark.acceptance("K1")
@pytest.mark.parametrize("fault", FAULTS)
def test_it_recovers_within_half_a_minute_without_a_restart(started: Started, fault: str, evidence) -> None:
    """The same process, asked by nobody but a probe."""
    host = started.fleet.hosts[fault]
    started.mend()
    left = WITHIN - (time.monotonic() - started.mended_at)
    assert eventually(lambda: get(host, "/readyz").status_code == 200, max(left, 1))
    for path in PROTECTED:
        assert Browser(host.url, started.person.http).get(path).status_code == 200
    assert started.fleet.person_at(host).get("/dashboard").status_code == 200
    assert host.child.alive
    evidence(cases=1, processes=[host.child.pid])


@pytest.mark.acceptance("K1")
def test_a_missing_secret_of_entra_is_no_trouble(started: Started, evidence) -> None:
    """The managed identity is the credential then: ready, told to nobody, asked for no more than the others."""
    started.mend()
    vault: LocalVault = started.fleet.vault
    vault.delete(ENTRA_SECRET)
    before = vault.last()
    (host,) = started.fleet.launch("federated")
    assert get(host, "/readyz").json()["vault"] == "ok"
    assert started.fleet.person_at(host).get("/dashboard").status_code == 200
    assert host.events("vault_stale") == []
    reads = started.fleet.reads(before, "federated")
    assert reads == {("federated", name): 1 for name in (ENCRYPTION_KEY, LEGACY_SECRET, ENTRA_SECRET)}
    vault.recover(ENTRA_SECRET)
    evidence(processes=[host.child.pid])
