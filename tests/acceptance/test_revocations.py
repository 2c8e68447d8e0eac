"""V1: a sign-out destroys what is here first and at once, and what is there for certain, whatever fails meanwhile."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
import requests
from azure.data.tables import TableServiceClient

from tests.acceptance.revoking import Fleet, Trapped, left_here, left_there, never_revoked
from tests.chaos_cases import Case
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site, tick
from tools.chaos.arming import Act, Trap
from tools.chaos.clock import MovableClock
from tools.run import processes

ANSWERED_WITHIN = 1.0
ASKED_TO_WAIT = 120
MORE_THAN_AN_HOUR = 3600
_numbers = count(1)

UPSTREAM_FAULTS: dict[str, dict[str, Any]] = {
    "503, twenty times": {"times": 20, "action": {"status": 503}},
    "429, asked to wait": {"times": 2, "action": {"status": 429, "headers": {"Retry-After": str(ASKED_TO_WAIT)}}},
    "no answer in time": {"times": 1, "action": {"delay": 3}},
    "no connection": {"times": 4, "action": {"drop": True}},
    "done, but the answer lost": {"times": 2, "action": {"commit_then_drop": True}},
    "done, but the answer late": {"times": 1, "action": {"reply_delay": 3}},
    "500": {"times": 2, "action": {"status": 500, "body": "sorry"}},
    "502 as a page": {"times": 6, "action": {"status": 502, "html": True}},
    "401": {"times": 2, "action": {"status": 401, "json": {}}},
    "the second token alone": {"after": 1, "times": 1, "action": {"status": 503}},
}
KILLED_SIGNING_OUT = {
    "provider.revoke:sent": True,
    "due.put:answered": False,
    "connections.end_connection:answered": True,
    "provider.revoke:answered": True,
    "connections.load:after": False,
    "connections.end_connection:before": False,
    "connections.end_connection:after": True,
    "provider.revoke:after": True,
    "connections.update_revocation:before": True,
    "connections.update_revocation:answered": True,
}
"""Where it is killed, and whether the session has ended by then."""
KILLED_IN_THE_TIMER = (
    "provider.revoke:answered",
    "connections.update_revocation:answered",
    "due.until:after",
    "connections.load:after",
    "provider.revoke:before",
    "provider.revoke:sent",
    "connections.update_revocation:before",
    "due.put:before",
    "due.put:answered",
    "due.remove:answered",
)
KINDS = (UPSTREAM_FAULTS, KILLED_SIGNING_OUT, KILLED_IN_THE_TIMER)


@pytest.fixture(scope="module")
def fleet(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    site.simulator.settings(people_count=100)
    folder = tmp_path_factory.mktemp("fleet")
    return Fleet(site, folder, MovableClock(folder / "clock"))


@pytest.fixture(scope="module")
def calm(fleet: Fleet) -> Host:
    """A host to which nothing happens."""
    started = fleet.launch().host
    processes.wait_listening(started.child)
    return started


@pytest.fixture(autouse=True)
def offered(simulator: Simulator) -> None:
    """The endpoint is there for these tests alone."""
    simulator.settings(revoke=True)


@pytest.fixture
def share(amount: Callable[..., int]) -> Callable[[int], int]:
    """How many cases of each kind this run takes: of the slice three, three and two."""
    wanted = amount("V1")
    return lambda kind: -(-(wanted - kind) // len(KINDS))


@dataclass
class Leaver:
    """Somebody who is signed in and about to leave."""

    name: str
    browser: Browser

    @property
    def user_id(self) -> str:
        return self.browser.session_cookie[:32]


def somebody(host: Host) -> Leaver:
    name = f"user{next(_numbers):04}"
    browser = Browser(host.url)
    browser.sign_in(name)
    return Leaver(name, browser)


def lives(host: Host, cookies: dict[str, str]) -> bool:
    elsewhere = Browser(host.url)
    elsewhere.http.cookies.update(cookies)
    return elsewhere.api("/account").status_code == 200


@pytest.mark.acceptance("V1")
def test_whatever_the_endpoint_does_both_tokens_are_revoked_in_the_end(
    fleet: Fleet, calm: Host, simulator: Simulator, share: Callable[[int], int], evidence: Report, fault_case: Case
) -> None:
    """The session is dead at once; then the timer goes on until it is done, for hours if need be."""
    cases = list(UPSTREAM_FAULTS.items())[: share(0)]
    leavers = {fault: somebody(calm) for fault, _ in cases}
    users = {fault: leaver.user_id for fault, leaver in leavers.items()}
    simulator.faults(*({"match": {"grant": "revoke", "user": leavers[fault].name}, **rule} for fault, rule in cases))
    for fault, leaver in leavers.items():
        cookies, token = leaver.browser.http.cookies.get_dict(), leaver.browser.csrf()
        assert leaver.browser.post("/auth/logout", token).status_code == 303, fault
        assert not lives(calm, cookies), fault
        assert leaver.browser.api("/auth/receipt").json()["revocations"][0]["state"] == "retried", fault
    assert fleet.findings([calm]) == []
    left = fleet.clock.now()
    reports = fleet.settle(calm, users.values())
    assert fleet.clock.now() - left > timedelta(seconds=MORE_THAN_AN_HOUR), "503 twenty times takes that long"
    assert max(report["oldest_revocation_seconds"] for report in reports) >= MORE_THAN_AN_HOUR  # the alert's figure
    injected = rules_injected(simulator)
    for (fault, leaver), count_of in zip(leavers.items(), injected, strict=True):
        observed = left_of(fleet, simulator, leaver.name, users[fault])
        fault_case(f"V1 endpoint: {fault}", injected=count_of, expected=[], observed=observed)
    evidence(cases=len(cases), faults=sum(injected), processes=[calm.child.process.pid])


def rules_injected(simulator: Simulator) -> list[int]:
    rules = simulator.http.get(f"{simulator.url}/_sim/faults", timeout=10).json()["rules"]
    return [rule["injected"] for rule in rules]


@pytest.mark.acceptance("V1")
@pytest.mark.parametrize("fault", ["no answer in time", "503, twenty times"])
def test_a_sign_out_is_answered_within_a_second_whatever_the_endpoint_does(
    fleet: Fleet, calm: Host, simulator: Simulator, fault: str
) -> None:
    """The attempt ends after 700 ms; of five tries one must show it, for the machine may have other things to do."""
    simulator.faults({"match": {"grant": "revoke"}, **UPSTREAM_FAULTS[fault], "times": None})
    seconds, users = [], []
    while len(seconds) < 5 and min(seconds, default=ANSWERED_WITHIN) >= ANSWERED_WITHIN:
        leaver = somebody(calm)
        users.append(leaver.user_id)
        token = leaver.browser.csrf()
        began = time.monotonic()
        assert leaver.browser.post("/auth/logout", token).status_code == 303
        seconds.append(time.monotonic() - began)
    assert min(seconds) < ANSWERED_WITHIN, seconds
    assert simulator.injected()
    simulator.faults()
    fleet.settle(calm, users)


def test_the_timer_does_not_ask_before_the_service_wants_it(fleet: Fleet, calm: Host, simulator: Simulator) -> None:
    """Retry-After of the attempt at sign-out: nothing at 60 s, where the usual pause is over, everything at 130 s."""
    leaver = somebody(calm)
    user = leaver.user_id
    simulator.faults({"match": {"user": leaver.name}, **UPSTREAM_FAULTS["429, asked to wait"]})
    leaver.browser.sign_out()
    assert simulator.injected() == 2
    simulator.clear_calls()
    fleet.clock.advance(timedelta(seconds=60))
    tick(calm)
    assert simulator.calls("/oauth2/revoke") == []
    fleet.clock.advance(timedelta(seconds=70))
    tick(calm)
    assert len(simulator.calls("/oauth2/revoke")) == 2
    assert left_here(fleet, [user]) == []


def test_what_waits_is_sealed(fleet: Fleet, calm: Host, simulator: Simulator) -> None:
    """The row holds two envelopes, and no property from which either token could be read."""
    leaver = somebody(calm)
    user = leaver.user_id
    held = fleet.records([user])[user].connection
    simulator.faults({"match": {"grant": "revoke"}, "action": {"status": 503}})
    leaver.browser.sign_out()
    with TableServiceClient.from_connection_string(fleet.site.storage) as service:
        rows = list(service.get_table_client("connections").query_entities(f"PartitionKey eq '{user}'"))
    (row,) = rows
    assert row["RowKey"].startswith("revocation:")
    for token in (held.access_token, held.refresh_token):
        assert not any(token.encode() in (it if isinstance(it, bytes) else str(it).encode()) for it in row.values())
    (waiting,) = fleet.waiting([user])
    assert (waiting.access_token, waiting.refresh_token) == (held.access_token, held.refresh_token)
    simulator.faults()
    fleet.settle(calm, [user])


@pytest.mark.acceptance("V1")
def test_a_process_killed_in_a_sign_out_leaves_nothing_alive(
    fleet: Fleet, calm: Host, simulator: Simulator, share: Callable[[int], int], evidence: Report, fault_case: Case
) -> None:
    """Either the session has ended, or the person presses again; from there the timer needs nobody."""
    points = list(KILLED_SIGNING_OUT)[: share(1)]
    doomed = ready(fleet.launch(Trap(point, Act.KILL)) for point in points)
    leavers, users = [], []
    for point, trapped in zip(points, doomed, strict=True):
        leaver = somebody(calm)
        cookies, token = leaver.browser.http.cookies.get_dict(), leaver.browser.csrf()
        leavers.append(leaver)
        users.append(leaver.user_id)
        with pytest.raises(requests.ConnectionError):
            Browser(trapped.host.url, leaver.browser.http).post("/auth/logout", token)
        assert_killed(trapped, point)
        assert lives(calm, cookies) != KILLED_SIGNING_OUT[point], point
        if not KILLED_SIGNING_OUT[point]:
            assert leaver.browser.post("/auth/logout", token).status_code == 303
            assert not lives(calm, cookies)
    fleet.settle(calm, users)
    for point, leaver, user in zip(points, leavers, users, strict=True):
        observed = left_of(fleet, simulator, leaver.name, user)
        fault_case(f"V1 sign-out killed at {point}", injected=1, expected=[], observed=observed)
    assert fleet.findings([calm]) == []
    evidence(cases=len(points), faults=len(points), processes=[it.host.child.process.pid for it in doomed])


@pytest.mark.acceptance("V1")
def test_a_timer_killed_at_a_revocation_is_followed_by_one_that_finishes(
    fleet: Fleet, calm: Host, simulator: Simulator, share: Callable[[int], int], evidence: Report, fault_case: Case
) -> None:
    """The endpoint was down at the sign-out; the first run after it dies, the next one settles."""
    points = KILLED_IN_THE_TIMER[: share(2)]
    doomed = ready(fleet.launch(Trap(point, Act.KILL)) for point in points)
    leavers, users, refused = [], [], 0
    for point, trapped in zip(points, doomed, strict=True):
        leaver = somebody(calm)
        leavers.append(leaver)
        users.append(leaver.user_id)
        simulator.faults({"match": {"grant": "revoke", "user": leaver.name}, "times": 2, "action": {"status": 503}})
        leaver.browser.sign_out()
        refused += simulator.injected()
        fleet.clock.advance(timedelta(seconds=32))
        requests.post(f"{trapped.host.url}/admin/functions/refresh_tokens", json={}, timeout=10)
        trapped.traps.wait()
        assert_killed(trapped, point)
        fleet.settle(calm, [users[-1]])
    assert refused == 2 * len(points)
    for point, leaver, user in zip(points, leavers, users, strict=True):
        observed = left_of(fleet, simulator, leaver.name, user)
        fault_case(f"V1 timer killed at {point}", injected=1, expected=[], observed=observed)
    assert fleet.findings([calm]) == []
    evidence(cases=len(points), faults=refused + len(points), processes=[it.host.child.process.pid for it in doomed])


def ready(launched: Iterator[Trapped]) -> list[Trapped]:
    """Hosts that start beside each other."""
    started = list(launched)
    for trapped in started:
        processes.wait_listening(trapped.host.child)
    return started


def assert_killed(trapped: Trapped, point: str) -> None:
    ends = time.monotonic() + 10
    while trapped.host.child.alive and time.monotonic() < ends:
        time.sleep(0.01)
    assert not trapped.host.child.alive
    assert [(hit.point, hit.act) for hit in trapped.traps.hits()] == [(point, Act.KILL)]


def left_of(fleet: Fleet, simulator: Simulator, person: str, user: str) -> list[str]:
    """What is left of somebody: rows, tokens that serve, tokens that nobody ever revoked."""
    return [*left_here(fleet, [user]), *left_there(simulator, [person]), *never_revoked(simulator, person)]
