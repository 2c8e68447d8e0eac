from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from tests.shared.azure_devops.scripted_server import Script, ScriptedServer, scripted_server


@dataclass
class Clock:
    """Time that passes only when a test says so."""

    at: datetime = field(default_factory=lambda: datetime(2026, 11, 24, 12, tzinfo=UTC))

    def now(self) -> datetime:
        return self.at

    def pass_by(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def serve() -> Iterator[Callable[[Script], ScriptedServer]]:
    """A function of (script) that starts a real server on loopback answering by it."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(scripted_server(script))
