"""The stores under contract: the fakes, and the real ones on Azurite; and a wire that loses replies."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableServiceClient

from shared.errors import VaultError
from shared.models.custody import new_id
from shared.sealing import Keyring
from shared.storage.connections import Connections, TableConnections
from shared.storage.due import Due, TableDue
from shared.storage.logins import Logins, TableLogins
from shared.storage.tables import Tables
from tests.evidence import Report
from tests.fakes import FIRST_KEY, MemoryConnections, MemoryDue, MemoryLogins

READS = ("GET", "HEAD")


class Wire(RequestsTransport):
    """The SDK's own transport; a planned write reaches the service, but its reply never comes back."""

    def __init__(self) -> None:
        super().__init__(connection_timeout=2, read_timeout=5)
        self.to_lose = 0
        self.lost = 0

    def send(self, request: Any, **options: Any) -> Any:
        answer = super().send(request, **options)
        if self.to_lose and request.method not in READS:
            answer.internal_response.close()
            self.to_lose -= 1
            self.lost += 1
            raise ServiceResponseError("the connection was reset")
        return answer


@dataclass
class Stores:
    """One implementation of all three, and the keys it seals with."""

    connections: Connections
    due: Due
    logins: Logins
    keyring: Keyring
    wire: Wire | None = None
    vault_error: VaultError | None = None

    def keys(self) -> Keyring:
        if self.vault_error:
            raise self.vault_error
        return self.keyring

    def rotate(self, *keys: bytes) -> None:
        self.keyring = Keyring(keys)

    def damage_connection(self, user_id: str) -> None:
        """What an accident or an attacker with the right to write makes of a row."""
        if isinstance(self.connections, MemoryConnections):
            self.connections.damaged.add(user_id)
        else:
            key = {"PartitionKey": user_id, "RowKey": "connection"}
            self.connections._tables.merge("connections", {**key, "access_token": b"damaged"}, None)


def table_stores(connection_string: str) -> Stores:
    wire = Wire()
    service = TableServiceClient.from_connection_string(connection_string, transport=wire, retry_total=0)
    tables = Tables(service, sleep=lambda seconds: time.sleep(seconds / 20))
    stores: Stores
    connections = TableConnections(tables, lambda: stores.keys())
    stores = Stores(connections, TableDue(tables), TableLogins(tables), Keyring([FIRST_KEY]), wire)
    return stores


def memory_stores() -> Stores:
    stores: Stores
    connections = MemoryConnections(lambda: stores.keys())
    stores = Stores(connections, MemoryDue(page=1000), MemoryLogins(), Keyring([FIRST_KEY]))
    return stores


@pytest.fixture(params=["fakes", "azurite"])
def stores(request: pytest.FixtureRequest, evidence: Report) -> Stores:
    """The fakes and the real ones: one contract for both, and each a case of its own."""
    evidence(cases=1)
    return memory_stores() if request.param == "fakes" else table_stores(request.getfixturevalue("azurite"))


@pytest.fixture
def real(azurite: str) -> Iterator[Stores]:
    """The real ones alone, for what happens on the wire."""
    stores = table_stores(azurite)
    yield stores
    assert stores.wire is not None
    assert stores.wire.lost, "no reply was lost: the test proves nothing"


_PEOPLE = itertools.count(1)


@pytest.fixture
def user_id() -> str:
    """Somebody whose partition no other test has touched."""
    return f"{next(_PEOPLE):016x}{new_id()}"[-32:]
