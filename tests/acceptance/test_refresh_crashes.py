"""Killed or paused at any point of a refresh, or left without the answer: nobody loses more than the provider makes
them lose, the next request mends it, and whoever must sign in again is told why."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from shared.models.custody import Connection, Status
from shared.oauth.provider import AZURE_DEVOPS, ENTRA
from tests.acceptance.refreshing import (
    CONTOSO,
    MODES,
    OVER,
    PAST_THE_LEASE,
    PEOPLE,
    SERVES,
    TOKEN_LIFE,
    Person,
    arrive,
    assert_in_order,
    connection_of,
    explains_sign_in,
    held,
    is_signed_out,
)
from tests.chaos_cases import Case
from tests.evidence import Report
from tests.site import Host, Simulator, Site, wait_for
from tools.chaos.arming import Act, Trap, Traps
from tools.chaos.volley import Reply, volley

POINTS = {
    "before the call": "provider.refresh:before",
    "request sent": "provider.refresh:sent",
    "response received": "provider.refresh:after",
    "row written": "connections.save_tokens:answered",
    "reply of the save seen": "connections.save_tokens:after",
}
RETRY = 6
"""Seconds after which a call without an answer is tried again."""
_numbers = count(1)


@dataclass
class Victim:
    """A process with a trap at a point of the refresh of one person's token."""

    point: str
    clock: float
    person: Person
    host: Host
    traps: Traps

    @property
    def written(self) -> bool:
        """Whether the new tokens were stored by then."""
        return self.point in ("row written", "reply of the save seen")


