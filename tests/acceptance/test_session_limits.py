"""Sessions end at their limits on every process, whatever the browser holds and without the timer (acceptance B5).

One clock for all processes, which the test moves; each process reads it anew at every look.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import raw_http
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site
from tools.chaos.clock import SERVICES, MovableClock

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
NO_TIME = timedelta(0)
PROCESSES = 2
"""Per setting; a session of one is asked for at the other too."""


@dataclass
class Group:
    """Processes of one setting; the timer never runs."""

    clock: MovableClock
    hosts: list[Host]

    def sign_in(self) -> "Visitor":
        self.clock.move_to(NO_TIME)
        browser = Browser(self.hosts[0].url)
        began = datetime.now(UTC)
        assert browser.sign_in("ada").status_code == 303
        return Visitor(self, browser.session_cookie, began)

    @property
    def processes(self) -> list[str]:
        return [host.url for host in self.hosts]


@dataclass
class Visitor:
    """Somebody with a session cookie that their browser never forgets."""

    group: Group
    cookie: str
    began: datetime

    def at(self, offset: timedelta) -> list[bool]:
        """Whether each process lets them in when `offset` has passed; asking at all is a use of the session."""
        self.group.clock.move_to(offset)
        return [self._is_let_in(host) for host in self.group.hosts]

    def was_quick(self) -> bool:
        """Whether less than the second that the tests leave has passed on the wall clock since the sign-in."""
        return datetime.now(UTC) - self.began < SECOND

    def _is_let_in(self, host: Host) -> bool:
        reply = raw_http.send(host.port, "GET", "/auth/logout", f"Cookie: gatehouse-session={self.cookie}")
        assert reply.status == 200
        return b'name="csrf"' in reply.body


@pytest.fixture(scope="module")
def start(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Group]]:
    """A function that starts the processes of a setting."""
    started: list[Host] = []

    def group(**settings: str) -> Group:
        clock = MovableClock(Path(tmp_path_factory.mktemp("clock"), "offset"))
        clock.move_to(NO_TIME)
        hosts = [site.start_host(services=SERVICES, **clock.setting, **settings) for _ in range(PROCESSES)]
        started.extend(hosts)
        return Group(clock, hosts)

    yield group
    for host in started:
        host.child.stop()


SETTINGS = {
    "defaults": (24, 8, {}),
    "shortest": (1, 1, {"SESSION_LIFETIME_HOURS": "1", "SESSION_IDLE_HOURS": "1"}),
    "idle beyond lifetime": (2, 5, {"SESSION_LIFETIME_HOURS": "2", "SESSION_IDLE_HOURS": "5"}),
    "days": (24 * 7, 36, {"SESSION_LIFETIME_HOURS": str(24 * 7), "SESSION_IDLE_HOURS": "36"}),
}


@pytest.fixture(scope="module", params=SETTINGS)
def limited(
    request: pytest.FixtureRequest, start: Callable[..., Group]
) -> Iterator[tuple[Group, timedelta, timedelta]]:
    """Processes with their lifetime and idle limit."""
    lifetime, idle, settings = SETTINGS[request.param]
    group = start(**settings)
    yield group, lifetime * HOUR, idle * HOUR
    for host in group.hosts:
        host.child.stop()


@pytest.mark.acceptance("B5")
def test_an_unused_session_ends_at_its_idle_limit_everywhere(limited, simulator: Simulator, evidence: Report) -> None:
    """Or at its lifetime where that is shorter: refused a second later, alive a second before."""
    group, lifetime, idle = limited
    limit = min(lifetime, idle)
    for _ in range(5):
        visitor = group.sign_in()
        assert visitor.at(limit + SECOND) == [False] * PROCESSES
        alive = visitor.at(limit - SECOND)  # the last look, for it counts as a use
        if visitor.was_quick():
            break
    else:
        pytest.fail("the machine never signed in and looked within a second")
    assert alive == [True] * PROCESSES
    assert visitor.at(limit - SECOND + idle + SECOND) == [False] * PROCESSES
    evidence(cases=3 * PROCESSES, processes=group.processes)


@pytest.mark.acceptance("B5")
def test_use_never_extends_the_absolute_limit(limited, simulator: Simulator, evidence: Report) -> None:
    """Used at every half of its idle limit up to the last second, and it ends all the same."""
    group, lifetime, idle = limited
    visitor = group.sign_in()
    at = NO_TIME
    while (at := at + min(idle, lifetime) / 2) < lifetime - SECOND:
        assert visitor.at(at) == [True] * PROCESSES, at
        evidence(cases=PROCESSES)
    late = lifetime - 30 * SECOND
    assert visitor.at(late) == [True] * PROCESSES
    for after in (lifetime + SECOND, lifetime + HOUR):
        assert visitor.at(after) == [False] * PROCESSES
    evidence(cases=3 * PROCESSES, processes=group.processes)


@pytest.mark.acceptance("B5")
def test_the_limit_is_that_of_the_server_and_not_of_the_cookie(limited, simulator: Simulator, evidence: Report) -> None:
    """A browser that signed in again has a new session; the old cookie's age does not follow it."""
    group, lifetime, idle = limited
    old = group.sign_in()
    half = min(lifetime, idle) / 2
    group.clock.move_to(half)
    browser = Browser(group.hosts[1].url)
    browser.sign_in("ada")
    new = Visitor(group, browser.session_cookie, old.began)
    just_over = min(lifetime, idle) + SECOND
    assert (old.at(just_over), new.at(just_over)) == ([False] * PROCESSES, [True] * PROCESSES)
    evidence(cases=2 * PROCESSES, processes=group.processes)


@pytest.mark.acceptance("B5")
def test_sessions_not_before_ends_older_sessions_at_once(
    start: Callable[..., Group], simulator: Simulator, evidence: Report
) -> None:
    """On every process with the setting, though they are used and young; newer ones live on."""
    before = start()
    old = before.sign_in()
    assert old.at(NO_TIME) == [True] * PROCESSES
    moment = f"{datetime.now(UTC) + 2 * SECOND:%Y-%m-%dT%H:%M:%SZ}"
    group = start(SESSIONS_NOT_BEFORE=moment)
    seen = Visitor(group, old.cookie, old.began)
    assert seen.at(2 * SECOND) == [False] * PROCESSES
    group.clock.move_to(10 * SECOND)
    browser = Browser(group.hosts[0].url)
    browser.sign_in("ada")
    new = Visitor(group, browser.session_cookie, datetime.now(UTC))
    assert new.at(10 * SECOND) == [True] * PROCESSES
    assert seen.at(10 * SECOND) == [False] * PROCESSES
    evidence(cases=3 * PROCESSES, processes=[*before.processes, *group.processes])
