"""What the refresh tests share: people whose tokens are due, requests of theirs, and the store at rest."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from azure.data.tables import TableServiceClient

from shared.custody.rules import Limits
from shared.models.custody import Connection, UserRecord
from shared.oauth.provider import AZURE_DEVOPS
from shared.storage.connections import TableConnections
from shared.storage.tables import Tables
from tests.acceptance.signing_in import RING
from tests.site import Browser, Host, Simulator, Site
from tools.chaos import invariants
from tools.chaos.volley import Reply, Shot
from tools.simulator.sample import tenants

TOKEN_LIFE = 3600
SERVES = TOKEN_LIFE - 4 * 60
"""A clock at which a token is due for requests, but still serves for four minutes."""
OVER = TOKEN_LIFE + 10
"""A clock at which a token is over."""
PAST_THE_LEASE = 16
MODES = ("nonrotating", "grace30", "prev-until-used", "strict")
"""What becomes of a used refresh token, as the simulator plays it."""
CONTOSO = tenants.CONTOSO.id
"""The tenant of the many people, for Entra."""
PATH = "/org/contoso-labs/projects"
PEOPLE = 5000
"""How many a simulator must know: nobody comes twice, also where several simulators share a store."""
_numbers = count(1)


@dataclass(frozen=True)
class Person:
    """Somebody signed in: the name at the provider, and the cookies of their browser."""

    name: str
    cookies: dict[str, str] = field(repr=False)

    @property
    def user_id(self) -> str:
        return self.cookies["gatehouse-session"][:32]

    def asks(self, host: Host, path: str = PATH, *, json: bool = False) -> Shot:
        """A view of theirs, as page or as JSON."""
        return Shot(host.url + path, self.cookies, {"Accept": "application/json"} if json else {})


def arrive(host: Host, people: int = 1, provider: str = AZURE_DEVOPS) -> list[Person]:
    """So many who never came before sign in; the simulator must know enough people."""

    def sign_in(name: str) -> Person:
        browser = Browser(host.url)
        browser.sign_in(name, provider=provider)
        return Person(name, browser.http.cookies.get_dict())

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(sign_in, [f"user{next(_numbers):04}" for _ in range(people)]))


def held(simulator: Simulator, people: Iterable[Person]) -> list[dict[str, Any]]:
    """What the provider knows of each: refreshes, replays, families."""
    users = simulator.tokens()["users"]
    return [users[person.name] for person in people]


def token_calls(simulator: Simulator, person: Person) -> int:
    """The refreshes that were asked for, granted or not."""
    return sum(call["grant"] == "refresh_token" and call["user"] == person.name for call in simulator.calls("/token"))


def record_of(storage: str, person: Person) -> UserRecord:
    """What the store holds of them, opened."""
    with TableServiceClient.from_connection_string(storage) as service:
        return TableConnections(Tables(service), lambda: RING).load(person.user_id)


def connection_of(storage: str, person: Person) -> Connection:
    found = record_of(storage, person).connection
    assert found, f"the connection of {person.name} is gone"
    return found


def is_signed_out(reply: Reply) -> bool:
    """Whether an answer takes the session away: a cookie cleared, or a redirect to the sign-in."""
    return "set-cookie" in reply.headers or reply.status in (302, 303)


def explains_sign_in(reply: Reply) -> bool:
    """A page that says why, with a way to sign in again and back here."""
    return reply.status == 401 and f'href="/auth/login?return_to={PATH}"' in reply.body


def summary(replies: Sequence[Reply]) -> dict[str, int]:
    """How many answers of each status, and how many that sign somebody out."""
    found: dict[str, int] = {}
    for reply in replies:
        found[str(reply.status)] = found.get(str(reply.status), 0) + 1
    return found | {"signed out": sum(map(is_signed_out, replies))}


def assert_in_order(site: Site, replies: Iterable[Reply], *, ahead: float, killed: Iterable[Host] = ()) -> None:
    """The invariants of acceptance section 1; `ahead` is the clock of the host that is furthest ahead."""
    dead = {host.child.pid for host in killed}
    store = invariants.Store(
        site.storage,
        RING,
        datetime.now(UTC) + timedelta(seconds=ahead),
        Limits(timedelta(hours=24), timedelta(hours=8)),
        timedelta(minutes=15),
    )
    children = [host.child for host in site.hosts if host.child.pid not in dead]
    children.append(site.simulator.child)
    more = [site.watch.findings]
    assert invariants.checked(children=children, replies=replies, store=store, more=more) == []