class Scene:
    """The site, and hosts by clock that are started once and never killed."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self._hosts: dict[float, Host] = {}

    def at(self, clock: float) -> Host:
        if clock not in self._hosts:
            self._hosts[clock] = self.site.start_host(clock_offset=clock, ENTRA_TENANT_ID=CONTOSO)
        return self._hosts[clock]

    def victims(self, wanted: Sequence[tuple[str, float]], act: Act, provider: str = AZURE_DEVOPS) -> list[Victim]:
        """One trapped process, and one person whose token is due, for each point and clock."""
        people = arrive(self.at(0), len(wanted), provider)
        found = []
        for (point, clock), person in zip(wanted, people, strict=True):
            traps = Traps(self.folder / f"process-{next(_numbers)}")
            traps.arm(Trap(POINTS.get(point, point), act))
            host = self.site.launch_host(traps=traps, clock_offset=clock, ENTRA_TENANT_ID=CONTOSO)
            found.append(Victim(point, clock, person, host, traps))
        wait_for([victim.host for victim in found])
        return found

    def calls(self, people: Sequence[Person]) -> list[int]:
        """The refreshes that each asked for, once none is under way any more."""
        while True:
            calls = [call for call in self.site.simulator.calls("/token") if call["grant"] == "refresh_token"]
            if all(call["done"] for call in calls):
                by_user = Counter(call["user"] for call in calls)
                return [by_user[person.name] for person in people]
            time.sleep(0.02)


@pytest.fixture(scope="module")
def scene(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    site.simulator.settings(people_count=PEOPLE)
    return Scene(site, tmp_path_factory.mktemp("traps"))


def outcome(reply: Reply, again: Reply, stored: Connection, calls: tuple[int, int]) -> str:
    """What became of a person: the two answers that they got afterwards, the row, and further token calls."""
    loops = calls[1] != calls[0] or stored.lease is not None
    if loops or is_signed_out(reply) or is_signed_out(again) or reply.status != again.status:
        return f"wrong: {reply.status}, {again.status}, calls {calls}, lease {stored.lease is not None}"
    if (reply.status, stored.status, stored.generation) == (200, Status.LIVE, 2):
        return "recovered"
    if explains_sign_in(reply) and (stored.status, stored.generation) == (Status.SUSPECT, 1):
        return "told to sign in again"
    return f"wrong: {reply.status} {stored.status} {stored.generation}"


def expected_outcome(mode: str, lost: bool) -> str:
    """Lost: the provider spent the old token, and the new one is nowhere.

    In `strict` a second try ends the family, and with it the access token that served until then.
    """
    return "told to sign in again" if lost and mode == "strict" else "recovered"


def succeed(scene: Scene, at: Sequence[tuple[Person, Host]]) -> tuple[list[Reply], list[str]]:
    """Each person asks twice at another process; the answers, and what became of each."""
    people = [person for person, _ in at]
    first = volley(person.asks(host) for person, host in at)
    calls = scene.calls(people)
    second = volley(person.asks(host) for person, host in at)
    outcomes = [
        outcome(*answers, connection_of(scene.site.storage, person), counts)
        for person, answers, counts in zip(
            people, zip(first, second, strict=True), zip(calls, scene.calls(people), strict=True), strict=True
        )
    ]
    return [*first, *second], outcomes


def crash(scene: Scene, victims: Sequence[Victim]) -> list[bool]:
    """Everybody asks, every process dies; whose new tokens are nowhere. The intent is on record."""
    answers = volley(victim.person.asks(victim.host) for victim in victims)
    assert [answer.status for answer in answers] == [0] * len(victims)
    for victim in victims:
        (hit,) = victim.traps.hits()
        assert (hit.point, hit.pid) == (POINTS[victim.point], victim.host.child.pid)
        victim.host.child.stop()
        stored = connection_of(scene.site.storage, victim.person)
        assert stored.generation == 1 + victim.written
        assert victim.written or (stored.lease is not None and " 1 " in stored.lease.intent)
    scene.calls([])
    spent = [each["refreshes"] > 0 for each in held(scene.site.simulator, [victim.person for victim in victims])]
    return [used and not victim.written for used, victim in zip(spent, victims, strict=True)]


@pytest.mark.acceptance("R4")
@pytest.mark.parametrize("mode", [*MODES, ENTRA])
def test_a_process_killed_at_any_point_costs_nobody_more_than_the_provider_makes_it_cost(
    scene: Scene, simulator: Simulator, amount: Callable[..., int], evidence: Report, fault_case: Case, mode: str
) -> None:
    """SIGKILL at five points; the next request is another process's, its clock past the lease, some of it in real time.

    Nobody is signed out, no lease is left, nothing loops. In `strict`, between the provider's commit and our write, the
    second try ends the family; the person is told, and keeps the session.
    """
    runs = amount("R4") // (len(POINTS) * len(MODES))
    if mode == ENTRA:
        runs = max(runs // 5, 1)
    in_real_time = mode != ENTRA and (mode == "grace30" or runs > 10)
    provider = ENTRA if mode == ENTRA else AZURE_DEVOPS
    simulator.settings(reuse=mode if mode in MODES else "strict")
    clocks = [(SERVES, OVER)[run % 2] for run in range(runs - in_real_time)]
    seen: Counter[tuple[str, str, str]] = Counter()
    wanted: Counter[tuple[str, str, str]] = Counter()
    replies: list[Reply] = []
    pids = set[int]()

    def judge(victims: Sequence[Victim], ahead: float) -> list[Reply]:
        lost = crash(scene, victims)
        pids.update(victim.host.child.pid for victim in victims)
        waves = [[0, 1, 2, 3, 4]] if mode != "strict" else [[1, 2], [0, 3, 4]]
        answers: list[Reply] = []
        for wave in waves:  # three suspects without a success between them would be taken for our own fault
            chosen = [n for n, victim in enumerate(victims) if list(POINTS).index(victim.point) in wave]
            at = [(victims[n].person, scene.at(victims[n].clock + ahead)) for n in chosen]
            replies_of, outcomes = succeed(scene, at)
            answers += replies_of
            for n, found in zip(chosen, outcomes, strict=True):
                state = "serves" if victims[n].clock < TOKEN_LIFE else "over"
                seen[victims[n].point, state, found] += 1
                wanted[victims[n].point, state, expected_outcome(mode, lost[n])] += 1
        return answers

    with ThreadPoolExecutor(1) as aside:
        slow = None
        if in_real_time:
            there = scene.victims([(point, OVER - 1) for point in POINTS], Act.KILL, provider)
            scene.at(OVER - 1)  # a process of its own, so that the others don't disturb it
            slow = aside.submit(judge, there, 0)
        for pair in range(0, len(clocks), 2):
            wishes = [(point, clock) for clock in clocks[pair : pair + 2] for point in POINTS]
            replies += judge(scene.victims(wishes, Act.KILL, provider), PAST_THE_LEASE)
        if slow:
            late = slow.result()
            assert max(reply.seconds for reply in late) <= 20
            replies += late
    for point in POINTS:
        tally = {f"{state}: {what}": n for (at, state, what), n in sorted(seen.items()) if at == point}
        aim = {f"{state}: {what}": n for (at, state, what), n in sorted(wanted.items()) if at == point}
        fault_case(f"R4 {mode}, killed: {point}", injected=sum(tally.values()), expected=aim, observed=tally)
    assert_in_order(scene.site, replies, ahead=OVER + PAST_THE_LEASE, killed=killed(scene))
    evidence(cases=sum(seen.values()), faults=len(pids), processes={*pids, scene.at(0).child.pid})


@pytest.mark.acceptance("R4")
def test_a_successor_gives_the_write_of_a_slow_holder_a_second(
    scene: Scene, simulator: Simulator, evidence: Report, fault_case: Case
) -> None:
    """In `strict`: its lease is over, its write lands half a second later; the successor re-reads, and asks nobody."""
    simulator.settings(reuse="strict")
    holders = scene.victims([("connections.save_tokens:before", clock) for clock in (SERVES, OVER)], Act.NOTE)
    for holder in holders:
        holder.traps.arm(Trap(holder.point, Act.SLEEP, seconds=3))
    people = [holder.person for holder in holders]
    successors = [scene.at(holder.clock + PAST_THE_LEASE) for holder in holders]
    with ThreadPoolExecutor(1) as aside:
        slow = aside.submit(volley, [holder.person.asks(holder.host) for holder in holders])
        sleeping = max(hit.at for holder in holders for hit in holder.traps.wait())
        time.sleep(max(sleeping + 2.5 - time.time(), 0))
        replies = [*volley(it.asks(host) for it, host in zip(people, successors, strict=True)), *slow.result()]
    fault_case(
        "R4 strict: the write of a slow holder lands after its lease",
        injected=sum(len(holder.traps.hits()) for holder in holders),
        expected={"answers": {200}, "calls": [1, 1], "generations": [2, 2]},
        observed={
            "answers": {reply.status for reply in replies},
            "calls": scene.calls(people),
            "generations": [connection_of(scene.site.storage, person).generation for person in people],
        },
    )
    assert_in_order(scene.site, replies, ahead=OVER + PAST_THE_LEASE, killed=killed(scene))
    evidence(processes=[each.child.pid for each in (holders[0].host, successors[0])])


def killed(scene: Scene) -> list[Host]:
    return [host for host in scene.site.hosts if not host.child.alive]


CALLS_IN_ALL = {
    "connections.take_lease:before": 1,
    "provider.refresh:before": 1,
    "provider.refresh:after": 2,
    "connections.take_lease:after": 1,
    "provider.refresh:sent": 2,
    "connections.save_tokens:before": 2,
}
"""Where the holder is paused, and the token calls of holder and successor together: before its own it makes none."""
SLICE = 3
PAUSES = [
    (mode, clock, point)
    for mode in ("grace30", "prev-until-used")
    for clock in (OVER, SERVES)
    for point in CALLS_IN_ALL
]


@pytest.mark.acceptance("R3")
def test_a_holder_that_was_paused_beyond_its_lease_overwrites_nothing_and_calls_no_more(
    scene: Scene, simulator: Simulator, amount: Callable[..., int], evidence: Report, fault_case: Case
) -> None:
    """SIGSTOP at six points, another process finishes, SIGCONT: its late write is refused, the newest token stays.

    The whole run pauses for 40 s of real time; the slice has a successor whose clock is past the lease.
    """
    whole = amount("R3") > SLICE
    chosen = PAUSES if whole else PAUSES[:SLICE]
    pids = set[int]()
    for mode in ("grace30", "prev-until-used"):
        wishes = [(point, clock) for each, clock, point in chosen if each == mode]
        if not wishes:
            continue
        simulator.settings(reuse=mode)
        holders = scene.victims(wishes, Act.STOP)
        people = [holder.person for holder in holders]
        ahead = 0 if whole else PAST_THE_LEASE
        successors = [scene.at(holder.clock + ahead) for holder in holders]
        with ThreadPoolExecutor(1) as aside:
            under_way = aside.submit(volley, [holder.person.asks(holder.host) for holder in holders])
            for holder in holders:
                holder.traps.wait()
            stopped = time.monotonic()
            time.sleep(PAST_THE_LEASE if whole else 0)
            replies = volley(person.asks(host) for person, host in zip(people, successors, strict=True))
            newest = [connection_of(scene.site.storage, person) for person in people]
            time.sleep(max(stopped + (40 if whole else 9) - time.monotonic(), 0))
            for holder in holders:
                holder.host.child.resume()
            replies += under_way.result()
        provider = held(simulator, people)
        calls = scene.calls(people)
        fault_case(
            f"R3 {mode}: paused {len(holders)} holders",
            injected=sum(len(holder.traps.hits()) for holder in holders),
            expected={
                "answers": {200},
                "generations": {2},
                "newest token kept": True,
                "replays": 0,
                "calls": CALLS_IN_ALL,
            },
            observed={
                "answers": {reply.status for reply in replies},
                "generations": {connection.generation for connection in newest},
                "newest token kept": newest == [connection_of(scene.site.storage, person) for person in people],
                "replays": sum(each["replays"] for each in provider),
                "calls": CALLS_IN_ALL
                | {
                    f"{holder.point} at {holder.clock}": n
                    for holder, n in zip(holders, calls, strict=True)
                    if n != CALLS_IN_ALL[holder.point]
                },
            },
        )
        pids |= {holder.host.child.pid for holder in holders} | {host.child.pid for host in successors}
        assert_in_order(scene.site, replies, ahead=OVER + PAST_THE_LEASE, killed=killed(scene))
    evidence(cases=len(chosen), faults=len(chosen), processes=pids)


@pytest.mark.acceptance("R6")
@pytest.mark.parametrize("mode", [*MODES, ENTRA])
def test_an_answer_that_got_lost_is_asked_for_once_more_with_the_old_token(
    scene: Scene, simulator: Simulator, amount: Callable[..., int], evidence: Report, fault_case: Case, mode: str
) -> None:
    """The provider commits and drops its answer: meanwhile the stored token serves, or 503; then one more try."""
    runs = amount("R6") // len(MODES)
    provider = ENTRA if mode == ENTRA else AZURE_DEVOPS
    simulator.settings(reuse=mode if mode in MODES else "strict")
    people = arrive(scene.at(0), runs, provider)
    clocks = [(SERVES, OVER)[n % 2] for n in range(runs)]
    drop = {"commit_then_drop": True}
    simulator.faults(
        *({"match": {"user": it.name, "grant": "refresh_token"}, "times": 1, "action": drop} for it in people)
    )
    meanwhile = volley(person.asks(scene.at(clock)) for person, clock in zip(people, clocks, strict=True))
    assert [reply.status for reply in meanwhile] == [200 if clock < TOKEN_LIFE else 503 for clock in clocks]
    assert not any(map(is_signed_out, meanwhile))
    replies, seen = list(meanwhile), Counter[str]()
    step = 2 if mode == "strict" else runs
    for start in range(0, runs, step):
        at = [(people[n], scene.at(clocks[n] + RETRY)) for n in range(start, min(start + step, runs))]
        answers, outcomes = succeed(scene, at)
        replies += answers
        seen.update(outcomes)
        if mode == "strict":
            for clock in (SERVES, OVER):  # a success, so that the suspects are not taken for our own fault
                replies += volley(it.asks(scene.at(clock + RETRY)) for it in arrive(scene.at(0)))
    fault_case(
        f"R6 {mode}: answers of the provider lost",
        injected=simulator.injected(),
        expected={expected_outcome(mode, lost=True): runs},
        observed=seen,
    )
    assert scene.calls(people) == [2] * runs
    assert_in_order(scene.site, replies, ahead=OVER + PAST_THE_LEASE, killed=killed(scene))
    evidence(cases=runs, faults=simulator.injected())
