"""People who stand in the store without having signed in: as many as a test or a measurement needs, in seconds.

Their tokens are real ones of the simulator, or none that anybody knows where nobody is to use them.
"""

import http.client
import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

from azure.data.tables import TableServiceClient

from shared.custody.sign_in import SessionKey
from shared.models.custody import Connection, Hint, Identity, Profile, Session, UserRecord, new_id
from shared.oauth.provider import AZURE_DEVOPS
from shared.sealing import Keyring, id_of
from shared.storage import rows
from shared.storage.connections import TableConnections
from shared.storage.due import TableDue
from shared.storage.tables import Tables, connect
from tools.simulator import defaults
from tools.simulator.identity.legacy import ASSERTION_TYPE, CODE_GRANT

ISSUER = "https://app.vssps.visualstudio.com"
SCOPES = "vso.work vso.build vso.code vso.project vso.profile"
LIFE = timedelta(hours=1)
MARGIN = timedelta(minutes=15)
DAY = timedelta(hours=24)
THREADS = 4
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the simulator gave somebody."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Resident:
    """Somebody with a connection that is due 15 minutes before `expires_at`, and one session until `session_ends`."""

    name: str
    tokens: Tokens
    expires_at: datetime
    session_ends: datetime
    secret: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def identity(self) -> Identity:
        return Identity(AZURE_DEVOPS, ISSUER, self.name, self.name)

    @property
    def key(self) -> SessionKey:
        """What the cookie of their browser holds."""
        return SessionKey(self.identity.user_id, self.secret)

    @property
    def hint(self) -> Hint:
        at = min(self.expires_at - MARGIN, self.session_ends)
        return Hint(at.replace(microsecond=0), self.identity.user_id)

    def connection(self) -> Connection:
        identity = self.identity
        return Connection(
            user_id=identity.user_id,
            provider=identity.provider,
            issuer=identity.issuer,
            subject=identity.subject,
            scopes=SCOPES,
            access_token=self.tokens.access_token,
            refresh_token=self.tokens.refresh_token,
            profile=Profile(identity.display_name),
            expires_at=self.expires_at,
            refreshed_at=self.expires_at - LIFE,
            generation=1,
            secret_id=id_of(defaults.CLIENT_SECRET),
            key_id="",
            sign_in_id=new_id(),
        )

    def session(self) -> Session:
        began = self.session_ends - DAY
        seen = max(began, min(self.expires_at - LIFE, self.session_ends))
        return Session(hash=self.key.hash, created_at=began, ends_at=self.session_ends, seen_at=seen)


def strangers(names: Iterable[str], expires_at: datetime) -> list[Resident]:
    """People whose tokens nobody issued: they only stand there."""
    tokens = Tokens(secrets.token_urlsafe(24), secrets.token_urlsafe(24))
    return [Resident(name, tokens, expires_at, expires_at + DAY) for name in names]


def buy_tokens(url: str, names: Sequence[str]) -> list[Tokens]:
    """Tokens of these load-test people, by consent and code as the application would; the simulator must know them."""
    parts = [names[start::THREADS] for start in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        bought = dict(pair for pairs in pool.map(lambda part: _buy(url, part), parts) for pair in pairs)
    return [bought[name] for name in names]


def settle(storage: str, keys: Keyring, residents: Sequence[Resident]) -> None:
    """Write connection, session and hint of each."""
    with _tables(storage) as tables:
        connections = TableConnections(tables, lambda: keys)
        TableDue(tables).put([each.hint for each in residents])

        def move_in(each: Resident) -> None:
            record = UserRecord(user_id=each.identity.user_id)
            connections.open_session(record, each.connection(), each.session())

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(move_in, residents))


def store_only(storage: str, keys: Keyring, resident: Resident) -> None:
    """Write connection and hint, and no session."""
    with _tables(storage) as tables:
        TableDue(tables).put([resident.hint])
        tables.insert(rows.TABLE, rows.connection_entity(resident.connection(), keys))


@contextmanager
def _tables(storage: str) -> Iterator[Tables]:
    service: TableServiceClient = connect(connection_string=storage, url=None, credential=None)
    with service:
        yield Tables(service)


def _buy(url: str, names: Sequence[str]) -> list[tuple[str, Tokens]]:
    address = urlsplit(url)
    with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)) as wire:
        return [(name, _redeem(wire, _consent(wire, name))) for name in names]


def _consent(wire: http.client.HTTPConnection, name: str) -> str:
    asked = {
        "client_id": defaults.APP_ID,
        "response_type": "Assertion",
        "scope": SCOPES,
        "redirect_uri": defaults.REDIRECT_URI,
    }
    wire.request("POST", "/oauth2/authorize", urlencode(asked | {"user": name, "decision": "accept"}), _FORM)
    answer = wire.getresponse()
    answer.read()
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def _redeem(wire: http.client.HTTPConnection, code: str) -> Tokens:
    form = {
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": defaults.CLIENT_SECRET,
        "grant_type": CODE_GRANT,
        "assertion": code,
        "redirect_uri": defaults.REDIRECT_URI,
    }
    wire.request("POST", "/oauth2/token", urlencode(form), _FORM)
    given = json.loads(wire.getresponse().read())
    return Tokens(given["access_token"], given["refresh_token"])
