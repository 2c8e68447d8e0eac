"""What the sign-out tests share: hosts with one movable clock, what is left of people here and there, and the timer."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from azure.data.tables import TableServiceClient

from shared.custody.rules import Limits
from shared.models.custody import UserRecord
from shared.storage.connections import TableConnections
from shared.storage.tables import Tables
from tests.acceptance.signing_in import RING
from tests.site import Host, Simulator, Site, tick
from tools.chaos.arming import Trap, Traps
from tools.chaos.clock import SERVICES, MovableClock
from tools.chaos.invariants import Store, checked

MOST_TICKS = 60
_numbers = count(1)


@dataclass
class Trapped:
    """A host that may be killed at a named point; without traps nobody does that."""

    host: Host
    traps: Traps | None = None


@dataclass
class Fleet:
    """Hosts of one site that share a clock which the test moves."""

    site: Site
    folder: Path
    clock: MovableClock

    def launch(self, *traps: Trap, **settings: str | None) -> Trapped:
        """Start a host without waiting for it."""
        armed = Traps(self.folder / f"traps-{next(_numbers)}")
        armed.arm(*traps)
        host = self.site.launch_host(services=SERVICES, **armed.setting, **self.clock.setting, **settings)
        return Trapped(host, armed)

    def records(self, users: Iterable[str]) -> dict[str, UserRecord]:
        """What the store holds of these user ids, opened."""
        with TableServiceClient.from_connection_string(self.site.storage) as service:
            opened = TableConnections(Tables(service), lambda: RING)
            return {user: opened.load(user) for user in users}

    def waiting(self, users: Iterable[str]) -> list[Any]:
        """The revocations of these people that are not settled."""
        return [row for record in self.records(users).values() for row in record.revocations if not row.outcome]

    def settle(self, host: Host, users: Iterable[str]) -> list[dict[str, Any]]:
        """Run the timer at each moment at which a revocation is due, until none is left; its reports."""
        users, reports = list(users), []
        for _ in range(MOST_TICKS):
            waiting = self.waiting(users)
            if not waiting:
                return reports
            due = min(row.retry_at for row in waiting)
            self.clock.advance(max(due - self.clock.now(), timedelta()) + timedelta(seconds=2))
            reports.append(tick(host))
        raise AssertionError(f"{len(self.waiting(users))} revocations are left after {MOST_TICKS} runs")

    def findings(self, hosts: Iterable[Host], **more: Any) -> list[str]:
        """What is wrong with the hosts that should live, and with the store."""
        limits = Limits(timedelta(hours=24), timedelta(hours=8))
        store = Store(self.site.storage, RING, self.clock.now(), limits, timedelta(minutes=15))
        children = [host.child for host in hosts]
        return checked(children=children, store=store, more=[self.site.watch.findings], **more)


def left_here(fleet: Fleet, users: Iterable[str]) -> list[str]:
    """What there must not be of somebody who has left: sessions, a connection, tokens that wait to be revoked."""
    found = []
    for user, record in fleet.records(users).items():
        left = {"sessions": record.sessions, "connection": record.connection_etag, "unreadable": record.unreadable}
        left["revocations"] = [row for row in record.revocations if not row.outcome or row.refresh_token]
        found += [f"{user}: {name}" for name, rows in left.items() if rows]
    return found


def left_there(simulator: Simulator, people: Iterable[str]) -> list[str]:
    """Tokens of these people that still serve, newly rotated ones too."""
    users = simulator.tokens()["users"]
    counts = {who: (users[who]["active_access_tokens"], users[who]["active_refresh_tokens"]) for who in people}
    return [f"{who}: {active} active" for who, active in counts.items() if active != (0, 0)]


def never_revoked(simulator: Simulator, person: str) -> list[str]:
    """The tokens of this person for which no revocation was ever answered with 200."""
    sent = {call["token"] for call in simulator.calls("/oauth2/revoke") if call["status"] == 200}
    families = simulator.tokens()["users"][person]["families"]
    tokens = [token for family in families for kind in ("refresh_tokens", "access_tokens") for token in family[kind]]
    return [token["digest"] for token in tokens if token["digest"][:8] not in sent]
