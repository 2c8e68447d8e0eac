"""S6: every flow of the design, step by step at the store: what it writes, and what a kill between two steps leaves."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest

from tests.acceptance import writes
from tests.acceptance.flows import SETTLED, Flow, Played, here
from tests.acceptance.flows_of_people import FLOWS_OF_PEOPLE
from tests.acceptance.flows_of_the_timer import FLOWS_OF_THE_TIMER
from tests.acceptance.revoking import Fleet, Trapped, left_there
from tests.acceptance.stage import Seen, Settings, Stage
from tests.chaos_cases import Case
from tests.evidence import Report
from tests.site import Site, wait_for
from tools.chaos.arming import Act, Trap
from tools.chaos.clock import MovableClock
from tools.chaos.storage_proxy import Operation, StorageProxy

ALL = (*FLOWS_OF_PEOPLE, *FLOWS_OF_THE_TIMER)
AHEAD = 2
"""So many hosts start before they are needed."""
READS = ("connections.load", "connections.load_session")
PURGE = "logins.purge"
"""Asks what there is and deletes that, if anything; every other step at the store is one request."""
KILLED = -9


@dataclass(frozen=True)
class Step:
    """What left the process: a step of a flow, at which of the points it passes it begins, is answered and ends."""

    name: str
    number: int
    begins: int
    answered: tuple[int, ...]
    ends: int

    @property
    def mark(self) -> str:
        return self.name if self.number == 1 else f"{self.name} {self.number}"

    @property
    def writes(self) -> bool:
        return self.name not in READS and not self.name.startswith("provider.")


@dataclass(frozen=True)
class Point:
    """A place to die: the nth time at which a point is passed."""

    at: int
    name: str
    nth: int

    def __str__(self) -> str:
        return f"{self.name} {self.nth}" if self.nth > 1 else self.name


@dataclass(frozen=True)
class Walk:
    """A flow as it went undisturbed: the points it passed, what it asked of the store, and what stood there then."""

    passed: Sequence[str]
    operations: Sequence[Operation]
    played: Played
    seen: Seen
    findings: Sequence[str]

    @property
    def steps(self) -> list[Step]:
        """Those in which something was sent."""
        found: list[Step] = []
        numbers = Counter[str]()
        begun = [at for at, point in enumerate(self.passed) if point.endswith(":before")]
        for begins, ends in pairwise([*begun, len(self.passed)]):
            name = self.passed[begins].partition(":")[0]
            answered = tuple(at for at in range(begins, ends) if self.passed[at] == f"{name}:answered")
            if answered:
                numbers[name] += 1
                found.append(Step(name, numbers[name], begins, answered, ends - 1))
        return found

    def points(self, first: str) -> list[Point]:
        """Before each step, where it is done and nobody here knows, and after the last; from the step `first` on."""
        steps = self.steps
        start = next((it for it, step in enumerate(steps) if step.name == first), 0)
        places = [place for step in steps[start:] for place in (step.begins, *step.answered)]
        return [self._point(place) for place in [*places, steps[-1].ends]]

    def before_the_last_write(self) -> Point:
        """Where most is done and something is missing."""
        marked = [step for step in self.steps if step.writes and self.played.marks.get(step.mark)]
        return self._point(marked[-1].begins)

    def _point(self, at: int) -> Point:
        return Point(at, self.passed[at], self.passed[: at + 1].count(self.passed[at]))


class Observer:
    """Plays each flow once, undisturbed, at a host whose points are noted and whose operations pass a proxy."""

    def __init__(self, stage: Stage, storage: StorageProxy) -> None:
        self._stage = stage
        self._storage = storage
        self._hosts: dict[frozenset[tuple[str, str | None]], Trapped] = {}
        self._walks: dict[str, Walk] = {}

    def walk(self, flow: Flow) -> Walk:
        if flow.name not in self._walks:
            self._walks[flow.name] = self._play(flow, self._host(flow.settings))
        return self._walks[flow.name]

    def _play(self, flow: Flow, at: Trapped) -> Walk:
        self._stage.reset()
        played = flow.begin(self._stage)
        noted, asked = len(at.traps.hits()), len(self._storage.arrivals)
        at.traps.arm(*flow.held, Trap("*", Act.NOTE, times=None))
        played.run(at)
        at.traps.arm()
        passed = [hit.point for hit in at.traps.hits()[noted:]]
        operations = [operation for _, operation in self._storage.arrivals[asked:]]
        return Walk(passed, operations, played, self._stage.seen(), self._stage.findings())

    def _host(self, settings: Settings) -> Trapped:
        wanted = frozenset(settings.items())
        if wanted not in self._hosts:
            way = {"AzureWebJobsStorage": self._storage.connection_string}
            self._hosts[wanted] = self._stage.launch({**settings, **way})
            wait_for([self._hosts[wanted].host])
        return self._hosts[wanted]


class Victims:
    """Hosts to kill, one at a time; while one dies the next ones start."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._starting = deque[Trapped]()

    def take(self, settings: Settings) -> Trapped:
        """One that listens."""
        if settings:
            taken = self._stage.launch(settings)
        else:
            self._starting.extend(self._stage.launch({}) for _ in range(AHEAD + 1 - len(self._starting)))
            taken = self._starting.popleft()
        wait_for([taken.host])
        return taken


