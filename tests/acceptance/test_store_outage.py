"""The store is stopped under load: everybody is told to wait, nobody is signed out, and nobody has to do anything for
its return (S3)."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.acceptance.refreshing import PEOPLE, Person, arrive, assert_in_order, is_signed_out
from tests.chaos_cases import Case
from tests.evidence import Report
from tests.site import Browser, Host, Site, start_site
from tools.chaos.volley import Reply, Shot, fire
from tools.run import azurite as emulator
from tools.run import processes

BACK_WITHIN = 10
CLIENTS = 12
PATHS = ("/account", "/dashboard", "/", "/org/contoso-labs/projects", "/auth/logout")
PACE = 0.05
"""Seconds that a client reads a page: the load is to be on the store, not on this machine."""


@dataclass
class Store:
    """An Azurite of our own, which keeps its rows through a stop and comes back at the same address."""

    folder: Path
    port: int = field(default_factory=processes.free_port)

    def __post_init__(self) -> None:
        self._running = self._start()
        emulator.create_tables(self.connection_string)

    @property
    def connection_string(self) -> str:
        return self._running.connection_string

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """While the block runs there is no process that could answer."""
        self._running.child.stop()
        try:
            yield
        finally:
            self._running = self._start()

    def close(self) -> None:
        self._running.child.stop()

    def _start(self) -> emulator.Azurite:
        return emulator.start_azurite(self.folder / "azurite.log", data=self.folder / "data", table_port=self.port)


@pytest.fixture(scope="module")
def store(azurite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Beside the one of all tests, which says when Azurite is missing."""
    assert azurite
    own = Store(tmp_path_factory.mktemp("store"))
    yield own
    own.close()


@pytest.fixture(scope="module")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    started = start_site(tmp_path_factory.mktemp("site"), store.connection_string)
    started.simulator.settings(people_count=PEOPLE)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def pair(site: Site) -> list[Host]:
    return site.start_hosts(2, PYTHON_THREADPOOL_THREAD_COUNT="32")


class Load:
    """Everybody looks at page after page, at one process and the other, until it is enough."""

    def __init__(self, hosts: Iterable[Host], people: Iterable[Person]) -> None:
        self._hosts = list(hosts)
        self._people = list(people)
        self._enough = threading.Event()
        self._replies: list[Reply] = []

    @contextmanager
    def running(self) -> Iterator[list[Reply]]:
        """The replies so far; all of them when the block has ended."""
        with ThreadPoolExecutor(len(self._people)) as pool:
            clients = [pool.submit(self._look, person) for person in self._people]
            try:
                yield self._replies
            finally:
                self._enough.set()
        for client in clients:
            client.result()

    def _look(self, person: Person) -> None:
        for number, (host, path) in enumerate(zip(cycle(self._hosts), cycle(PATHS), strict=False)):
            if self._enough.wait(PACE):
                return
            self._replies.append(fire(person.asks(host, path, json=number % 3 == 2)))


def probe(host: Host, path: str) -> int:
    return fire(Shot(host.url + path)).status


def seconds_until(host: Host, path: str, status: int, longest: float) -> float:
    """How long it takes until a probe is answered so."""
    began = time.monotonic()
    while probe(host, path) != status:
        assert time.monotonic() - began < longest, f"{path} is not {status} after {longest} s"
        time.sleep(0.1)
    return time.monotonic() - began


def wrong(replies: Iterable[Reply], *, served: bool = False) -> dict[str, int]:
    """What no answer may be; with `served` all must be, else those that are not must be told to wait."""
    found: Counter[str] = Counter()
    for reply in replies:
        found["signed out"] += is_signed_out(reply)
        waits = reply.status == 503 and int(reply.headers.get("retry-after", 0)) >= 1
        found["neither served nor told to wait"] += not (reply.status == 200 or (waits and not served))
    return {what: count for what, count in found.items() if count}


@dataclass
class Interrupted:
    """What people begin while the store is away: a sign-out, and the last step of a sign-in beside a session."""

    leaving: Browser
    returning: Browser
    callback: str
    csrf: str

    def tried(self) -> list[requests.Response]:
        return [self.leaving.post("/auth/logout", self.csrf), self.returning.get(self.callback)]

    def tried_again(self, name: str) -> list[str]:
        """Where the same leads to once the store is back; a code serves once, so that a sign-in begins anew."""
        left = self.leaving.post("/auth/logout", self.csrf)
        return [left.headers["Location"], self.returning.sign_in(name).headers["Location"]]


