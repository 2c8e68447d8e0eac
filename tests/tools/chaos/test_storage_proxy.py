"""The proxy before the store injects what it is told, where it is told, as often as it says."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableClient, TableServiceClient

from tools.chaos.storage_proxy import Cut, Delay, Fault, LoseReply, Refuse, StorageProxy

_numbers = count(1)


@pytest.fixture
def table(storage: StorageProxy) -> Iterator[TableClient]:
    """Table `logins` by way of the proxy; nothing is retried."""
    with TableServiceClient.from_connection_string(storage.connection_string, retry_total=0) as service:
        yield service.get_table_client("logins")


@pytest.fixture
def entity() -> dict[str, str]:
    return {"PartitionKey": "chaos", "RowKey": f"{next(_numbers)}"}


def there(table: TableClient, entity: dict[str, str]) -> bool:
    return bool(list(table.query_entities(f"PartitionKey eq 'chaos' and RowKey eq '{entity['RowKey']}'")))


def outcome(table: TableClient, entity: dict[str, str]) -> int | str:
    """What a client sees of an insert: "done", a status, or the kind of its trouble."""
    try:
        table.create_entity(entity)
    except HttpResponseError as error:
        return error.status_code or type(error).__name__
    except Exception as error:  # noqa: BLE001 - cut replies leak foreign exceptions
        return type(error).__name__
    return "done"


@pytest.mark.parametrize("status", [409, 412, 429, 500, 503])
def test_a_refusal_is_an_answer_of_the_table_service_and_the_store_never_sees_it(
    storage: StorageProxy, table: TableClient, direct: TableClient, entity: dict[str, str], status: int
) -> None:
    fault = Fault(effect=Refuse(status, retry_after="7"), method="POST", table="logins")
    with storage.injecting(fault):
        assert outcome(table, entity) == status
    assert (fault.seen, fault.injected) == (1, 1)
    assert not there(direct, entity)
    assert outcome(table, entity) == "done", "the same connection goes on"


@pytest.mark.parametrize("keep", [0, 40])
def test_a_lost_reply_is_lost_after_the_commit(
    storage: StorageProxy, table: TableClient, direct: TableClient, entity: dict[str, str], keep: int
) -> None:
    fault = Fault(effect=LoseReply(keep), method="POST", table="logins", times=1)
    with storage.injecting(fault):
        assert outcome(table, entity) == ("done" if keep else "ServiceResponseError"), "the SDK misses no ETag"
    assert fault.injected == 1
    assert there(direct, entity)


def test_a_cut_connection_is_cut_before_the_store_sees_anything(
    storage: StorageProxy, table: TableClient, direct: TableClient, entity: dict[str, str]
) -> None:
    fault = Fault(effect=Cut(), times=1)
    with storage.injecting(fault):
        assert outcome(table, entity) == "ServiceResponseError"
    assert fault.injected == 1
    assert not there(direct, entity)


def test_a_delayed_operation_is_done_later(storage: StorageProxy, table: TableClient, entity: dict[str, str]) -> None:
    fault = Fault(effect=Delay(0.3), times=1)
    began = time.monotonic()
    with storage.injecting(fault):
        assert outcome(table, entity) == "done"
    assert time.monotonic() - began >= 0.3
    assert fault.injected == 1


def test_what_is_still_held_when_the_proxy_closes_never_reaches_the_store(
    azurite: str, direct: TableClient, entity: dict[str, str]
) -> None:
    """The rows of a request that hung would turn up in the empty store of the site that comes next."""
    storage = StorageProxy(azurite)
    fault = Fault(effect=Delay(1), times=1)
    with (
        TableServiceClient.from_connection_string(storage.connection_string, retry_total=0) as service,
        ThreadPoolExecutor(1) as pool,
        storage.injecting(fault),
    ):
        outcomes = pool.submit(outcome, service.get_table_client("logins"), entity)
        while not fault.injected:
            time.sleep(0.01)
        storage.close()
        assert outcomes.result(timeout=0.9) == "ServiceResponseError"
    time.sleep(1.2)
    assert not there(direct, entity)


def test_only_what_matches_is_disturbed_on_a_connection_that_is_kept(
    storage: StorageProxy, table: TableClient, entity: dict[str, str]
) -> None:
    """By method, table, content and number: the second insert that holds the key, not the query before it."""
    fault = Fault(effect=Refuse(503), method="POST", table="logins", holding=b"wanted", after=1, times=1)
    with storage.injecting(fault):
        list(table.list_entities())
        assert outcome(table, entity) == "done"
        assert [outcome(table, {**entity, "RowKey": f"wanted{n}"}) for n in range(3)] == ["done", 503, "done"]
    assert (fault.seen, fault.injected) == (3, 1)


def test_each_other_try_is_disturbed_so_that_the_one_after_it_comes_through(
    storage: StorageProxy, table: TableClient, entity: dict[str, str]
) -> None:
    fault = Fault(effect=Refuse(503), method="POST", after=1, every=2)
    with storage.injecting(fault):
        seen = [outcome(table, {**entity, "RowKey": f"turn{n}"}) for n in range(5)]
    assert seen == ["done", 503, "done", 503, "done"]
    assert fault.injected == 2


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_share_of_the_operations_is_drawn_from_a_seed(
    storage: StorageProxy, table: TableClient, share: float
) -> None:
    """About the share, the same ones each time, counted as the client saw them."""
    drawn = []
    for _ in range(2):
        fault = Fault(effect=Refuse(500), method="GET", share=share, seed=7)
        with storage.injecting(fault):
            seen = [answered(table) for _ in range(100)]
        assert fault.injected == seen.count(500)
        drawn.append(seen)
    assert drawn[0] == drawn[1]
    assert abs(drawn[0].count(500) - 100 * share) <= 12


def answered(table: TableClient) -> int:
    try:
        list(table.query_entities("PartitionKey eq 'nobody'"))
    except HttpResponseError as error:
        return error.status_code or 0
    return 200


def test_an_outage_begins_with_its_first_operation_and_befalls_everything(
    storage: StorageProxy, table: TableClient, entity: dict[str, str]
) -> None:
    fault = Fault(effect=Refuse(503), method="POST", lasts=0.3)
    with storage.injecting(fault):
        assert answered(table) == 200
        assert [outcome(table, entity), answered(table)] == [503, 503]
        time.sleep(0.35)
        assert [answered(table), outcome(table, entity)] == [200, "done"]
    assert fault.injected == 2


def test_what_is_gone_refuses_connections_and_comes_back_on_the_same_port(
    storage: StorageProxy, table: TableClient, entity: dict[str, str]
) -> None:
    with storage.gone():
        assert outcome(table, entity) in ("ServiceRequestError", "ServiceResponseError")
    assert outcome(table, entity) == "done"


def test_a_transaction_is_one_operation(storage: StorageProxy, table: TableClient) -> None:
    rows = [("create", {"PartitionKey": "chaos", "RowKey": f"t{next(_numbers)}"}) for _ in range(3)]
    with storage.counting() as operations:
        table.submit_transaction(rows)
    assert operations == ["POST $batch"]
