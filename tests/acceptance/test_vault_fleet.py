"""Eight processes whose vault goes away, throttles, hangs, loses secrets or has them replaced, under load (K2–K5)."""

import time
from collections import Counter
from datetime import datetime, timedelta

import pytest

from shared.sealing import id_of
from tests.local_vault import ENCRYPTION_KEY, ENTRA_SECRET, LEGACY_SECRET, NAMES, LocalVault
from tests.site import Browser, Simulator, Site, tick
from tests.vault_fleet import FRESH, Fleet, pages, statuses
from tools.chaos.clock import MovableClock
from tools.chaos.volley import Reply, Shot, volley
from tools.simulator import defaults

EIGHT = [f"host-{number}" for number in range(8)]
CONTOSO = "ad042582-5ea9-523f-9c66-68357cc12acc"
"""Tenant of the many people."""
VAULT_CALLS = {"path": "^/secrets"}
DUE_SOON = 3600 - 4 * 60
"""After so many seconds a token of an hour is due for a request, and still serves."""


@pytest.fixture(scope="module")
def running(site: Site, vault: LocalVault, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    site.simulator.settings(people_count=1000)
    fleet = Fleet(site, vault, MovableClock(tmp_path_factory.mktemp("clock") / "clock"))
    fleet.launch(*EIGHT, ALLOWED_TENANTS=CONTOSO)
    return fleet


@pytest.fixture
def fleet(running: Fleet, simulator: Simulator) -> Fleet:
    """All well again, and every process knows the secrets of now."""
    simulator.settings(clock_offset=running.clock.ahead.total_seconds())
    running.vault.well()
    running.jump(FRESH)
    warm = volley(Shot(f"{host.url}/auth/login/{way}") for host in running.hosts.values() for way in PROVIDERS)
    assert statuses(warm) == {303}
    running.vault.settle()
    return running


PROVIDERS = ("azure-devops", "entra")


def slowest(replies: list[Reply]) -> float:
    return max(reply.seconds for reply in replies)


@pytest.mark.acceptance("K2")
def test_nobody_notices_that_the_vault_is_gone_for_two_hours_and_then_read_only(fleet: Fleet, evidence) -> None:
    """Pages, refreshes, sign-ins and sign-outs go on; nobody waits for the vault, readiness and an event tell it."""
    vault, people = fleet.vault, fleet.people()
    usual = slowest(pages(people))
    first, second = list(fleet.hosts.values())[:2]
    replies: list[Reply] = []
    vault.faults({"match": VAULT_CALLS, "action": {"drop": True}})
    for step in range(24):
        fleet.jump(FRESH)
        replies += pages(people)
        if step % 8 == 0:
            passing = fleet.person_at(first, PROVIDERS[step // 8 % 2])
            assert passing.sign_out().status_code == 200
    gone = vault.injected()
    assert Browser(second.url).get("/readyz").json()["vault"] == "failing"
    assert len(fleet.events("vault_stale")) >= 8
    assert len(fleet.events("refreshed")) >= 2 * len(people), "two hours are two lives of a token"
    vault.faults()
    vault.settings(read_only=True)
    for _ in range(3):
        fleet.jump(FRESH)
        replies += pages(people)
    assert Browser(first.url).get("/readyz").json()["vault"] == "ok"
    assert statuses(replies) == {200}
    assert slowest(replies) - usual < 2
    assert gone >= 24
    evidence(cases=len(replies), faults=gone, processes=fleet.pids)


@pytest.mark.acceptance("K3")
@pytest.mark.parametrize("retry_after", ["", "30", "86400", "9" * 400], ids=["none", "30", "a-day", "absurd"])
def test_a_throttled_vault_blocks_nobody_who_has_the_secret(fleet: Fleet, retry_after: str, evidence) -> None:
    """A minute of 429: 12 at once in every process, all served at once; Retry-After is kept, so few calls are made."""
    people = fleet.people()
    usual = slowest(pages(people * 12))
    fleet.vault.settings(throttled=True, retry_after=retry_after)
    fleet.jump(FRESH)
    before = fleet.vault.last()
    replies = []
    for _ in range(6):
        replies += pages(people * 12)
        fleet.jump(10)
    asked = fleet.reads(before)
    refused = sum(asked.values())
    assert statuses(replies) == {200}
    assert slowest(replies) - usual < 2
    assert len(asked) == 8 * len(NAMES)
    assert max(asked.values()) <= (2 if retry_after in ("30", "86400") else 7)
    fleet.vault.settings(throttled=False)
    fleet.jump(FRESH)
    pages(people)
    assert fleet.vault.calls("/secrets/")[-1]["status"] == 200
    evidence(cases=8 * 12 if not retry_after else 0, faults=refused, processes=fleet.pids)


@pytest.mark.acceptance("K3")
def test_a_vault_that_hangs_holds_one_request_per_process_for_a_second(fleet: Fleet, evidence) -> None:
    """The secret that they have serves; the read goes on beside and is given up by itself."""
    people = fleet.people()
    usual = slowest(pages(people * 12))
    fleet.vault.faults({"match": VAULT_CALLS, "action": {"delay": 10}})
    fleet.jump(FRESH)
    replies = pages(people * 12)
    assert statuses(replies) == {200}
    assert slowest(replies) - usual < 2
    deadline = time.monotonic() + 5
    while fleet.vault.injected() < 8 * len(NAMES):
        assert time.monotonic() < deadline, "whoever has the keys renews the client secrets too"
    assert fleet.vault.injected() == 8 * len(NAMES)
    evidence(faults=fleet.vault.injected(), processes=fleet.pids)


@pytest.mark.acceptance("K3")
def test_eight_processes_that_start_while_the_vault_throttles_ask_it_rarely(fleet: Fleet, evidence) -> None:
    """Twelve callers in each, in one flight per secret; at most 8 × 12 × 3 calls in the first ten seconds, by far."""
    fleet.vault.settings(throttled=True)
    before = fleet.vault.last()
    cold = Fleet(fleet.site, fleet.vault, fleet.clock)
    hosts = cold.launch(*(f"cold-{number}" for number in range(8)))
    began = time.monotonic()
    while time.monotonic() - began < 10:
        replies = volley(Shot(f"{host.url}/auth/login/azure-devops") for host in hosts for _ in range(12))
        assert statuses(replies) == {503}
        time.sleep(0.2)
    calls = fleet.vault.calls("/secrets/", since=before)
    first = datetime.fromisoformat(calls[0]["time"])
    soon = [call for call in calls if datetime.fromisoformat(call["time"]) - first <= timedelta(seconds=10)]
    assert 8 <= len(soon) <= 8 * 12 * 3
    assert max(Counter(call["user"] for call in soon).values()) <= 5, "one secret; 1, 2, 4, 8 s with jitter"
    fleet.vault.settings(throttled=False)
    fleet.jump(16)
    assert statuses(pages([Browser(host.url) for host in hosts], "/auth/login/azure-devops")) == {303}
    evidence(faults=len(calls), processes=cold.pids)
    for host in hosts:
        host.child.stop()


@pytest.mark.acceptance("K4")
def test_a_secret_that_the_vault_has_before_the_provider_signs_nobody_out(
    fleet: Fleet, simulator: Simulator, evidence
) -> None:
    """Legacy, two valid at once: the new one is refused, the old one tried next; no read beyond the scheduled ones."""
    people = fleet.people()
    vault, old, new = fleet.vault, defaults.CLIENT_SECRET, "the-new-legacy-secret"
    vault.put(LEGACY_SECRET, f"{new},{old}")
    before, began = vault.last(), fleet.now()
    fleet.jump(DUE_SOON)
    assert statuses(pages(people)) == {200}
    assert minted_with(fleet, began) == {id_of(old)}
    assert set(fleet.reads(before).values()) == {1}
    simulator.settings(client_secrets=[new, old])
    fleet.jump(DUE_SOON)
    began = fleet.now()
    assert statuses(pages(people)) == {200}
    assert minted_with(fleet, began) == {id_of(new)}
    simulator.settings(client_secrets=[new])
    vault.put(LEGACY_SECRET, new)
    fleet.jump(DUE_SOON)
    assert statuses(pages(people)) == {200}
    assert not fleet.events("app_fault", began)
    evidence(cases=len(people), processes=fleet.pids)


@pytest.mark.acceptance("K4")
def test_a_secret_that_the_provider_has_before_this_process_is_read_once_more(
    fleet: Fleet, simulator: Simulator, evidence
) -> None:
    """Entra refuses the old one at once; each process reads the vault one time more and goes on."""
    people = fleet.people(2, provider="entra")
    vault, old, new = fleet.vault, defaults.ENTRA_CLIENT_SECRET, "the-new-entra-secret"
    fleet.jump(DUE_SOON)
    fleet.people(provider="entra")  # the vault was just read
    simulator.settings(entra_client_secrets=[new], entra_expired_secrets=[old])
    vault.put(ENTRA_SECRET, f"{new},{old}")
    before, began = vault.last(), fleet.now()
    assert statuses(pages(people)) == {200}
    assert minted_with(fleet, began) == {id_of(new)}
    assert {asked: times for asked, times in fleet.reads(before).items() if asked[1] == ENTRA_SECRET} == {
        (name, ENTRA_SECRET): 1 for name in EIGHT
    }
    assert not fleet.events("app_fault", began)
    evidence(cases=8, processes=fleet.pids)


@pytest.mark.acceptance("K4")
def test_a_secret_that_stays_wrong_opens_the_breaker_which_closes_by_itself(
    fleet: Fleet, simulator: Simulator, evidence
) -> None:
    """Nobody is signed out: tokens serve to their end; half a minute after the vault has the new one all is well."""
    people = fleet.people(2, provider="entra")
    vault, old, new = fleet.vault, defaults.ENTRA_CLIENT_SECRET, "the-next-entra-secret"
    fleet.jump(DUE_SOON)
    simulator.settings(entra_client_secrets=[new], entra_expired_secrets=[old])
    before, began = vault.last(), fleet.now()
    for _ in range(4):
        assert statuses(pages(people)) == {200}
    assert len(fleet.events("app_fault", began)) == 8, "told once by each process"
    assert max(fleet.reads(before).values()) <= 2, "the scheduled read, and one for the refusal"
    vault.put(ENTRA_SECRET, new)
    fleet.jump(31)
    assert statuses(pages(people)) == {200}
    fleet.jump(31)
    assert statuses(pages(people)) == {200}
    assert len(fleet.events("app_fault_over", began)) == 8
    assert minted_with(fleet, began) == {id_of(new)}
    evidence(processes=fleet.pids)


TROUBLE = {
    "disabled": ("SecretDisabled", lambda vault, name: vault.patch(name, enabled=False)),
    "deleted": ("404", lambda vault, name: vault.delete(name)),
    "expired": ("expired", lambda vault, name: vault.patch(name, exp=1_700_000_000)),
    "malformed": ("malformed", lambda vault, name: vault.put(name, " , ")),
}


@pytest.mark.acceptance("K5")
@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_secret_in_trouble_serves_from_memory_and_is_told(fleet: Fleet, trouble: str, evidence, amount) -> None:
    """Ten minutes: every page is served, a sign-in works, no row is lost, each secret is asked for twice by each
    process; readiness and an event tell which secret, and why."""
    people = fleet.people(2)
    reason, befall = TROUBLE[trouble]
    for name in NAMES:
        befall(fleet.vault, name)
    before, began = fleet.vault.last(), fleet.now()
    replies: list[Reply] = []
    for _ in range(20):
        fleet.jump(30)
        replies += pages(people)
    assert statuses(replies) == {200}
    assert len(replies) >= amount("K5")
    reads = fleet.reads(before)
    assert max(reads.values()) <= 2
    events = fleet.events("vault_stale", began)
    assert {event["reason"] for event in events} == {reason}
    assert {event["secret"] for event in events} >= {ENCRYPTION_KEY}
    host = list(fleet.hosts.values())[list(TROUBLE).index(trouble) + 2]
    assert Browser(host.url).get("/readyz").json() == {"config": "ok", "store": "ok", "vault": "failing"}
    assert fleet.person_at(host).get("/dashboard").status_code == 200
    evidence(cases=len(replies), faults=len(reads), processes=fleet.pids)


@pytest.mark.acceptance("K5")
def test_in_a_steady_state_each_secret_is_asked_for_every_five_minutes(fleet: Fleet, evidence) -> None:
    """Twice in ten minutes by each process, whatever the number of requests; and the timer's report counts days."""
    people = fleet.people()
    ends = fleet.clock.now().timestamp() + 20 * 86_400 + 3600
    fleet.vault.put(LEGACY_SECRET, defaults.CLIENT_SECRET, exp=int(ends))
    before = fleet.vault.last()
    for _ in range(20):
        fleet.jump(30)
        pages(people * 2)
    assert max(fleet.reads(before).values()) <= 2
    assert tick(next(iter(fleet.hosts.values())))["secret_days_left"] == 20
    evidence(processes=fleet.pids)


def minted_with(fleet: Fleet, since: str) -> set[str]:
    """Ids of the client secrets of all refreshes since then."""
    return {event["secret"] for event in fleet.events("refreshed", since)}
