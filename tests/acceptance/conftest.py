"""Shared by acceptance tests: a host whose operations on the store are counted, and a strict vault."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.local_vault import LocalVault, start_vault
from tests.site import Browser, Host, Simulator, Site
from tools.chaos.storage_proxy import StorageProxy


@pytest.fixture(scope="module")
def storage(site: Site) -> Iterator[StorageProxy]:
    """A counted way to the store of the site."""
    with closing(StorageProxy(site.storage)) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def counted(site: Site, storage: StorageProxy) -> Host:
    """A host on that way."""
    return site.start_host(AzureWebJobsStorage=storage.connection_string)


@pytest.fixture(scope="module")
def ada(counted: Host) -> Browser:
    """Somebody who is signed in there."""
    browser = Browser(counted.url)
    browser.sign_in("ada")
    return browser


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalVault]:
    """A vault in good health, with the three secrets of the site."""
    started = start_vault(tmp_path_factory.mktemp("vault"))
    yield started
    started.child.stop()


class Untouched:
    """Asserts that a block asked nothing of the store and nothing of Azure DevOps."""

    def __init__(self, storage: StorageProxy, simulator: Simulator) -> None:
        self._storage, self._simulator = storage, simulator

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self._simulator.clear_calls()
        with self._storage.counting() as operations:
            yield
        assert operations == []
        assert self._simulator.calls() == []


@pytest.fixture
def untouched(storage: StorageProxy, simulator: Simulator) -> Untouched:
    return Untouched(storage, simulator)
