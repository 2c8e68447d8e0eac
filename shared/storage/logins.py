"""Table `logins`: the states that were redeemed. Inserting one burns it; ten-minute buckets keep the purge cheap."""

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Protocol

from shared.models.custody import new_id
from shared.storage.answers import Conflict
from shared.storage.tables import Tables

TABLE = "logins"
KEPT = timedelta(hours=1)
"""Longer than any sign-in may take, so that a burnt state can't come back while its cookie is still taken."""


class Logins(Protocol):
    """The burnt states, as custody sees them. Every method raises StoreError."""

    def burn(self, state_hash: str, started_at: datetime) -> bool:
        """True once for each state; False when it was burnt before."""
        ...

    def purge(self, now: datetime) -> int:
        """Delete buckets older than an hour; how many rows that were."""
        ...


class TableLogins:
    """Fulfils Logins with Azure Table Storage."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def burn(self, state_hash: str, started_at: datetime) -> bool:
        """An insert; a 409 after a lost reply is our own when the change id is."""
        entity = {"PartitionKey": bucket(started_at), "RowKey": state_hash, "change_id": new_id()}

        def landed() -> str | None:
            found = self._tables.query(
                TABLE,
                "PartitionKey eq @bucket and RowKey eq @state",
                {"bucket": entity["PartitionKey"], "state": state_hash},
            )
            return "*" if found and found[0].get("change_id") == entity["change_id"] else None

        try:
            self._tables.write(lambda: self._tables.insert(TABLE, entity), landed)
        except Conflict:
            return False
        return True

    def purge(self, now: datetime) -> int:
        """One query, then 100 deletes a transaction."""
        found = self._tables.query(
            TABLE, "PartitionKey lt @bucket", {"bucket": bucket(now - KEPT)}, select=["PartitionKey", "RowKey"]
        )
        keys = [(str(entity["PartitionKey"]), str(entity["RowKey"])) for entity in found]
        for _, rows in groupby(keys, key=lambda key: key[0]):
            self._tables.delete_all(TABLE, list(rows))
        return len(keys)


def bucket(moment: datetime) -> str:
    """The ten minutes that `moment` is in: yyyymmddHHM0."""
    return f"{moment.astimezone(UTC):%Y%m%d%H%M}"[:-1] + "0"
