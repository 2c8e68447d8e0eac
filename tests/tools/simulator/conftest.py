"""Fixtures of the simulator's tests."""

import pytest

from tests.tools.simulator.driver import Driver


@pytest.fixture
def sim() -> Driver:
    """A fresh simulator."""
    return Driver()


@pytest.fixture(scope="session")
def data() -> Driver:
    """One simulator for all tests that only read from it."""
    return Driver()


@pytest.fixture(scope="session")
def ada(data: Driver) -> str:
    """An access token of Ada's for `data`, with every scope that the application asks for."""
    return data.sign_in("ada")["access_token"]
