"""What another writer did while a write was on its way is no work of ours: it is read, and both count (S1)."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.acceptance.acting import (
    Act,
    at_once,
    leaving,
    new_name,
    returning,
    start_on,
    stored,
    user_id,
    viewing,
    where,
)
from tests.acceptance.refreshing import OVER, PEOPLE
from tests.acceptance.revoking import Fleet
from tests.chaos_cases import Case
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site
from tools.chaos.clock import MovableClock
from tools.chaos.storage_proxy import Cut, Delay, Fault, LoseReply, StorageProxy

HELD = 2.5
"""Seconds for which a write is on its way."""
BATCH = {"table": "$batch"}
MERGE = {"method": "PATCH"}
INSERT = {"method": "POST", "table": "connections"}


@pytest.fixture(scope="module")
def fleet(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    folder = tmp_path_factory.mktemp("fleet")
    return Fleet(site, folder, MovableClock(folder / "clock"))


@pytest.fixture(scope="module")
def hosts(fleet: Fleet, storage: StorageProxy) -> list[Host]:
    """One whose way to the store is disturbed, and one whose is not."""
    return start_on(fleet, storage.connection_string, fleet.site.storage)


@dataclass(frozen=True)
class Rivalry:
    """What one browser does, and another at another process while a write of the first is on its way.

    `held` is that write: its first try never arrives, its second does late, so that it can't know whose the conflict
    is. `lost` is one after it that loses its reply. `sessions` there are before; `then` is what is stored afterwards,
    and `refreshes` the token calls that it took.
    """

    first: Callable[[Browser, str], Act]
    second: Callable[[Browser, str], Act]
    sessions: int
    held: dict[str, Any]
    lost: dict[str, Any] | None
    leads_to: list[str]
    then: tuple[int, int, int]
    refreshes: int = 0


RIVALRIES = {
    "two first sign-ins": Rivalry(returning, returning, 0, BATCH, BATCH, ["/dashboard"] * 2, (2, 2, 1)),
    "refresh, sign-in": Rivalry(
        viewing, returning, 1, MERGE | {"after": 2}, INSERT, ["200", "/dashboard"], (2, 2, 2), refreshes=1
    ),
    "two refreshes": Rivalry(viewing, viewing, 2, MERGE | {"after": 1}, None, ["200"] * 2, (2, 3, 1), refreshes=1),
    "two sign-outs": Rivalry(leaving, leaving, 2, BATCH, BATCH, ["/auth/receipt"] * 2, (0, 0, 2)),
}


@dataclass
class Rivals:
    """A rivalry of one person, ready to run."""

    first: Act
    second: Act
    cut: Fault
    held: Fault
    lost: list[Fault]

    @property
    def faults(self) -> list[Fault]:
        return [self.cut, self.held, *self.lost]

    def run(self) -> list[str]:
        """Where both lead to. The write of the first reaches the store after all that the second does."""
        with ThreadPoolExecutor(1) as aside:
            answer = aside.submit(self.first)
            wait_until(lambda: self.held.injected == 1)
            second = where(self.second())
            assert not answer.done(), "the second was too slow to come between"
            return [where(answer.result()), second]


def rivals(each: Rivalry, name: str, browsers: Sequence[Browser]) -> Rivals:
    which = {"holding": user_id(name).encode(), "times": 1}
    cut, held = (Fault(effect=effect, **which, **each.held) for effect in (Cut(), Delay(HELD)))
    lost = [Fault(effect=LoseReply(), **which, **each.lost)] if each.lost else []
    return Rivals(each.first(browsers[0], name), each.second(browsers[1], name), cut, held, lost)


@pytest.mark.acceptance("S1")
def test_a_real_conflict_is_met_by_reading_anew(
    fleet: Fleet,
    storage: StorageProxy,
    hosts: list[Host],
    simulator: Simulator,
    amount: Callable[..., int],
    evidence: Report,
    fault_case: Case,
) -> None:
    """Also when the reply to the second attempt is lost: both sign-ins live, one refresh, and the last one out ends the
    connection."""
    simulator.settings(people_count=PEOPLE, revoke=True)
    kinds = list(RIVALRIES.values()) * max(amount("S1") // 100, 1)
    names, browsers = [new_name() for _ in kinds], [[Browser(host.url) for host in hosts] for _ in kinds]
    for each, name, pair in zip(kinds, names, browsers, strict=True):
        for browser in pair[: each.sessions]:
            browser.sign_in(name)
    fleet.clock.advance(timedelta(seconds=OVER))
    simulator.clear_calls()
    ready = [rivals(*each) for each in zip(kinds, names, browsers, strict=True)]
    faults = [fault for each in ready for fault in each.faults]
    with storage.injecting(*faults):
        went = at_once(Rivals.run, ready)
    calls = Counter(call["user"] for call in simulator.calls("/oauth2/token") if call["grant"] == "refresh_token")
    records = fleet.records(map(user_id, names))
    for kind, rivalry in RIVALRIES.items():
        mine = [n for n, each in enumerate(kinds) if each is rivalry]
        fault_case(
            f"S1 {kind}: a real conflict",
            injected=sum(fault.injected for n in mine for fault in ready[n].faults),
            expected=[[rivalry.leads_to, rivalry.then, rivalry.refreshes]] * len(mine),
            observed=[[went[n], stored(records[user_id(names[n])]), calls[names[n]]] for n in mine],
        )
    assert [fault.injected for fault in faults] == [1] * len(faults)
    fleet.settle(hosts[1], map(user_id, names))
    assert fleet.findings(hosts) == []
    evidence(cases=len(kinds), faults=len(faults), processes=[host.child.pid for host in hosts])


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)
