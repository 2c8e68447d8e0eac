"""What an answer to a read must look like before anybody believes that rows are there, or gone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from shared.errors import StoreError
from shared.storage.tables import TRIES, Tables, connect
from tests.shared.azure_devops.scripted_server import Request, Response, ScriptedServer, answer_json, scripted_server

ROW = {"PartitionKey": "u", "RowKey": "connection", "odata.etag": "x"}
NO_PAGES = {
    "nothing": Response(body=b""),
    "nothing, of no type": Response(body=b"", content_type=""),
    "nothing, in no chunks": Response(
        raw=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "null": Response(body=b"null"),
    "an empty object": Response(body=b"{}"),
    "a list": answer_json([ROW]),
    "no list of rows": answer_json({"value": {}}),
    "a row that is none": answer_json({"value": [None]}),
    "a row without a key": answer_json({"value": [{"PartitionKey": "u"}]}),
    "a value that is not of its type": answer_json({"value": [ROW | {"at": "?", "at@odata.type": "Edm.DateTime"}]}),
    "HTML": Response(body=b"<html></html>", content_type="text/html"),
    "half of it": Response(body=b'{"value": [{"Parti'),
}


@contextmanager
def tables(script: Callable[[Request], Response]) -> Iterator[tuple[Tables, ScriptedServer]]:
    with scripted_server(script) as server:
        account = f"AccountName=a;AccountKey=YQ==;TableEndpoint={server.url}/a;DefaultEndpointsProtocol=http"
        service = connect(connection_string=account, url=None, credential=None)
        yield Tables(service, sleep=lambda _: None), server


@pytest.mark.parametrize("name", NO_PAGES)
def test_what_is_no_page_of_rows_is_no_empty_partition(name: str) -> None:
    """It is asked for again, and in the end told as trouble of the store: who took it for an empty one signed out."""
    with tables(lambda _: NO_PAGES[name]) as (store, server):
        with pytest.raises(StoreError):
            store.query("connections", "PartitionKey eq @u", {"u": "u"})
        assert len(server.calls) == TRIES
        with pytest.raises(StoreError):
            store.probe("connections")


@pytest.mark.parametrize("name", NO_PAGES)
def test_the_page_that_comes_after_it_counts(name: str) -> None:
    answers = iter([NO_PAGES[name], answer_json({"value": [ROW]})])
    with tables(lambda _: next(answers)) as (store, _):
        (found,) = store.query("connections", "PartitionKey eq @u", {"u": "u"})
    assert found["RowKey"] == "connection"


def test_a_partition_without_rows_is_empty_at_once() -> None:
    with tables(lambda _: answer_json({"value": []})) as (store, server):
        assert store.query("connections", "PartitionKey eq @u", {"u": "u"}) == []
        store.probe("connections")
    assert len(server.calls) == 2
