"""A table of our own behind the proxy, and a simulator beside it for the tests of named points."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from azure.data.tables import TableClient, TableServiceClient

from tools.chaos.storage_proxy import StorageProxy


@pytest.fixture(scope="module")
def storage(azurite: str) -> Iterator[StorageProxy]:
    with closing(StorageProxy(azurite)) as proxy:
        yield proxy


@pytest.fixture
def direct(azurite: str) -> Iterator[TableClient]:
    """Table `logins` without the proxy between."""
    with TableServiceClient.from_connection_string(azurite) as service:
        yield service.get_table_client("logins")
