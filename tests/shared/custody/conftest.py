import pytest

from tests.fakes import World


@pytest.fixture
def world() -> World:
    """Custody on fakes, at noon, with nobody signed in."""
    return World()
