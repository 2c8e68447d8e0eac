"""What the timer's tests share: people who are due, without a sign-in each, and what became of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from azure.data.tables import TableServiceClient

from shared.models.custody import UserRecord
from shared.storage import due
from shared.storage.connections import TableConnections
from shared.storage.tables import Tables
from tests.acceptance.refreshing import Person
from tests.acceptance.signing_in import RING
from tests.site import Site
from tools.chaos import population
from tools.chaos.population import Resident

INTERVAL = timedelta(minutes=5)
MANY = 12_000
"""How many people the simulator must know for the largest of these tests."""
_numbers = count(1)


@dataclass(frozen=True)
class Everybody:
    """Those who stand in the store of a site, in the order of their expiry."""

    site: Site
    residents: Sequence[Resident]

    @property
    def people(self) -> list[Person]:
        return [
            Person(it.name, {"gatehouse-session": it.key.user_id + it.key.secret}) for it in self.residents
        ]  # fmt: skip

    @property
    def names(self) -> list[str]:
        return [it.name for it in self.residents]

    @property
    def users(self) -> list[str]:
        return [it.key.user_id for it in self.residents]

    def records(self) -> list[UserRecord]:
        with TableServiceClient.from_connection_string(self.site.storage) as service:
            opened = TableConnections(Tables(service), lambda: RING)
            return [opened.load(user) for user in self.users]

    def generations(self) -> set[int]:
        """Those that are found among their connections; 0 where there is none."""
        return {record.connection.generation if record.connection else 0 for record in self.records()}

    def refreshes(self) -> list[int]:
        """How often each was refreshed at the provider."""
        known = self.site.simulator.tokens()["users"]
        return [known[name]["refreshes"] for name in self.names]

    def replays(self) -> int:
        known = self.site.simulator.tokens()["users"]
        return sum(known[name]["replays"] for name in self.names)


def move_in(
    site: Site,
    people: int,
    expires: Callable[[int], timedelta],
    *,
    session: timedelta = timedelta(hours=7),
) -> Everybody:
    """So many nobody has seen before; the nth one's token expires `expires(n)` from now, their session in `session`."""
    now = datetime.now(UTC)
    names = [f"user{next(_numbers):04}" for _ in range(people)]
    tokens = population.buy_tokens(site.simulator.url, names)
    residents = [
        Resident(name, given, now + expires(n), now + session)
        for n, (name, given) in enumerate(zip(names, tokens, strict=True))
    ]
    population.settle(site.storage, RING, residents)
    return Everybody(site, residents)


def hints_of(site: Site, users: Iterable[str]) -> dict[str, list[datetime]]:
    """When each is to be looked at."""
    found: dict[str, list[datetime]] = {user: [] for user in users}
    with TableServiceClient.from_connection_string(site.storage) as service:
        for row in service.get_table_client(due.TABLE).list_entities():
            hint = due.parse(str(row["RowKey"]))
            if hint and hint.user_id in found:
                found[hint.user_id].append(hint.at)
    return found
