"""Fixtures of the tests of the simulator's Entra."""

import pytest

from tests.tools.simulator.entra.entra_client import EntraClient


@pytest.fixture
def entra() -> EntraClient:
    """A client of a fresh simulator, at Fabrikam's tenant."""
    return EntraClient()
