"""A table that is not there is trouble of the store: no row is taken for gone, spent or changed by somebody else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from shared.errors import StoreError
from shared.models.custody import Connection, UserRecord
from shared.storage.due import Hint
from tests.contracts.conftest import Stores, table_stores
from tests.contracts.test_connections import a_connection, a_revocation, a_session, sign_in
from tests.fakes import NOON

USER = "a" * 32
READ_ETAG = "W/\"datetime'2026-11-24T12%3A00%3A00.0000000Z'\""
CONNECTION = dataclasses.replace(a_connection(USER), etag=READ_ETAG)
REVOCATION = a_revocation(etag=READ_ETAG)
NOBODY = UserRecord(user_id=USER)
SOMEBODY = dataclasses.replace(NOBODY, connection=CONNECTION, connection_etag=READ_ETAG, sessions_etag=READ_ETAG)
CALLS: dict[str, Callable[[Stores], object]] = {
    "burn": lambda stores: stores.logins.burn("b" * 64, NOON),
    "purge": lambda stores: stores.logins.purge(NOON),
    "put one hint": lambda stores: stores.due.put([Hint(NOON, USER)]),
    "put hints": lambda stores: stores.due.put([Hint(NOON, USER), Hint(NOON, "b" * 32)]),
    "read hints": lambda stores: list(stores.due.until(NOON)),
    "remove hints": lambda stores: stores.due.remove([Hint(NOON, USER)]),
    "load": lambda stores: stores.connections.load(USER),
    "load a session": lambda stores: stores.connections.load_session(USER, "c" * 64),
    "load revocations": lambda stores: stores.connections.load_revocations(USER, ["d"]),
    "open a session": lambda stores: stores.connections.open_session(NOBODY, CONNECTION, a_session()),
    "take a lease": lambda stores: stores.connections.take_lease(CONNECTION),
    "save tokens": lambda stores: stores.connections.save_tokens(CONNECTION, stores.keyring),
    "reseal": lambda stores: stores.connections.reseal(CONNECTION),
    "touch": lambda stores: stores.connections.touch(USER, a_session()),
    "end sessions": lambda stores: stores.connections.end_sessions(SOMEBODY, [a_session()]),
    "end a connection": lambda stores: stores.connections.end_connection(SOMEBODY, None),
    "add a revocation": lambda stores: stores.connections.add_revocation(USER, REVOCATION),
    "update a revocation": lambda stores: stores.connections.update_revocation(USER, REVOCATION),
    "drop a revocation": lambda stores: stores.connections.drop_revocation(USER, REVOCATION),
}


@pytest.mark.parametrize("name", CALLS)
def test_without_its_table_every_call_is_trouble_of_the_store(
    azurite: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """And no Fenced, which its callers answer with another round."""
    for module in ("connections", "due", "logins"):
        monkeypatch.setattr(f"shared.storage.{module}.TABLE", "nowhere")
    with pytest.raises(StoreError) as caught:
        CALLS[name](table_stores(azurite))
    assert type(caught.value) is StoreError


WRITES: dict[str, Callable[[Stores, Connection], object]] = {
    "take a lease": lambda stores, connection: stores.connections.take_lease(connection),
    "save tokens": lambda stores, connection: stores.connections.save_tokens(connection, stores.keyring),
    "release": lambda stores, connection: stores.connections.release(connection),
    "reseal": lambda stores, connection: stores.connections.reseal(connection),
}


@pytest.mark.parametrize("name", WRITES)
def test_no_write_goes_out_without_the_etag_that_it_depends_on(azurite: str, user_id: str, name: str) -> None:
    """To the SDK an empty one means: whatever stands there."""
    stores = table_stores(azurite)
    before = sign_in(stores, user_id)
    with pytest.raises(StoreError):
        WRITES[name](stores, a_connection(user_id, etag=""))
    assert stores.connections.load(user_id) == before
