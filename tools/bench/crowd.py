"""A great many connections that only stand in the store, written into Azurite's file while it does not run.

Its own insert compares each row of the same RowKey: a hundred thousand connections would take it most of an hour.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.sealing import Keyring
from tools.chaos import population
from tools.run import azurite
from tools.run.azurite import Azurite

FILE = "__azurite_db_table__.json"
LATER = timedelta(hours=6)
"""Until they are due: long after the measurement."""


@contextmanager
def crowded(folder: Path, people: int, keys: Keyring) -> Iterator[Azurite]:
    """An emulator with our tables and so many connections with their hints; it ends with the block."""
    data = folder / "azurite"
    with _running(folder, data) as empty:
        azurite.create_tables(empty.connection_string)
        residents = population.strangers((f"at rest {n}" for n in range(people)), datetime.now(UTC) + LATER)
        population.store_only(empty.connection_string, keys, residents[0])
    hints = [each.hint for each in residents[1:]]
    _multiply(data / FILE, "connections", "PartitionKey", (hint.user_id for hint in hints))
    _multiply(data / FILE, "due", "RowKey", (hint.row_key for hint in hints))
    with _running(folder, data) as full:
        yield full


@contextmanager
def _running(folder: Path, data: Path) -> Iterator[Azurite]:
    started = azurite.start_azurite(folder / "azurite.log", data=data)
    try:
        yield started
    finally:
        started.child.stop(seconds=60)


def _multiply(file: Path, table: str, key: str, values: Iterable[str]) -> None:
    """Copy the only row of a table, each copy with another key; the indexes are made anew at the first search."""
    database = json.loads(file.read_text("utf-8"))
    collection = next(it for it in database["collections"] if it["name"] == f"{azurite.ACCOUNT}${table}")
    (pattern,) = collection["data"]
    for number, value in enumerate(values, 2):
        own = {"properties": {**pattern["properties"], key: value}, "$loki": number, key: value}
        collection["data"].append(pattern | own)
    collection["maxId"] = len(collection["data"])
    for index in collection["binaryIndices"].values():
        index |= {"dirty": True, "values": []}
    file.write_text(json.dumps(database), "utf-8")
