"""What the application writes, read at the wire, and the rule that every write has to keep (design, Flows).

A write is one conditional operation, or one transaction of one partition. Sign-ins, hints, burns and revocations create
rows; every other write fails when its row is gone.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from shared.storage import due, logins, rows
from tools.chaos.storage_proxy import Operation

BATCH = "$batch"
ANY = b"*"
FENCED = (rows.CONNECTION, rows.SESSIONS)
"""Whoever changes or deletes these has read them."""
_WRITE = re.compile(
    rb"(?P<method>POST|PUT|PATCH|MERGE|DELETE) (?:http://[^/ ]+)?/[^/ ]+/(?P<table>\w+)(?P<key>\([^ ]*\))? HTTP/1.1\r\n"
    rb"(?P<headers>(?:[^\r\n]+\r\n)*)\r\n(?P<body>\{[^\r\n]*)?"
)
_KEY = re.compile(r"\(PartitionKey='([^']*)',RowKey='([^']*)'\)")
_CONDITION = re.compile(rb"(?im)^If-Match: (\S+)")


@dataclass(frozen=True, slots=True)
class Write:
    """One row's change; `condition` is its If-Match."""

    method: str
    table: str
    partition: str
    row: str
    condition: bytes | None

    @property
    def creates(self) -> bool:
        """Whether the row may be a new one: by an insert, or by an upsert."""
        return self.method == "POST" or (self.method != "DELETE" and self.condition is None)

    def __str__(self) -> str:
        return f"{self.method} {self.table} {self.row[:12]}"


def is_write(operation: Operation) -> bool:
    return operation.method != "GET"


def read(operation: Operation) -> list[Write]:
    """The rows that an operation changes. Raises ValueError for one that this can't read."""
    found = [_write(match) for match in _WRITE.finditer(operation.raw)]
    parts = operation.raw.count(b"Content-Type: application/http") if operation.table == BATCH else 1
    if not found or len(found) != parts:
        raise ValueError(f"{operation}: {len(found)} of {parts} writes are readable")
    return found


def _write(match: re.Match[bytes]) -> Write:
    headers = _CONDITION.search(match["headers"])
    if match["key"]:
        partition, row = map(unquote, _KEY.fullmatch(match["key"].decode()).groups())
    else:
        entity = json.loads(match["body"])
        partition, row = entity["PartitionKey"], entity["RowKey"]
    return Write(match["method"].decode(), match["table"].decode(), partition, row, headers and headers[1])


def broken_rules(operation: Operation) -> list[str]:
    """What is wrong with a write, in words."""
    together = read(operation)
    places = {(it.table, it.partition) for it in together}
    found = [f"{operation}: {len(places)} partitions at once"] if len(places) > 1 else []
    return found + [f"{it}: {word}" for it in together for word in _wrong(it, together)]


def _wrong(write: Write, together: Sequence[Write]) -> Iterable[str]:
    if write.creates and not _may_create(write, together):
        yield "may create a row that was gone"
    if write.table == rows.TABLE and write.row in FENCED and not write.creates and write.condition in (None, ANY):
        yield "changes what it has not read"
    if write.method == "DELETE" and write.condition is None:
        yield "without a condition"


def _may_create(write: Write, together: Sequence[Write]) -> bool:
    """Hints alone are upserts; rows of a person come with a new session, or are revocations."""
    if write.table == due.TABLE:
        return write.method == "PUT"
    if write.method != "POST":
        return False
    if write.table == logins.TABLE or write.row.startswith(rows.REVOCATION_PREFIX):
        return True
    return any(it.method == "POST" and it.row.startswith(rows.SESSION_PREFIX) for it in together)
