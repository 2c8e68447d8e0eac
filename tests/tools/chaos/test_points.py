"""A host with named points is the application as it is, and dies, stops or sleeps exactly where it is told to."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from tests.site import Browser, Host, Simulator, Site
from tools.chaos.arming import Act, Trap, Traps, Tripwire
from tools.chaos.volley import Shot, fire, volley

DUE = 3600 - 2 * 60
"""A clock at which the token is due for requests but still serves."""


def four(step: str) -> list[str]:
    return [f"{step}:{moment}" for moment in ("before", "sent", "answered", "after")]


REFRESH = [*four("connections.take_lease"), *four("provider.refresh"), *four("connections.save_tokens")]
_numbers = count(1)

Start = Callable[[], tuple[Host, Traps]]


@pytest.fixture
def start(site: Site, tmp_path: Path) -> Start:
    """Starts a trapped host whose clock finds every token due."""

    def started() -> tuple[Host, Traps]:
        traps = Traps(tmp_path / f"process-{next(_numbers)}")
        return site.start_host(traps=traps, clock_offset=DUE), traps

    return started


@pytest.fixture
def shot(simulator: Simulator, browser: Browser) -> Shot:
    """A view of somebody who signed in just now; its host is to be replaced."""
    browser.sign_in()
    return Shot("/dashboard", browser.http.cookies.get_dict())


def at(host: Host, shot: Shot) -> Shot:
    return Shot(host.url + shot.url, shot.cookies)


def test_every_step_of_a_refresh_has_its_four_points_in_order(start: Start, shot: Shot) -> None:
    host, traps = start()
    traps.arm(Trap("*", Act.NOTE, times=None))
    assert fire(at(host, shot)).status == 200
    assert [hit.point for hit in traps.hits()] == [
        *four("connections.load_session"),
        *four("connections.touch"),
        *REFRESH,
    ]
    assert {hit.pid for hit in traps.hits()} == {host.child.pid}


@pytest.mark.parametrize(
    "point",
    [
        "connections.take_lease:before",
        "provider.refresh:sent",
        "provider.refresh:after",
        "connections.save_tokens:answered",
    ],
)
def test_a_process_is_killed_at_the_point_and_the_hit_is_on_record(
    start: Start, shot: Shot, simulator: Simulator, point: str
) -> None:
    """Its request gets no answer, and what had left before is done: the provider counts the refresh or not."""
    host, traps = start()
    traps.arm(Trap(point, Act.KILL))
    before = refreshes(simulator)
    assert fire(at(host, shot)).status == 0
    assert [(hit.point, hit.act, hit.pid) for hit in traps.hits()] == [(point, Act.KILL, host.child.pid)]
    assert host.child.stop() == -signal.SIGKILL
    reached = REFRESH.index(point) >= REFRESH.index("provider.refresh:sent")
    ends = time.monotonic() + 5
    while refreshes(simulator) == before and reached and time.monotonic() < ends:
        time.sleep(0.02)
    assert refreshes(simulator) - before == reached


def test_a_stopped_process_answers_when_it_is_resumed(start: Start, shot: Shot) -> None:
    host, traps = start()
    traps.arm(Trap("provider.refresh:before", Act.STOP))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(fire, at(host, shot))
        traps.wait()
        time.sleep(0.5)
        assert not asked.done()
        host.child.resume()
        assert asked.result().status == 200


def test_traps_can_be_armed_and_disarmed_while_the_process_runs(start: Start, shot: Shot) -> None:
    """A sleep slows one thread down; without traps nothing is recorded."""
    host, traps = start()
    assert fire(at(host, shot)).status == 200
    traps.arm(Trap("connections.load_session:before", Act.SLEEP, seconds=0.4, times=None))
    assert fire(at(host, shot)).seconds >= 0.4
    traps.arm()
    assert fire(at(host, shot)).status == 200
    assert len(traps.hits()) == 1


def test_a_trap_waits_for_its_turn_and_springs_no_more_often_than_it_says(tmp_path: Path) -> None:
    sprung: list[Trap] = []
    traps = Traps(tmp_path)
    wire = Tripwire(traps.setting, act=sprung.append)
    wire.reach("due.put:before")
    traps.arm(Trap("due.*:before", Act.NOTE, after=1, times=2))
    for _ in range(5):
        wire.reach("due.put:before")
        wire.reach("due.put:after")
    assert [hit.point for hit in traps.hits()] == ["due.put:before"] * 2
    assert len(sprung) == 2


def test_a_volley_is_in_flight_all_at_once(host: Host, simulator: Simulator, shot: Shot) -> None:
    simulator.settings(api_latency=1)
    replies = volley([at(host, shot)] * 20)
    assert [reply.status for reply in replies] == [200] * 20
    assert max(reply.began for reply in replies) < min(reply.ended for reply in replies)


def refreshes(simulator: Simulator) -> int:
    return sum(held["refreshes"] for held in simulator.tokens()["users"].values())
