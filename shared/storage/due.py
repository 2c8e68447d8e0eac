"""Table `due`: hints "look at this user then". One partition, ordered by time; a hint is never the truth."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol

from shared.models.custody import HINT_STAMP, Hint
from shared.storage.tables import Tables

TABLE = "due"
PARTITION = "due"


class Due(Protocol):
    """The hints, as custody sees them. Every method raises StoreError."""

    def put(self, hints: Sequence[Hint]) -> None:
        """Insert or replace."""
        ...

    def until(self, moment: datetime) -> Iterator[list[Hint]]:
        """All hints up to and including `moment`, oldest first, in pages."""
        ...

    def remove(self, hints: Sequence[Hint]) -> None:
        """Delete; those that are gone already count as deleted. For the timer alone."""
        ...


class TableDue:
    """Fulfils Due with Azure Table Storage."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put(self, hints: Sequence[Hint]) -> None:
        """One upsert for one hint, else 100 a transaction."""
        entities = [{"PartitionKey": PARTITION, "RowKey": hint.row_key} for hint in hints]
        if len(entities) == 1:
            self._tables.upsert(TABLE, entities[0])
        else:
            self._tables.upsert_all(TABLE, entities)

    def until(self, moment: datetime) -> Iterator[list[Hint]]:
        """Pages of 1,000; moving rows while paging loses none (measured). `;` sorts right after `:`."""
        last = f"{moment.astimezone(UTC):{HINT_STAMP}};"
        condition = "PartitionKey eq @due and RowKey lt @last"
        for page in self._tables.pages(TABLE, condition, {"due": PARTITION, "last": last}, select=["RowKey"]):
            yield [hint for entity in page if (hint := parse(str(entity["RowKey"])))]

    def remove(self, hints: Sequence[Hint]) -> None:
        """100 a transaction."""
        self._tables.delete_all(TABLE, [(PARTITION, hint.row_key) for hint in hints])


def parse(row_key: str) -> Hint | None:
    """The hint of a RowKey; None for a row that is none of ours."""
    stamp, _, user_id = row_key.partition(":")
    try:
        return Hint(datetime.strptime(stamp, HINT_STAMP).replace(tzinfo=UTC), user_id) if user_id else None
    except ValueError:
        return None
