"""The store commits, and its reply never arrives: the next try finds its own work done and goes on (S1)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from shared.models.custody import UserRecord, sha256_hex
from tests.acceptance.acting import at_once, leaving, new_name, start_on, stored, user_id, viewing, where
from tests.acceptance.refreshing import OVER, PEOPLE
from tests.acceptance.revoking import Fleet, left_here, left_there
from tests.acceptance.signing_in import Attempt, under_way
from tests.chaos_cases import Case
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site, tick
from tools.chaos.clock import MovableClock
from tools.chaos.storage_proxy import Fault, LoseReply, StorageProxy

WRITES = {"burns": 2, "transactions": 4, "merges": 4, "hints": 3, "settlements": 1}
"""Of one walk: two sign-ins, a view that notes the visit and refreshes, two sign-outs with a view between them. Each of
them loses its first reply."""
KINDS = {
    "insert": {"burns": 2, "transactions": 1},
    "replace": {"merges": 4, "hints": 3, "settlements": 1, "transactions": 1},
    "delete": {"transactions": 2},
}
"""What is at stake in them: the transaction of the first sign-in inserts, that of the second replaces the connection,
those of the sign-outs delete."""
CALLS = {"code": 2, "refresh_token": 1}
TOLD = {"sign_in_completed": 2, "refreshed": 1, "signed_out": 2}
BATCH = {"table": "$batch"}
PEOPLE_OF_A_RUN = 4


@pytest.fixture(scope="module")
def fleet(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    folder = tmp_path_factory.mktemp("fleet")
    return Fleet(site, folder, MovableClock(folder / "clock"))


@pytest.fixture(scope="module")
def disturbed(fleet: Fleet, storage: StorageProxy) -> Host:
    return start_on(fleet, storage.connection_string)[0]


@pytest.fixture
def provider(simulator: Simulator) -> Simulator:
    """With many people, who have time to consent, and tokens that can be revoked."""
    simulator.settings(people_count=PEOPLE, code_lifetime=600, revoke=True)
    return simulator


@dataclass
class Walk:
    """One person with two browsers, both before the last step of a sign-in; faults for all that this person writes."""

    name: str
    one: Attempt
    two: Attempt
    faults: dict[str, list[Fault]]

    @property
    def user_id(self) -> str:
        return user_id(self.name)

    @property
    def lost(self) -> dict[str, int]:
        return {what: sum(fault.injected for fault in faults) for what, faults in self.faults.items()}


def walk(host: Host) -> Walk:
    name = new_name()
    one, two = under_way(Browser(host.url), name), under_way(Browser(host.url), name)

    def losing(**which: Any) -> Fault:
        return Fault(effect=LoseReply(), every=2, **{"holding": user_id(name).encode(), **which})

    states = [sha256_hex(each.state).encode() for each in (one, two)]
    faults = {
        "burns": [losing(table="logins", method="POST", holding=state) for state in states],
        "transactions": [losing(**BATCH)],
        "merges": [losing(method="PATCH")],
        "hints": [losing(table="due", method="PUT")],
        "settlements": [losing(table="connections", method="PUT")],
    }
    return Walk(name, one, two, faults)


def arriving(it: Walk) -> list[str]:
    return [where(it.one.visit()), where(it.two.visit())]


def looking(it: Walk) -> list[str]:
    return [where(viewing(it.two.browser)())]


def parting(it: Walk) -> list[str]:
    """One session ends, then the other, which lives until then."""
    first, second = leaving(it.two.browser), leaving(it.one.browser)
    return [where(first()), where(it.one.browser.get("/")), where(second())]


STEPS: dict[str, tuple[Callable[[Walk], list[str]], timedelta, list[str], tuple[int, int, int]]] = {
    "sign-ins": (arriving, timedelta(), ["/dashboard"] * 2, (2, 2, 1)),
    "refresh": (looking, timedelta(seconds=OVER), ["200"], (2, 3, 1)),
    "sign-outs": (parting, timedelta(), ["/auth/receipt", "200", "/auth/receipt"], (0, 0, 2)),
}
"""What is done, how much later, where it leads to, and what is stored then: nothing twice, nothing lost."""


def strolled(fleet: Fleet, walks: Sequence[Walk]) -> dict[str, Any]:
    """Everybody, step by step; whatever is not as it should be, by person and step."""
    found: dict[str, Any] = {}
    for name, (step, later, leads_to, there) in STEPS.items():
        fleet.clock.advance(later)
        went = at_once(step, walks)
        records = fleet.records(each.user_id for each in walks)
        for each, answers in zip(walks, went, strict=True):
            seen = (answers, stored(records[each.user_id]))
            if seen != (leads_to, there):
                found[f"{each.name}, {name}"] = seen
        found |= {f"{who}, {name}": "holds another token" for who in astray(fleet, records, walks)}
    return found


def astray(fleet: Fleet, records: Mapping[str, UserRecord], walks: Sequence[Walk]) -> list[str]:
    """Whose row holds another refresh token than the newest that the provider gave out."""
    users = fleet.site.simulator.tokens()["users"]
    held = {each.name: records[each.user_id].connection for each in walks}
    return [
        who
        for who, connection in held.items()
        if connection
        and users[who]["families"][-1]["refresh_tokens"][-1]["digest"] != sha256_hex(connection.refresh_token)[:8]
    ]


@pytest.mark.acceptance("S1")
def test_a_write_whose_reply_is_lost_is_found_done_and_counts_once(
    fleet: Fleet,
    storage: StorageProxy,
    disturbed: Host,
    provider: Simulator,
    amount: Callable[..., int],
    evidence: Report,
    fault_case: Case,
) -> None:
    """Of each write of a whole walk the first reply is lost: no error, one session for each sign-in, one token call for
    each code and each refresh, every event told once, nothing left after the sign-outs."""
    walks = at_once(walk, [disturbed] * (amount("S1") // 6))
    provider.clear_calls()
    with storage.injecting(*(fault for each in walks for faults in each.faults.values() for fault in faults)):
        wrong = strolled(fleet, walks)
    calls = Counter((call["grant"], call["user"]) for call in provider.calls("/oauth2/token"))
    events = Counter((event["event"], event.get("user")) for event in disturbed.events())
    for each in walks:
        made = {grant: calls[grant, each.name] for grant in CALLS}
        told = {name: events[name, each.user_id[:12]] for name in TOLD}
        if (made, told, each.lost) != (CALLS, TOLD, WRITES):
            wrong[each.name] = made, told, each.lost
    for kind, parts in KINDS.items():
        fault_case(f"S1 replies lost: {kind}", injected=len(walks) * sum(parts.values()), expected={}, observed=wrong)
    users = [each.user_id for each in walks]
    fleet.settle(disturbed, users)
    assert left_here(fleet, users) == []
    assert left_there(provider, [each.name for each in walks]) == []
    assert fleet.findings([disturbed]) == []
    lost = sum(sum(each.lost.values()) for each in walks)
    evidence(cases=lost, faults=lost, processes=[disturbed.child.pid])


@pytest.mark.acceptance("S1")
def test_a_timer_run_finds_its_own_writes_done(
    fleet: Fleet, storage: StorageProxy, disturbed: Host, provider: Simulator, evidence: Report, fault_case: Case
) -> None:
    """Refreshes, hints moved and deleted one by one, burnt states purged: of each write the first reply is lost."""
    people = [walk(disturbed) for _ in range(PEOPLE_OF_A_RUN)]
    at_once(arriving, people)
    fleet.clock.advance(timedelta(hours=2))
    merges = [Fault(effect=LoseReply(), method="PATCH", holding=it.user_id.encode(), every=2) for it in people]
    others = [Fault(effect=LoseReply(), every=2, times=5, **which) for which in (BATCH, {"method": "DELETE"})]
    with storage.injecting(*merges, *others):
        report = tick(disturbed)
    injected = sum(fault.injected for fault in (*merges, *others))
    observed = {
        "refreshed": report["refreshed"],
        "failed": report["failed"],
        "merges": {fault.injected for fault in merges},
        "stored": [stored(record) for record in fleet.records(it.user_id for it in people).values()],
        "findings": fleet.findings([disturbed]),
    }
    expected = {
        "refreshed": len(people),
        "failed": {},
        "merges": {2},
        "stored": [(2, 3, 1)] * len(people),
        "findings": [],
    }
    fault_case("S1 replies lost: timer", injected=injected, expected=expected, observed=observed)
    assert all(fault.injected for fault in others)
    evidence(cases=injected, faults=injected)
