"""Processes of the application that share a store, a vault, and a clock that tests move (rows K and F)."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

from tests.local_vault import LocalVault
from tests.site import Browser, Host, Site
from tools.chaos.clock import SERVICES, MovableClock
from tools.chaos.volley import Reply, Shot, volley
from tools.run import processes

FRESH = 300
"""Seconds for which a secret counts as fresh."""
_people = count(1)


@dataclass
class Fleet:
    """The hosts by the names under which the vault knows their instances."""

    site: Site
    vault: LocalVault
    clock: MovableClock
    hosts: dict[str, Host] = field(default_factory=dict)

    def launch(self, *names: str, **settings: str | None) -> list[Host]:
        """Start these at the same time and wait until they listen."""
        started = {}
        for name in names:
            environment = self.vault.environment(name) | self.clock.setting | settings
            started[name] = self.site.launch_host(services=SERVICES, **environment)
        for host in started.values():
            processes.wait_listening(host.child)
        self.hosts |= started
        return list(started.values())

    def jump(self, seconds: float) -> None:
        """Move the application's clock and that of the token service."""
        self.clock.advance(timedelta(seconds=seconds))
        self.site.simulator.settings(clock_offset=self.clock.ahead.total_seconds())

    def person_at(self, host: Host, provider: str = "azure-devops") -> Browser:
        """Somebody new who signs in there."""
        browser = Browser(host.url)
        assert browser.sign_in(f"user{next(_people):04}", provider=provider).headers["Location"] == "/dashboard"
        return browser

    def people(self, each: int = 1, provider: str = "azure-devops") -> list[Browser]:
        """So many new people at every host, signed in at the same time."""
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda host: self.person_at(host, provider), list(self.hosts.values()) * each))

    @property
    def pids(self) -> list[int]:
        return [host.child.pid for host in self.hosts.values()]

    def now(self) -> str:
        """The application's time, as events tell it."""
        ahead = self.clock.now()
        return ahead.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def events(self, name: str, since: str = "") -> list[dict[str, Any]]:
        """The events of this name of all hosts, from a time on."""
        return [event for host in self.hosts.values() for event in host.events(name) if event["at"] >= since]

    def reads(self, since: int, user: str | None = None) -> dict[tuple[str, str], int]:
        """How often which instance asked for which secret since the vault's call of this number."""
        found: dict[tuple[str, str], int] = {}
        for call in self.vault.calls("/secrets/", user=user, since=since):
            key = call["user"], call["target"].split("/")[2].partition("?")[0]
            found[key] = found.get(key, 0) + 1
        return found


def pages(browsers: Iterable[Browser], path: str = "/dashboard", *, at: Host | None = None) -> list[Reply]:
    """One page for each of them, all at once; `at` another host than the one they signed in at."""
    return volley(Shot((at.url if at else it.base) + path, it.http.cookies.get_dict()) for it in browsers)


def statuses(replies: Iterable[Reply]) -> set[int]:
    return {reply.status for reply in replies}
