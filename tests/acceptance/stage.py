"""Where the flows of the design are played one at a time: an empty store in the present, and what stands in it then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from azure.data.tables import TableServiceClient

from shared.custody.rules import Limits
from shared.models.custody import Hint, UserRecord
from shared.oauth.provider import AZURE_DEVOPS
from shared.sealing import Keyring
from shared.storage import due, logins, rows
from shared.storage.connections import TableConnections
from shared.storage.tables import Tables
from tests.acceptance.refreshing import CONTOSO, PEOPLE
from tests.acceptance.revoking import MOST_TICKS, Fleet, Trapped
from tests.conftest import empty_tables
from tests.site import KEY, Browser, Host, Site, tick, wait_for
from tools.chaos.invariants import Store, checked
from tools.simulator import defaults

NEWER_KEY = "facade" * 10 + "dada"
BOTH_KEYS = {"TOKEN_ENCRYPTION_KEY": f"{NEWER_KEY},{KEY}"}
WITHOUT_LEGACY = {"AZURE_DEVOPS_APP_ID": None, "AZURE_DEVOPS_CLIENT_SECRET": None}
RING = Keyring([bytes.fromhex(NEWER_KEY), bytes.fromhex(KEY)])
_numbers = count(1)

Settings = Mapping[str, str | None]


@dataclass(frozen=True)
class Seen:
    """All that the store holds at one moment: each person's rows, the hints, and how many states are burnt."""

    records: Mapping[str, UserRecord]
    hints: frozenset[Hint]
    burnt: int

    def of(self, user_id: str) -> UserRecord:
        return self.records.get(user_id, UserRecord(user_id=user_id))

    def beside(self, user_id: str | None) -> list[UserRecord]:
        """Everybody else."""
        return [record for user, record in self.records.items() if user != user_id]


Mark = Callable[[Seen], bool]


@dataclass
class Stage:
    """Hosts with one clock beside a simulator with the same one; everything that is played here starts from nothing."""

    fleet: Fleet
    _keepers: dict[frozenset[tuple[str, str | None]], Host] = field(default_factory=dict)

    @property
    def site(self) -> Site:
        return self.fleet.site

    def launch(self, settings: Settings) -> Trapped:
        """A host that may be killed; it does not listen yet."""
        return self.fleet.launch(ENTRA_TENANT_ID=CONTOSO, **settings)

    def keeper(self, settings: Settings | None = None) -> Host:
        """The host with these settings that nobody kills."""
        wanted = frozenset((settings or {}).items())
        if wanted not in self._keepers:
            self._keepers[wanted] = wait_for([self.launch(dict(wanted)).host])[0]
        return self._keepers[wanted]

    def reset(self) -> None:
        """Nobody in the store, the present, a simulator in good health that offers revocation."""
        empty_tables(self.site.storage)
        simulator = self.site.simulator
        simulator.faults()
        simulator.settings(
            people_count=PEOPLE, reuse="nonrotating", revoke=True, token_latency=0, token_lifetime=3600, clock_offset=0,
            client_secrets=[defaults.CLIENT_SECRET],
        )  # fmt: skip
        simulator.clear_calls()
        self.fleet.clock.move_to(timedelta())

    def advance(self, by: timedelta) -> None:
        self.fleet.clock.advance(by)
        self.site.simulator.settings(clock_offset=self.fleet.clock.ahead.total_seconds())

    def stranger(self) -> str:
        """Somebody who never came before."""
        return f"user{next(_numbers):04}"

    def visitor(self, name: str | None = None, provider: str = AZURE_DEVOPS) -> Browser:
        """The browser of somebody who has just signed in."""
        browser = Browser(self.keeper().url)
        browser.sign_in(name or self.stranger(), provider=provider)
        return browser

    def seen(self) -> Seen:
        """What the store holds now, opened."""
        with TableServiceClient.from_connection_string(self.site.storage) as service:
            opened = TableConnections(Tables(service), lambda: RING)
            users = {str(row["PartitionKey"]) for row in service.get_table_client(rows.TABLE).list_entities()}
            hints = [due.parse(str(row["RowKey"])) for row in service.get_table_client(due.TABLE).list_entities()]
            burnt = sum(1 for _ in service.get_table_client(logins.TABLE).list_entities())
            return Seen({user: opened.load(user) for user in users}, frozenset(filter(None, hints)), burnt)

    def hinted(self, number: int = 1) -> Mark:
        """Whether there are so many hints that are not there now."""
        before = self.seen().hints
        return lambda it: len(it.hints - before) >= number

    def findings(self) -> list[str]:
        """What is wrong with the hosts that nobody killed, and with the store."""
        limits = Limits(timedelta(hours=24), timedelta(hours=8))
        store = Store(self.site.storage, RING, self.fleet.clock.now(), limits, timedelta(minutes=15))
        children = [host.child for host in self._keepers.values()]
        return checked(children=[*children, self.site.simulator.child], store=store)

    def settle(self, settings: Settings | None = None) -> None:
        """Run the timer now, and then whenever a revocation is due, until none waits."""
        host = self.keeper(settings)
        tick(host)
        for _ in range(MOST_TICKS):
            waiting = [row for it in self.seen().records.values() for row in it.revocations if not row.outcome]
            if not waiting:
                return
            self.advance(self._until(min(row.retry_at for row in waiting)) + timedelta(seconds=2))
            tick(host)
        raise AssertionError(f"{len(waiting)} revocations are left after {MOST_TICKS} runs")

    def _until(self, moment: datetime) -> timedelta:
        """How long that is from now, on the clock of the hosts."""
        return max(moment - self.fleet.clock.now(), timedelta())
