"""What people do while the store misbehaves: acts that can be begun at once, where they lead, what is stored then."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import requests

from shared.models.custody import Identity, UserRecord
from shared.oauth.azure_devops import ISSUER
from shared.oauth.provider import AZURE_DEVOPS
from shared.web import csrf
from tests.acceptance.revoking import Fleet
from tests.acceptance.signing_in import under_way
from tests.site import Browser, Host
from tools.run import processes
from tools.simulator.sample.people import load_person

Act = Callable[[], requests.Response]
_numbers = count(1)


def new_name() -> str:
    """Somebody who never came before; the simulator must know enough people."""
    return f"user{next(_numbers):04}"


def user_id(name: str) -> str:
    """Known before the first sign-in, so that a fault can wait for it."""
    person = load_person(int(name.removeprefix("user")))
    return Identity(AZURE_DEVOPS, ISSUER, person.id.lower(), "").user_id


def returning(browser: Browser, name: str) -> Act:
    """The last step of a sign-in."""
    return under_way(browser, name).visit


def viewing(browser: Browser, _: str = "") -> Act:
    return lambda: browser.get("/dashboard")


def leaving(browser: Browser, _: str = "") -> Act:
    token = csrf.token(browser.session_cookie[32:])
    return lambda: browser.post("/auth/logout", token)


def where(answer: requests.Response) -> str:
    """The place that an answer leads to, else its status."""
    return answer.headers.get("Location") or str(answer.status_code)


def stored(record: UserRecord) -> tuple[int, int, int]:
    """How many sessions, which generation of tokens, how many tokens to revoke."""
    generation = record.connection.generation if record.connection else 0
    return len(record.sessions), generation, len(record.revocations)


def at_once[Item, Result](step: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(step, items))


def start_on(fleet: Fleet, *ways: str) -> list[Host]:
    """One process for each way to the store, with threads for everybody."""
    hosts = [fleet.launch(AzureWebJobsStorage=way, PYTHON_THREADPOOL_THREAD_COUNT="64").host for way in ways]
    for host in hosts:
        processes.wait_listening(host.child)
    return hosts
