"""Timer runs that come together, late or not at all: nobody notices."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.acceptance.refreshing import assert_in_order, summary
from tests.acceptance.revoking import Fleet
from tests.acceptance.ticking import MANY, hints_of, move_in
from tests.evidence import Report
from tests.site import Host, Simulator, Site, tick, wait_for
from tools.chaos.clock import MovableClock
from tools.chaos.volley import Reply, volley

INSTANCES = 3
MISSED = 3
"""Scheduled times that pass while a host is stopped."""


@pytest.fixture(scope="module")
def fleet(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    site.simulator.settings(people_count=MANY)
    folder = tmp_path_factory.mktemp("fleet")
    return Fleet(site, folder, MovableClock(folder / "clock"))


@pytest.fixture(scope="module")
def instances(fleet: Fleet) -> list[Host]:
    return wait_for([fleet.launch().host for _ in range(INSTANCES)])


@pytest.fixture(autouse=True)
def back_to_now(fleet: Fleet) -> None:
    fleet.clock.move_to(timedelta())


def together(instances: list[Host]) -> list[dict]:
    """A run of each at the same time; their reports."""
    with ThreadPoolExecutor(len(instances)) as pool:
        return list(pool.map(tick, instances))


@pytest.mark.acceptance("T1")
def test_runs_of_three_instances_and_requests_at_once_refresh_each_token_once(
    site: Site, fleet: Fleet, instances: list[Host], simulator: Simulator, amount: Callable[..., int], evidence: Report
) -> None:
    """In `strict`: one refresh a token, all answers good; three more runs at once find nothing to refresh."""
    simulator.settings(reuse="strict", token_latency=0.3)
    # Every other one is due for requests too, and the rest for the timer alone.
    everybody = move_in(site, amount("T1"), lambda n: timedelta(minutes=3 if n % 2 else 10))
    shots = [it.asks(host) for it in everybody.people[1::2] for host in instances[:2]]
    with ThreadPoolExecutor(1) as aside:
        # The newest due first: the timers come from the other end, and they meet.
        requests = aside.submit(volley, shots[::-1])
        reports = together(instances)
        replies = requests.result()
    people = len(everybody.people)
    assert summary(replies) == {"200": len(shots), "signed out": 0}
    assert everybody.refreshes() == [1] * people
    assert (everybody.replays(), everybody.generations()) == (0, {2})
    by = Counter(event["by"] for host in instances for event in host.events("refreshed"))
    assert by["timer"] == sum(report["refreshed"] for report in reports) > 0
    assert by["request"] > 0, "no request came in between: there was no race"
    assert sum(report["looked"] for report in reports) > people, "the runs did not overlap"
    simulator.clear_calls()
    fleet.clock.move_to(timedelta(minutes=1))
    assert [report["refreshed"] for report in together(instances)] == [0] * INSTANCES
    assert simulator.calls() == []
    assert {len(hints) for hints in hints_of(site, everybody.users).values()} == {1}
    assert_in_order(site, replies, ahead=60)
    evidence(cases=people, processes=[host.child.pid for host in instances])


@pytest.mark.acceptance("T2")
def test_without_a_run_for_forty_minutes_nobody_sees_an_error_and_one_run_catches_up(
    site: Site, fleet: Fleet, instances: list[Host], simulator: Simulator, amount: Callable[..., int], evidence: Report
) -> None:
    """Tokens that end a quarter of an hour after the timer stopped: requests refresh them, in the 32nd minute too.

    Who asked for nothing is refreshed by the one late run, once, whatever the number of runs that were missed.
    """
    simulator.settings(reuse="strict", token_lifetime=900)
    people = amount("T2")
    active = move_in(site, people, lambda n: timedelta(minutes=15))
    quiet = move_in(site, people, lambda n: timedelta(minutes=15))
    simulator.settings(token_lifetime=3600)
    replies: list[Reply] = []
    for minutes in (0, 8, 16, 24, 32, 40):
        fleet.clock.move_to(timedelta(minutes=minutes))
        simulator.settings(clock_offset=minutes * 60)
        # Half of them come first when their token has been over for long.
        asking = active.people if minutes in (32, 40) else active.people[::2]
        replies += volley(it.asks(instances[n % INSTANCES]) for n, it in enumerate(asking))
    assert summary(replies) == {"200": len(replies), "signed out": 0}
    assert [call["target"] for call in simulator.calls() if call["status"] in (203, 401)] == [], "over when it was used"
    assert (active.refreshes(), quiet.refreshes()) == ([1] * people, [0] * people)
    late, again = tick(instances[0]), tick(instances[1])
    assert (late["looked"], late["refreshed"], late["complete"]) == (2 * people, people, True)
    assert late["behind_seconds"] >= 2400
    assert (again["looked"], again["refreshed"]) == (0, 0)
    assert (active.refreshes(), quiet.refreshes()) == ([1] * people, [1] * people)
    assert {len(hints) for hints in hints_of(site, active.users + quiet.users).values()} == {1}
    assert_in_order(site, replies, ahead=2400)
    evidence(cases=people, processes=[host.child.pid for host in instances])


@pytest.mark.acceptance("T2")
def test_scheduled_times_that_a_stopped_host_missed_are_made_up_for_once(fleet: Fleet, simulator: Simulator) -> None:
    """Due every second and stopped for three: then one run at once, and the next one at its second."""
    host = wait_for([fleet.launch(REFRESH_SCHEDULE="* * * * * *").host])[0]
    runs_after(host, 0, 1)
    host.child.pause()
    before = len(host.events("tick"))
    time.sleep(MISSED)
    host.child.resume()
    # Were each missed time made up for, the third run would come right after the first.
    caught_up, _, third = runs_after(host, before, 3)
    host.child.stop()
    assert third["at"] >= caught_up["at"]
    assert int(third["at"][17:19]) != int(caught_up["at"][17:19])


def runs_after(host: Host, seen: int, wanted: int) -> list[dict]:
    """The reports after the first `seen`, as soon as there are so many."""
    ends = time.monotonic() + 20
    while len(found := host.events("tick")[seen:]) < wanted:
        assert time.monotonic() < ends, "the schedule stands still"
        time.sleep(0.05)
    return found[:wanted]
