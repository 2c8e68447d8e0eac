"""What the sign-in tests share: a sign-in under way, forged cookies, raw requests, and what is left in the store."""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from azure.data.tables import TableServiceClient

from shared.models.custody import Login, UserRecord
from shared.sealing import Keyring
from shared.storage.connections import TableConnections
from shared.storage.tables import Tables
from shared.web.cookies import Cookies
from tests.site import KEY, Browser, Host, Simulator
from tools.simulator import defaults

TABLES = ("connections", "due", "logins")
SIGN_IN = "gatehouse-signin-"
RING = Keyring([bytes.fromhex(KEY)])


@dataclass
class Attempt:
    """A sign-in up to the moment before its callback is visited."""

    browser: Browser
    url: str

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query))

    @property
    def code(self) -> str:
        return self.query["code"]

    @property
    def state(self) -> str:
        return self.query["state"]

    def visit(self) -> requests.Response:
        return self.browser.get(self.url)


def under_way(browser: Browser, user: str = "ada", return_to: str = "/dashboard") -> Attempt:
    """Begin a sign-in and consent; the callback is not visited yet."""
    return Attempt(browser, browser.consent(browser.begin(return_to), user))


def token_calls(simulator: Simulator) -> int:
    return len(simulator.calls("/oauth2/token"))


def pending(browser: Browser) -> dict[str, str]:
    """The sign-in cookies that a browser holds."""
    return {cookie.name: cookie.value for cookie in browser.http.cookies if cookie.name.startswith(SIGN_IN)}


def plant(browser: Browser, name: str, value: str) -> None:
    """Set a cookie in a browser, in place of the site's own of that name."""
    browser.http.cookies.set(name, value, domain=urlsplit(browser.base).hostname, path="/")


def seal(login: Login, key: Keyring = RING) -> tuple[str, str]:
    """Name and value of a sign-in cookie as the site itself would seal it."""
    name, _, rest = Cookies(secure=False).sign_in(login, key).partition("=")
    return name, rest.partition(";")[0]


def seal_under_the_name_of(state: str, login: Login) -> tuple[str, str]:
    """A cookie that opens under the name of `state` but was begun for the state of `login`."""

    class Misnaming(Cookies):
        def sign_in_name(self, _: str) -> str:
            return super().sign_in_name(state)

    name, _, rest = Misnaming(secure=False).sign_in(login, RING).partition("=")
    return name, rest.partition(";")[0]


def rows(storage: str) -> dict[str, int]:
    """How many rows each table holds."""
    with TableServiceClient.from_connection_string(storage) as service:
        return {
            table: sum(1 for _ in service.get_table_client(table).list_entities(select="RowKey")) for table in TABLES
        }


def stored(storage: str, browser: Browser) -> UserRecord:
    """What the store holds of the person who is signed in in this browser, opened."""
    service = TableServiceClient.from_connection_string(storage)
    return TableConnections(Tables(service), lambda: RING).load(browser.session_cookie[:32])


def tokens_bought_elsewhere(simulator: Simulator, host: Host, user: str = "ada") -> dict[str, Any]:
    """A genuine token response, bought by another client: with it a lenient parser would really make a session."""
    attempt = under_way(Browser(host.url), user)
    form = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": defaults.CLIENT_SECRET,
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": attempt.code,
        "redirect_uri": f"{host.url}/auth/callback",
    }
    answer = simulator.http.post(f"{simulator.url}/oauth2/token", data=form, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


@dataclass(frozen=True)
class Raw:
    """An answer whose header lines are all there."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for found, value in self.headers if found.lower() == name.lower()), None)

    def cookie(self, prefix: str) -> tuple[str, str] | None:
        """Name and value of the first Set-Cookie whose name begins so."""
        lines = [value for name, value in self.headers if name.lower() == "set-cookie" and value.startswith(prefix)]
        if not lines:
            return None
        name, _, value = lines[0].partition(";")[0].partition("=")
        return name, value


@dataclass
class Wire:
    """One connection that is kept open, on which targets and headers go out as they are."""

    connection: http.client.HTTPConnection

    def send(self, target: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Raw:
        """`headers` with a Host replaces the right one."""
        own = {"Host": f"{self.connection.host}:{self.connection.port}"}
        self.connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in {**own, **(headers or {})}.items():
            self.connection.putheader(name, value)
        self.connection.endheaders()
        answer = self.connection.getresponse()
        return Raw(answer.status, answer.getheaders(), answer.read())


@contextmanager
def wire(host: Host) -> Iterator[Wire]:
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=30)
    # http.client refuses what attackers send; the site has to.
    connection._validate_path = lambda _: None
    try:
        yield Wire(connection)
    finally:
        connection.close()
