"""The rule that S6 puts to every write at the wire takes what the design takes, and refuses what it refuses."""

import json
from collections.abc import Sequence

import pytest

from tests.acceptance.writes import BATCH, broken_rules
from tools.chaos.storage_proxy import Operation

ETAG = "W/\"datetime'2026-11-28T17%3A09%3A06.6069884Z'\""
SESSION, REVOCATION = "session:7f48", "revocation:828a"
Part = tuple[str, str, str | None]


def request(method: str, row: str, condition: str | None, table: str, partition: str, host: str = "") -> str:
    """One row's change as the SDK sends it: method, row and If-Match."""
    key = "" if method == "POST" else f"(PartitionKey='{partition}',RowKey='{row.replace(':', '%3A')}')"
    match = f"If-Match: {condition}\r\n" if condition else ""
    body = "" if method == "DELETE" else json.dumps({"PartitionKey": partition, "RowKey": row})
    return f"{method} {host}/account/{table}{key} HTTP/1.1\r\nAccept: */*\r\n{match}\r\n{body}"


def single(part: Part, table: str = "connections") -> Operation:
    method, row, condition = part
    return Operation(method, table, request(method, row, condition, table, "ada").encode())


def transaction(parts: Sequence[Part], partitions: Sequence[str] = ()) -> Operation:
    """As `$batch`, each part inside its own envelope."""
    places = partitions or ["ada"] * len(parts)
    inner = [
        f"--changeset\r\nContent-Type: application/http\r\n\r\n{request(*part, 'connections', place, 'http://store')}\r\n"
        for part, place in zip(parts, places, strict=True)
    ]
    head = f"POST /account/{BATCH} HTTP/1.1\r\nContent-Type: multipart/mixed\r\n\r\n"
    return Operation("POST", BATCH, (head + "".join(inner)).encode())


@pytest.mark.parametrize(
    "operation",
    [
        single(("POST", "5e5510", None), "logins"),
        single(("PUT", "20261128175405:ada", None), "due"),
        single(("POST", REVOCATION, None)),
        single(("PATCH", "connection", ETAG)),
        single(("PATCH", SESSION, "*")),
        single(("PUT", REVOCATION, "*")),
        transaction([("POST", "connection", None), ("POST", SESSION, None), ("POST", "sessions", None)]),
        transaction([("DELETE", SESSION, "*"), ("DELETE", "connection", ETAG), ("POST", REVOCATION, None)]),
    ],
    ids=["burn", "hint", "revocation", "merge", "touch", "outcome", "sign-in", "end"],
)
def test_writes_of_the_design_are_taken(operation: Operation) -> None:
    assert broken_rules(operation) == []


@pytest.mark.parametrize(
    ("operation", "broken"),
    [
        (single(("PATCH", SESSION, None)), "PATCH connections session:7f48: may create a row that was gone"),
        (single(("PUT", REVOCATION, None)), "PUT connections revocation:8: may create a row that was gone"),
        (single(("POST", "connection", None)), "POST connections connection: may create a row that was gone"),
        (single(("PUT", "5e5510", None), "logins"), "PUT logins 5e5510: may create a row that was gone"),
        (single(("PATCH", "connection", "*")), "PATCH connections connection: changes what it has not read"),
        (
            transaction([("DELETE", "sessions", "*"), ("DELETE", SESSION, "*")]),
            "DELETE connections sessions: changes what it has not read",
        ),
        (
            transaction([("POST", REVOCATION, None), ("DELETE", SESSION, "*")], ["ada", "bob"]),
            "POST $batch: 2 partitions at once",
        ),
    ],
    ids=["upsert", "replace", "insert alone", "burn twice", "any connection", "any version", "two people"],
)
def test_other_writes_are_named(operation: Operation, broken: str) -> None:
    assert broken_rules(operation) == [broken]


def test_a_transaction_that_cannot_be_read_whole_is_no_proof() -> None:
    whole = transaction([("DELETE", SESSION, "*"), ("DELETE", "connection", ETAG)])
    spoilt = Operation(whole.method, whole.table, whole.raw.replace(b"DELETE", b"REMOVE", 1))
    with pytest.raises(ValueError, match="1 of 2"):
        broken_rules(spoilt)