@pytest.fixture(scope="module")
def stage(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("stage")
    return Stage(Fleet(site, folder, MovableClock(folder / "clock")))


@pytest.fixture(scope="module")
def observer(stage: Stage, storage: StorageProxy) -> Observer:
    return Observer(stage, storage)


@pytest.fixture(scope="module")
def victims(stage: Stage) -> Victims:
    return Victims(stage)


@pytest.mark.acceptance("S6")
@pytest.mark.parametrize("flow", ALL, ids=str)
def test_a_flow_takes_the_steps_of_the_design_and_each_write_is_one_conditional_operation(
    observer: Observer, flow: Flow, evidence: Report
) -> None:
    """Or one transaction of one partition; what may not create a row fails when it is gone. All is done at the end."""
    walk = observer.walk(flow)
    steps = walk.steps
    assert tuple(step.name for step in steps) == flow.steps
    assert {step.mark for step in steps if step.writes} - {PURGE} <= set(walk.played.marks)
    at_the_store = [step for step in steps if not step.name.startswith("provider.")]
    assert [step.mark for step in at_the_store if step.name != PURGE and len(step.answered) != 1] == []
    purged = sum(len(step.answered) - 1 for step in steps if step.name == PURGE)
    written = [operation for operation in walk.operations if writes.is_write(operation)]
    assert len(written) == purged + sum(step.writes for step in steps if step.name != PURGE)
    assert [broken for operation in written for broken in writes.broken_rules(operation)] == []
    assert [mark for mark, holds in walk.played.marks.items() if holds and not holds(walk.seen)] == []
    assert walk.findings == []
    evidence(cases=len(written))


@pytest.mark.acceptance("S6")
@pytest.mark.parametrize("flow", ALL, ids=str)
def test_killed_between_any_two_steps_a_flow_leaves_nothing_that_is_not_looked_at_in_time(
    pytestconfig: pytest.Config,
    stage: Stage,
    observer: Observer,
    victims: Victims,
    flow: Flow,
    evidence: Report,
    fault_case: Case,
) -> None:
    """SIGKILL before each step, where it is done and not known to be, and after the last one.

    The store holds exactly the steps that were done, with a hint at or before everybody's due time. After the next
    request or run of the timer no lease is left, the flow is at its end, and nobody is signed out who did not leave.
    """
    walk = observer.walk(flow)
    whole = pytestconfig.getoption("full") or pytestconfig.getoption("chaos")
    chosen = walk.points(flow.first) if whole else [walk.before_the_last_write()]
    observed = Counter[str]()
    pids = set[int]()
    for point in chosen:
        victim = victims.take(flow.settings)
        pids.add(victim.host.child.pid)
        played = die(stage, flow, point, victim)
        wrong = [*left(stage, walk, played, point), *mended(stage, flow, played)]
        observed.update([f"{point}: {word}" for word in wrong] or ["in order"])
    fault_case(f"S6 {flow}: killed", injected=len(pids), expected={"in order": len(chosen)}, observed=dict(observed))
    evidence(cases=len(chosen), faults=len(pids), processes=pids)


def die(stage: Stage, flow: Flow, point: Point, victim: Trapped) -> Played:
    """Play the flow with somebody new at a process that does not survive the point."""
    stage.reset()
    played = flow.begin(stage)
    victim.traps.arm(*flow.held, Trap(point.name, Act.KILL, after=point.nth - 1))
    played.run(victim)
    assert victim.host.child.stop() == KILLED, f"{point} was not reached"
    hit = victim.traps.hits()[-1]
    assert (hit.point, hit.act, hit.pid) == (point.name, Act.KILL, victim.host.child.pid)
    return played


def left(stage: Stage, walk: Walk, played: Played, point: Point) -> Iterator[str]:
    """What is wrong with the store right after a kill: steps too many or too few, a hint too late, a readable token."""
    seen = stage.seen()
    yield from stage.findings()
    for step in walk.steps:
        holds = played.marks.get(step.mark)
        if holds and holds(seen) != (point.at >= step.answered[-1]):
            yield f"{step.mark} is {'done' if holds(seen) else 'not done'}"


def mended(stage: Stage, flow: Flow, played: Played) -> Iterator[str]:
    """What is wrong after the next request, or the next runs of the timer."""
    keeper = stage.keeper(flow.settings)
    stage.advance(SETTLED)
    for browser in played.stays:
        answer = here(browser, keeper).get("/dashboard")
        if answer.status_code != 200:
            yield f"somebody who stays is answered {answer.status_code}"
    played.go_on(keeper)
    stage.settle(flow.settings)
    if not played.done(stage.seen()):
        yield "the flow never ends"
    yield from stage.findings()
    yield from left_there(stage.site.simulator, played.leaves)
