"""Very many due at once: the timer's rate has a cap. (`make bench` has what a run costs, and how fast it can be.)"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.refresh_tokens import BUDGET
from shared.custody.tick import WORKERS
from tests.acceptance.refreshing import assert_in_order
from tests.acceptance.revoking import Fleet, left_here, left_there
from tests.acceptance.ticking import INTERVAL, MANY, Everybody, hints_of, move_in
from tests.chaos_cases import Case
from tests.conftest import empty_tables
from tests.evidence import Report
from tests.site import Host, Simulator, Site, start_site, tick, wait_for
from tools.chaos.clock import MovableClock
from tools.chaos.storage_proxy import StorageProxy

CAP = 40
"""REFRESH_CALLS_PER_SECOND: below what these machines can do, so that it is the cap that holds the timer back."""
WINDOW = 5.0
"""Seconds: a thread that is woken late moves a call, so that a shorter window says more about the machine."""
PAUSE = 300
"""What the throttled service asks for: the longest Retry-After that we heed."""
SECONDS = 60
"""Within which the herd is due: hints are in whole seconds, so that the order within one is anybody's."""


@pytest.fixture(scope="module")
def storage(azurite: str) -> Iterator[StorageProxy]:
    empty_tables(azurite)
    with closing(StorageProxy(azurite)) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def site(storage: StorageProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A simulator with many people beside the counted store."""
    started = start_site(tmp_path_factory.mktemp("site"), storage.connection_string)
    started.simulator.settings(people_count=MANY)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def fleet(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    folder = tmp_path_factory.mktemp("fleet")
    return Fleet(site, folder, MovableClock(folder / "clock"))


@pytest.fixture(scope="module")
def host(fleet: Fleet) -> Host:
    return wait_for([fleet.launch(REFRESH_CALLS_PER_SECOND=str(CAP)).host])[0]


@pytest.mark.acceptance("T4")
def test_a_herd_is_refreshed_at_the_cap_and_who_has_no_session_is_ended_instead(
    site: Site,
    fleet: Fleet,
    host: Host,
    simulator: Simulator,
    amount: Callable[..., int],
    evidence: Report,
    fault_case: Case,
) -> None:
    """Due within one minute, every fifth without a live session. Half-way the service asks for five minutes of peace.

    At most 40 calls a second, revocations among them; nobody is asked for during the pause; nobody is refreshed twice;
    who has no session is ended and revoked at the first look, and never refreshed.
    """
    fleet.clock.move_to(timedelta())
    herd = amount("T4")
    simulator.settings(reuse="strict", revoke=True)
    dead = move_in(site, herd // 5, lambda _: timedelta(minutes=10), session=timedelta(minutes=-5))
    live = move_in(site, herd - herd // 5, lambda n: timedelta(minutes=10, seconds=SECONDS * n / herd))
    simulator.clear_calls()
    refresh = {"path": "^/oauth2/token", "grant": "refresh_token"}
    throttled = {"status": 429, "headers": {"Retry-After": str(PAUSE)}}
    simulator.faults({"match": refresh, "after": len(live.users) // 2, "action": throttled})
    first = runs(host, until=lambda _: simulator.injected() > 0)
    refused, before = simulator.injected(), len(simulator.calls("/oauth2/token"))
    simulator.faults()
    fleet.clock.advance(INTERVAL / 5)
    patient = tick(host, BUDGET.total_seconds())
    in_the_pause = len(simulator.calls("/oauth2/token")) - before
    fleet.clock.advance(INTERVAL)
    runs(host, until=lambda report: report["complete"])
    calls = simulator.calls("/oauth2/")
    fault_case(
        f"T4: {herd} due at once, {len(dead.users)} of them without a session, {refused} answered 429",
        injected=refused,
        expected={
            "refreshes of the dead": 0,
            "ended": len(dead.users),
            "left of the dead": [],
            "refreshes of the living": {1},
            "calls in the pause": 0,
            "left to the next run": True,
            "over the cap": [],
        },
        observed={
            "refreshes of the dead": sum(dead.refreshes()),
            "ended": sum(report["ended"] for report in first),
            "left of the dead": left_here(fleet, dead.users) + left_there(simulator, dead.names),
            "refreshes of the living": set(live.refreshes()),
            "calls in the pause": in_the_pause,
            "left to the next run": not (first[-1]["complete"] or patient["complete"]),
            "over the cap": over_the_cap(calls),
        },
    )
    assert refused <= WORKERS, "calls went on after the first 429"
    assert sum(report["refreshed"] for report in first) == len(live.users) // 2
    assert_oldest_first(live, calls)
    spread = sorted(at for hints in hints_of(site, live.users).values() for at in hints)
    assert len(spread) == len(live.users)
    assert spread[-1] - spread[0] >= timedelta(seconds=len(live.users) / CAP / 2), "the herd stays a herd"
    assert_in_order(site, [], ahead=fleet.clock.ahead.total_seconds())
    evidence(cases=herd, faults=refused, processes=[host.child.pid])


def runs(host: Host, until: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """The reports of one run after the other, to the first of which this holds; slow machines need several."""
    reports = [tick(host, 2 * BUDGET.total_seconds())]
    while not until(reports[-1]):
        assert len(reports) < 10
        reports.append(tick(host, 2 * BUDGET.total_seconds()))
    return reports


def over_the_cap(calls: Sequence[dict[str, Any]]) -> list[str]:
    """Windows of five seconds, one beginning at each call, in which more calls came than five times the cap."""
    moments = sorted(datetime.fromisoformat(call["time"]).timestamp() for call in calls)
    most = round(CAP * WINDOW)
    return [
        f"{most + 1} calls in {moments[n + most] - moment:.1f} s"
        for n, moment in enumerate(moments[: -most or None])
        if moments[n + most] - moment < WINDOW
    ]


def assert_oldest_first(people: Everybody, calls: Sequence[dict[str, Any]]) -> None:
    """Those that are refreshed before others expire before them, but for those that are under way at once."""
    rank = {name: n for n, name in enumerate(people.names)}
    asked = [rank[call["user"]] for call in calls if call["grant"] == "refresh_token" and call["status"] == 200]
    leeway = WORKERS + 2 * len(rank) / SECONDS
    early = [n - place for place, n in enumerate(asked) if n - place > leeway]
    assert early == []
