"""What a process confirmed before it was killed is there afterwards; what was half done simply begins again (S4)."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain, cycle, islice, pairwise
from random import Random
from typing import Literal

import pytest
import requests

from shared.models.custody import sha256_hex
from tests.acceptance.acting import at_once, leaving, new_name, returning, start_on, user_id, viewing, where
from tests.acceptance.refreshing import OVER, PAST_THE_LEASE, PEOPLE
from tests.acceptance.revoking import Fleet, Trapped, left_here, left_there
from tests.chaos_cases import Case
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site
from tools.chaos.arming import Act, Trap
from tools.chaos.clock import MovableClock
from tools.run import processes

POINTS = {
    "connections.open_session:answered": 5,
    "connections.save_tokens:answered": 2,
    "connections.end_sessions:sent": 2,
    "connections.end_connection:answered": 2,
    "logins.burn:answered": 5,
    "provider.refresh:answered": 2,
    "due.put:sent": 7,
    "connections.open_session:sent": 5,
    "connections.take_lease:after": 2,
    "connections.end_connection:sent": 2,
}
"""Where a process is killed while others of its threads are anywhere, and how often it passes before that at least."""
RESIDENTS = 6
"""People with two sessions whose tokens are over; one after the other they look, and leave with one or both."""
NEWCOMERS = 2
"""Browsers in which one person after the other signs in, looks, and leaves or not."""
MOST_NEWCOMERS = 100
PROMISED = {"sign-in: /dashboard", "view: 200", "sign-out: /auth/receipt"}


@pytest.fixture(scope="module")
def fleet(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    folder = tmp_path_factory.mktemp("fleet")
    return Fleet(site, folder, MovableClock(folder / "clock"))


@pytest.fixture(scope="module")
def survivor(fleet: Fleet) -> Host:
    return start_on(fleet, fleet.site.storage)[0]


@dataclass
class Stay:
    """One session, as its browser knows it: None when the answer to a sign-out never came."""

    name: str
    browser: Browser
    known: Literal["in", "out"] | None = "in"

    def at(self, host: Host) -> Browser:
        """The same browser at another process; what it is told there is its own matter."""
        browser = Browser(host.url)
        browser.http.cookies.update(self.browser.http.cookies)
        return browser


@dataclass
class Ledger:
    """What was confirmed to whom. `unclear` are people of whom something was under way at the end."""

    stays: list[Stay] = field(default_factory=list)
    unclear: set[str] = field(default_factory=set)
    half: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def does(self, what: str, name: str, act: Callable[[], requests.Response]) -> None:
        """Note where the act leads to. Raises RequestException when the process died meanwhile."""
        self.unclear.add(name)
        led_to = where(act())
        self.unclear.discard(name)
        self.answers.append(f"{what}: {led_to}")

    def settles(self, host: Host) -> tuple[Stay, Stay]:
        """Somebody comes, with two sessions."""
        browsers, name = [Browser(host.url), Browser(host.url)], new_name()
        for browser in browsers:
            browser.sign_in(name)
        first, second = (Stay(name, browser) for browser in browsers)
        self.stays += [first, second]
        return first, second

    def arrives(self, host: Host) -> Stay:
        name, browser = new_name(), Browser(host.url)
        act = returning(browser, name)
        self.half.append(name)
        self.does("sign-in", name, act)
        self.half.remove(name)
        stay = Stay(name, browser)
        self.stays.append(stay)
        return stay

    def looks(self, stay: Stay) -> None:
        self.does("view", stay.name, viewing(stay.browser))

    def leaves(self, stay: Stay) -> None:
        act, stay.known = leaving(stay.browser), None
        self.does("sign-out", stay.name, act)
        stay.known = "out"


def residing(ledger: Ledger, host: Host, residents: Sequence[tuple[Stay, Stay]]) -> None:
    with suppress(requests.RequestException):
        for number, stays in enumerate(residents):
            here, there = stays
            for stay in stays:
                stay.browser.base = host.url
            ledger.looks(here)
            ledger.leaves(there)
            if number % 2:
                ledger.leaves(here)


def coming(ledger: Ledger, host: Host) -> None:
    with suppress(requests.RequestException):
        for number in range(MOST_NEWCOMERS):
            stay = ledger.arrives(host)
            ledger.looks(stay)
            if number % 2:
                ledger.leaves(stay)


def killed_midway(fleet: Fleet, victim: Trapped, survivor: Host) -> Ledger:
    """People come, look and go at a process until it is killed; what it confirmed by then."""
    ledger = Ledger()
    residents = at_once(ledger.settles, [survivor] * RESIDENTS)
    fleet.clock.advance(timedelta(seconds=OVER))
    with ThreadPoolExecutor(1 + NEWCOMERS) as pool:
        clients = [pool.submit(residing, ledger, victim.host, residents)]
        clients += [pool.submit(coming, ledger, victim.host) for _ in range(NEWCOMERS)]
    for client in clients:
        client.result()
    victim.traps.wait()
    assert victim.host.child.stop() == -signal.SIGKILL
    fleet.clock.advance(timedelta(seconds=PAST_THE_LEASE))
    return ledger


def broken_promises(fleet: Fleet, survivor: Host, ledger: Ledger) -> dict[str, int]:
    """What was confirmed and is not so at another process, and who could not begin again."""
    found: Counter[str] = Counter({"another token is held": len(astray(fleet, ledger))})
    for stay, seen in zip(
        ledger.stays, at_once(lambda it: where(viewing(it.at(survivor))()), ledger.stays), strict=True
    ):
        found["signed out"] += stay.known == "in" and seen != "200"
        found["signed in again"] += stay.known == "out" and not seen.startswith("/auth/login")
    for name in ledger.half:
        found["could not begin again"] += where(returning(Browser(survivor.url), name)()) != "/dashboard"
    return {what: count for what, count in found.items() if count}


def astray(fleet: Fleet, ledger: Ledger) -> list[str]:
    """Whose row is gone, or holds another refresh token than the newest that the provider gave out."""
    names = {stay.name for stay in ledger.stays if stay.known == "in"} - ledger.unclear
    users, records = fleet.site.simulator.tokens()["users"], fleet.records(map(user_id, names))
    held = {name: records[user_id(name)].connection for name in names}
    newest = {name: users[name]["families"][-1]["refresh_tokens"][-1]["digest"] for name in names}
    return [name for name, it in held.items() if it is None or sha256_hex(it.refresh_token)[:8] != newest[name]]


def gone(ledger: Ledger) -> set[str]:
    """Who was told that all sessions are over."""
    return {stay.name for stay in ledger.stays} - {stay.name for stay in ledger.stays if stay.known != "out"}


def victims(fleet: Fleet, count: int) -> Iterator[tuple[str, Trapped]]:
    """So many processes with a trap each, started while the one before is still at work."""
    random, points = Random(1), islice(cycle(POINTS), count)

    def launched() -> Iterator[tuple[str, Trapped]]:
        for point in points:
            yield point, fleet.launch(Trap(point, Act.KILL, after=POINTS[point] + random.randrange(3)))

    for (point, victim), _ in pairwise(chain(launched(), [None])):
        processes.wait_listening(victim.host.child)
        yield point, victim


@pytest.mark.acceptance("S4")
def test_nothing_that_was_confirmed_is_lost_with_the_process(
    fleet: Fleet,
    survivor: Host,
    simulator: Simulator,
    amount: Callable[..., int],
    evidence: Report,
    fault_case: Case,
) -> None:
    """SIGKILL in the midst of sign-ins, refreshes and sign-outs: sessions live, ended ones stay ended and their tokens
    are revoked, rows hold the newest tokens, and who was signing in signs in."""
    simulator.settings(people_count=PEOPLE, reuse="prev-until-used", revoke=True)
    left, pids = set[str](), set[int]()
    for point, victim in victims(fleet, amount("S4", "faults")):
        ledger = killed_midway(fleet, victim, survivor)
        fault_case(
            f"S4 killed: {point}",
            injected=len(victim.traps.hits()),
            expected={"answers": [], "broken": {}},
            observed={
                "answers": sorted(set(ledger.answers) - PROMISED),
                "broken": broken_promises(fleet, survivor, ledger),
            },
        )
        left |= gone(ledger)
        pids.add(victim.host.child.pid)
        assert len(ledger.answers) >= 3
    users = [user_id(name) for name in left]
    fleet.settle(survivor, users)
    assert left_here(fleet, users) == []
    assert left_there(simulator, left) == []
    assert fleet.findings([survivor]) == []
    evidence(cases=len(pids), faults=len(pids), processes=[*pids, survivor.child.pid])
