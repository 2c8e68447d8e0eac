from __future__ import annotations

from pathlib import Path

from azure.data.tables import TableServiceClient

from tools.run.azurite import start_azurite


def test_its_connection_string_reaches_tables(azurite: str) -> None:
    with TableServiceClient.from_connection_string(azurite) as service:
        table = service.create_table_if_not_exists("reach")
        table.upsert_entity({"PartitionKey": "p", "RowKey": "r", "value": 7})
        assert table.get_entity("p", "r")["value"] == 7


def test_rows_survive_a_stop_when_they_are_kept_in_a_folder(tmp_path: Path) -> None:
    for value in (None, 7):
        started = start_azurite(tmp_path / "azurite.log", data=tmp_path / "data")
        try:
            with TableServiceClient.from_connection_string(started.connection_string) as service:
                table = service.create_table_if_not_exists("kept")
                if value is None:
                    table.create_entity({"PartitionKey": "p", "RowKey": "r", "value": 7})
                else:
                    assert table.get_entity("p", "r")["value"] == value
        finally:
            started.child.stop()
