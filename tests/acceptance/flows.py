"""A flow of the design as tests play it: how it begins, what it writes step by step, and how it ends.

A flow is started at any host, may be broken off there, and goes on at another one as its person would go on.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import requests

from shared.models.custody import UserRecord
from shared.oauth.provider import AZURE_DEVOPS
from shared.web import csrf
from tests.acceptance.revoking import Trapped
from tests.acceptance.stage import Mark, Settings, Stage
from tests.site import Browser, Host
from tools.chaos.arming import Trap

NEARLY_OVER = timedelta(hours=7, minutes=50)
"""After so long without use a session has ten minutes left."""
SETTLED = timedelta(seconds=45)
"""Past a lease, and past the soonest look."""
NOTHING: Mark | None = None
"""The mark of a step that is refused, or of whose work somebody else leaves nothing."""

BURN_TO_SESSION = ("logins.burn", "provider.redeem", "connections.load", "due.put", "connections.open_session")
REVOKE_BOTH = ("provider.revoke", "provider.revoke", "connections.update_revocation")
LAST_OUT = ("connections.load", "due.put", "connections.end_connection", *REVOKE_BOTH)
LEASE_TO_SAVE = ("connections.take_lease", "provider.refresh", "connections.save_tokens")
NOTED = ("connections.load_session", "connections.touch")


@dataclass(frozen=True)
class Played:
    """A flow about to begin.

    `marks` tell by the store alone whether a step is done, by its name, the second of a name as "due.put 2".
    `again` is what the person or the schedule does after a break; then `done` holds. `stays`: whose session serves at
    every moment; `leaves`: of whom no token serves at the provider in the end.
    """

    run: Callable[[Trapped], object]
    marks: Mapping[str, Mark | None]
    done: Mark
    stays: Sequence[Browser] = ()
    leaves: Sequence[str] = ()
    again: Callable[[Host], object] | None = None

    def go_on(self, host: Host) -> None:
        if self.again:
            self.again(host)
        else:
            self.run(Trapped(host))


@dataclass(frozen=True)
class Flow:
    """`steps` as the design counts them, calls to the provider among them; `settings` of the host that runs it.

    With `held`, a trap of its own, another process comes in between; from the step `first` on it is this flow.
    """

    name: str
    steps: tuple[str, ...]
    begin: Callable[[Stage], Played]
    settings: Settings = field(default_factory=dict)
    held: tuple[Trap, ...] = ()
    first: str = ""

    def __str__(self) -> str:
        return self.name


def here(browser: Browser, host: Host) -> Browser:
    """The same browser, at another process."""
    return Browser(host.url, browser.http)


def user_of(browser: Browser) -> str:
    return browser.session_cookie[:32]


@contextlib.contextmanager
def may_break_off():
    """The process may die under a request."""
    with contextlib.suppress(requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        yield


def viewing(browser: Browser) -> Callable[[Trapped], object]:
    def run(at: Trapped) -> None:
        with may_break_off():
            here(browser, at.host).get("/dashboard")

    return run


def leaving(browser: Browser, path: str = "/auth/logout") -> Callable[[Trapped], object]:
    cookies, token = browser.http.cookies.get_dict(), csrf.token(browser.session_cookie[32:])

    def run(at: Trapped) -> None:
        own = Browser(at.host.url)
        own.http.cookies.update(cookies)
        with may_break_off():
            own.post(path, token)

    return run


def sign_in_by(browser: Browser, name: str, provider: str = AZURE_DEVOPS) -> dict[str, Callable]:
    """A whole sign-in; after a break its callback once more, which is refused, and then a new one."""
    callbacks: list[str] = []

    def run(at: Trapped) -> None:
        own = here(browser, at.host)
        callbacks.append(own.consent(own.begin(provider=provider), name))
        with may_break_off():
            own.get(callbacks[-1])

    def again(host: Host) -> None:
        own = here(browser, host)
        half = own.get(host.url + callbacks[0][callbacks[0].index("/auth/") :])
        assert half.status_code == 400 or half.headers.get("Location") == "/", f"half a sign-in: {half.status_code}"
        assert own.sign_in(name, provider=provider).headers["Location"] == "/dashboard"

    return {"run": run, "again": again}


def is_signed_in(record: UserRecord, sessions: int) -> bool:
    return record.connection is not None and len(record.sessions) >= sessions


def is_gone(record: UserRecord) -> bool:
    return not (record.connection_etag or record.sessions or record.sessions_etag)


def is_settled(record: UserRecord) -> bool:
    """Whether a revocation was told to the provider, and its tokens are gone from here."""
    return any(row.outcome == "revoked" and not row.refresh_token for row in record.revocations)


def is_leased(record: UserRecord) -> bool:
    return record.connection is not None and record.connection.lease is not None


def is_renewed(record: UserRecord) -> bool:
    return record.connection is not None and record.connection.generation > 1


def was_noted(browser: Browser) -> Mark:
    user = user_of(browser)
    return lambda it: all(session.seen_at > session.created_at for session in it.of(user).sessions)