def interrupted(host: Host, leaving: Person, returning: Person) -> Interrupted:
    browsers = [Browser(host.url), Browser(host.url)]
    for browser, person in zip(browsers, (leaving, returning), strict=True):
        for name, value in person.cookies.items():
            browser.http.cookies.set(name, value, domain="127.0.0.1", path="/")
    callback = browsers[1].consent(browsers[1].begin(), returning.name)
    return Interrupted(*browsers, callback, browsers[0].csrf())


@dataclass
class Outage:
    """What was seen from outside, and when, on the monotonic clock."""

    begun: float
    ended: float
    """The store was told to come back."""
    back: float
    """It listens."""
    alive: set[int]
    ready_again: list[float]
    tried: list[requests.Response]

    def during(self, replies: Iterable[Reply]) -> list[Reply]:
        return [reply for reply in replies if reply.began > self.begun and reply.ended < self.ended]

    def outside(self, replies: Iterable[Reply]) -> list[Reply]:
        """Before it, and from the moment on at which all must be well."""
        return [each for each in replies if each.ended < self.begun - 1 or each.began > self.back + BACK_WITHIN]

    def recovered_in_time(self, replies: Iterable[Reply]) -> bool:
        """A report on readiness is kept for ten seconds, so it may be a look behind."""
        last_refused = max(reply.ended for reply in replies if reply.status == 503)
        return last_refused <= self.back + BACK_WITHIN and max(self.ready_again) <= BACK_WITHIN + 1


def endure(store: Store, pair: Sequence[Host], doing: Interrupted, seconds: float, watched: float) -> Outage:
    """Stop the store for so long; watch for so long after its return, and until readiness says so."""
    longest = BACK_WITHIN + 5
    with ThreadPoolExecutor(2 * len(pair)) as aside:
        with store.stopped():
            begun = time.monotonic()
            tried = aside.submit(doing.tried)
            unready = [aside.submit(seconds_until, host, "/readyz", 503, longest) for host in pair]
            alive = {probe(host, "/healthz") for host in pair}
            wait_until(lambda: time.monotonic() >= begun + seconds and done([tried, *unready]))
            alive |= {probe(host, "/healthz") for host in pair}
            ended = time.monotonic()
        back = time.monotonic()
        ready = [aside.submit(seconds_until, host, "/readyz", 200, longest) for host in pair]
        wait_until(lambda: time.monotonic() > back + watched and done(ready))
    return Outage(begun, ended, back, alive, [each.result() for each in ready], tried.result())


@pytest.mark.acceptance("S3")
def test_a_store_that_goes_and_comes_back_signs_nobody_out_and_needs_nobody(
    site: Site, store: Store, pair: list[Host], pytestconfig: pytest.Config, evidence: Report, fault_case: Case
) -> None:
    """503 with Retry-After as long as it is away, every cookie left alone; alive but not ready; served again within
    10 s of its return by the same processes."""
    whole = pytestconfig.getoption("full") or pytestconfig.getoption("chaos")
    people = arrive(pair[0], CLIENTS + 2)
    doing = interrupted(pair[1], *people[CLIENTS:])
    with Load(pair, people[:CLIENTS]).running() as replies:
        wait_until(lambda: len(replies) >= 60)
        outage = endure(store, pair, doing, *((60, BACK_WITHIN + 2) if whole else (4, 1)))
    meanwhile = outage.during(replies)
    expected = {
        "answers meanwhile": {503},
        "wrong answers": {},
        "wrong answers before and afterwards": {},
        "begun meanwhile": [(503, True, False)] * 2,
        "begun again": ["/auth/receipt", "/dashboard"],
        "alive": {200},
        "back in time": True,
        "signed in": CLIENTS * len(pair),
    }
    observed = {
        "answers meanwhile": {reply.status for reply in meanwhile},
        "wrong answers": wrong(replies),
        "wrong answers before and afterwards": wrong(outage.outside(replies), served=True),
        "begun meanwhile": [(it.status_code, "Retry-After" in it.headers, session_of(it)) for it in outage.tried],
        "begun again": doing.tried_again(people[-1].name),
        "alive": outage.alive,
        "back in time": outage.recovered_in_time(replies),
        "signed in": sum(fire(person.asks(host)).status == 200 for person in people[:CLIENTS] for host in pair),
    }
    fault_case("S3 Azurite stopped under load", injected=1, expected=expected, observed=observed)
    assert len(meanwhile) >= 50
    assert_in_order(site, replies, ahead=0)
    evidence(cases=len(replies), faults=1, processes=[host.child.pid for host in pair])


def session_of(answer: requests.Response) -> bool:
    """Whether an answer says anything about the session cookie."""
    return "session" in answer.headers.get("Set-Cookie", "")


def done(futures: Iterable[Future[Any]]) -> bool:
    return all(each.done() for each in futures)


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)
