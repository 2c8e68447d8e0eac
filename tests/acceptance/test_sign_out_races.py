"""V2: whatever runs against a sign-out, nothing is left: no row of tokens, no session, no token that still serves."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import batched, count, cycle, islice

import pytest
import requests

from shared.web import csrf
from tests.acceptance.revoking import Fleet, left_here, left_there
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site, tick
from tools.chaos.arming import Act, Trap
from tools.chaos.clock import MovableClock
from tools.run import processes

IDP_DELAY = 2
AT_ONCE = 40
PER_TICK = 8
"""The timer looks at so many people at once."""
DUE = timedelta(minutes=56)
"""After so much of an hour a token is due for a request, and still serves."""
NOT_YET_DUE = timedelta(minutes=40)
SEEN_AGAIN = timedelta(minutes=11)
"""After so long a visit is noted anew."""
ANSWERS = {200, 303, 401, 503}
_numbers = count(1)

Action = Callable[[], requests.Response]


@dataclass
class Person:
    """Somebody with two sessions: `here` on one process, `there` on the other."""

    name: str
    here: Browser
    there: Browser

    @property
    def user_id(self) -> str:
        return self.here.session_cookie[:32]


def elsewhere(browser: Browser, base: str) -> Browser:
    """The same browser at another process; what happens to its cookies there is its own matter."""
    copied = Browser(base)
    copied.http.cookies.update(browser.http.cookies)
    return copied


def leaving(browser: Browser, path: str = "/auth/logout") -> Action:
    token = csrf.token(browser.session_cookie[32:])
    return lambda: browser.post(path, token)


def looking(browser: Browser) -> Action:
    """A view that finds its token due."""
    return lambda: browser.api("/dashboard")


def returning(browser: Browser, person: Person) -> Action:
    """The last step of a sign-in of this person, already consented to."""
    callback = browser.consent(browser.begin(), person.name)
    return lambda: browser.get(callback)


@dataclass(frozen=True)
class Race:
    """What is done at once, and how many sessions the person has before; whether a new one may come of it.

    `spread` is in seconds: sign-outs alone take milliseconds, so that they meet only when they begin together.
    """

    runners: Callable[[Person], Sequence[Action]]
    sessions: int
    may_sign_in: bool = False
    spread: float = IDP_DELAY + 0.3


def other_process(person: Person) -> Browser:
    return elsewhere(person.here, person.there.base)


def a_new_browser(person: Person) -> Action:
    return returning(Browser(person.there.base), person)


def this_browser_again(person: Person) -> Action:
    return returning(other_process(person), person)


RACES = {
    "logout, refresh": Race(lambda it: [looking(other_process(it)), leaving(it.here)], 1),
    "logout, callback of another browser": Race(lambda it: [a_new_browser(it), leaving(it.here)], 1, True),
    "logout, callback of the same browser": Race(lambda it: [this_browser_again(it), leaving(it.here)], 1, True),
    "logout, logout of the last other": Race(lambda it: [leaving(it.there), leaving(it.here)], 2, spread=0),
    "disconnect, refresh of the other": Race(lambda it: [looking(it.there), leaving(it.here, "/auth/disconnect")], 2),
    "disconnect, logout of the last other": Race(
        lambda it: [leaving(it.there), leaving(it.here, "/auth/disconnect")], 2, spread=0
    ),
    "disconnect, callback, refresh": Race(
        lambda it: [looking(other_process(it)), a_new_browser(it), leaving(it.here, "/auth/disconnect")], 1, True
    ),
}
TIMER_RACE = Race(lambda it: [leaving(it.here)], 1)


@pytest.fixture(scope="module")
def fleet(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    site.simulator.settings(people_count=250)
    folder = tmp_path_factory.mktemp("fleet")
    return Fleet(site, folder, MovableClock(folder / "clock"))


@pytest.fixture(scope="module")
def pair(fleet: Fleet) -> list[Host]:
    """Two processes with threads for a whole batch, so that nobody waits for a turn."""
    hosts = [fleet.launch(PYTHON_THREADPOOL_THREAD_COUNT="64").host for _ in range(2)]
    for host in hosts:
        processes.wait_listening(host.child)
    return hosts


@pytest.mark.acceptance("V2")
def test_what_runs_against_a_sign_out_leaves_nothing_alive(
    fleet: Fleet, pair: list[Host], simulator: Simulator, amount: Callable[[str], int], evidence: Report
) -> None:
    """Hundreds of people at once on two processes, with a token service that takes two seconds."""
    simulator.settings(revoke=True)
    with_timer = amount("V2") // (len(RACES) + 1)
    kinds = list(islice(cycle(RACES), amount("V2") - with_timer))
    seen: Counter[str] = Counter()
    for batch in batched(kinds, AT_ONCE, strict=False):
        seen += raced(fleet, pair, [(kind, RACES[kind]) for kind in batch])
    for batch in batched(range(with_timer), PER_TICK, strict=False):
        seen += raced(fleet, pair, [("logout, timer", TIMER_RACE)] * len(batch), with_timer=True)
    assert seen["lost to the sign-out"] >= 2, f"nothing was at once: {seen}"
    assert seen["refreshed by the timer"] >= 1, seen
    evidence(cases=len(kinds) + with_timer, processes=[host.child.process.pid for host in pair])


@pytest.mark.acceptance("V2")
def test_a_view_that_was_about_to_note_its_visit_brings_no_session_back(
    fleet: Fleet, pair: list[Host], simulator: Simulator, evidence: Report
) -> None:
    """Its process is stopped before it writes `seen_at`, until the sign-out at another one is over."""
    simulator.settings(revoke=True, token_latency=0)
    held = fleet.launch()
    processes.wait_listening(held.host.child)
    person = signed_in(pair, 1)
    user = person.user_id
    late = elsewhere(person.here, held.host.url)
    fleet.clock.advance(SEEN_AGAIN)
    held.traps.arm(Trap("connections.touch:before", Act.STOP))
    with ThreadPoolExecutor(1) as aside:
        view = aside.submit(looking(late))
        held.traps.wait()
        assert leaving(person.here)().status_code == 303
        held.host.child.resume()
        assert view.result().status_code in ANSWERS
    fleet.settle(pair[0], [user])
    assert left_here(fleet, [user]) == []
    assert left_there(simulator, [person.name]) == []
    assert fleet.findings([*pair, held.host]) == []
    evidence(cases=1, processes=[held.host.child.process.pid])


def raced(
    fleet: Fleet, pair: list[Host], races: Sequence[tuple[str, Race]], *, with_timer: bool = False
) -> Counter[str]:
    """Run a batch of races and check that nothing is left of anybody; counts of what came of them."""
    simulator = fleet.site.simulator
    simulator.settings(token_latency=0)
    simulator.clear_calls()
    with ThreadPoolExecutor(8) as pool:
        people = list(pool.map(lambda race: signed_in(pair, race[1].sessions), races))
    users = [person.user_id for person in people]
    if with_timer:  # whoever left in the batches before is looked at first, so that the race is with these people
        fleet.clock.advance(NOT_YET_DUE)
        tick(pair[1])
    fleet.clock.advance(DUE - NOT_YET_DUE if with_timer else DUE)
    runners = [race.runners(person) for (_, race), person in zip(races, people, strict=True)]
    simulator.settings(token_latency=IDP_DELAY)
    jitter = random.Random(len(users))
    with ThreadPoolExecutor(3 * len(races) + 1) as pool:
        timer = pool.submit(tick, pair[1]) if with_timer else None
        done = [
            [pool.submit(after, jitter.uniform(0, race.spread), run) for run in runs]
            for (_, race), runs in zip(races, runners, strict=True)
        ]
        replies = [[each.result() for each in runs] for runs in done]
        report = timer.result() if timer else {}
    simulator.settings(token_latency=0)
    for (kind, _), runs in zip(races, replies, strict=True):
        assert {reply.status_code for reply in runs} <= ANSWERS, (kind, [reply.text[:300] for reply in runs])
    check_ended(fleet, races, users)
    return_and_leave(replies)
    fleet.settle(pair[0], users)
    names = [person.name for person in people]
    assert left_here(fleet, users) == []
    assert left_there(simulator, names) == []
    assert newest_never_revoked(simulator, names) == []
    assert fleet.findings(pair) == []
    looks = [reply for runs in replies for reply in runs if reply.url.endswith("/dashboard")]
    lost = sum(reply.status_code == 401 for reply in looks)
    return Counter({"lost to the sign-out": lost, "refreshed by the timer": report.get("refreshed", 0)})


def signed_in(pair: Sequence[Host], sessions: int) -> Person:
    here, there = (Browser(host.url) for host in pair)
    person = Person(f"user{next(_numbers):04}", here, there)
    here.sign_in(person.name)
    if sessions == 2:
        there.sign_in(person.name)
    return person


def after(seconds: float, run: Action) -> requests.Response:
    time.sleep(seconds)
    return run()


def check_ended(fleet: Fleet, races: Sequence[tuple[str, Race]], users: Sequence[str]) -> None:
    """Where nobody could come back in, all is over without another step."""
    for (kind, race), (user, record) in zip(races, fleet.records(users).items(), strict=True):
        if not race.may_sign_in:
            assert (record.sessions, record.connection) == ((), None), (kind, user)


def return_and_leave(replies: Sequence[Sequence[requests.Response]]) -> None:
    """Whoever came back in by a callback leaves once more."""
    for reply in (reply for runs in replies for reply in runs):
        session = reply.cookies.get("gatehouse-session")
        if session:
            browser = Browser(reply.url.partition("/auth/")[0])
            browser.http.cookies.set("gatehouse-session", session, domain="127.0.0.1", path="/")
            assert leaving(browser)().status_code == 303


def newest_never_revoked(simulator: Simulator, people: Sequence[str]) -> list[str]:
    """Families whose last tokens nobody asked to revoke: they may be known only to who got them and lost the race."""
    sent = {call["token"] for call in simulator.calls("/oauth2/revoke")}
    users = simulator.tokens()["users"]
    newest = [
        (who, family[kind][-1]["digest"][:8])
        for who in people
        for family in users[who]["families"]
        for kind in ("refresh_tokens", "access_tokens")
    ]
    return [f"{who}: {digest}" for who, digest in newest if digest not in sent]
