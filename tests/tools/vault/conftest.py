from collections.abc import Iterator

import pytest

from tests.local_vault import LocalVault, start_vault


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalVault]:
    started = start_vault(tmp_path_factory.mktemp("vault"))
    yield started
    started.child.stop()


@pytest.fixture
def vault(running: LocalVault) -> LocalVault:
    """A vault in good health, with the three secrets of the site."""
    running.well()
    return running
