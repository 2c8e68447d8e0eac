"""A clock that a test moves while hosts run: `start_host(services=SERVICES, CLOCK=str(clock.file))`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from shared.services import Services, build_services

SERVICES = "tests.moving_clock:build"


@dataclass
class MovingClock:
    """The offset of all hosts that read this file."""

    file: Path

    def move_to(self, offset: timedelta) -> None:
        """Let them be ahead of the wall clock by so much."""
        new = self.file.with_suffix(".new")
        new.write_text(str(offset.total_seconds()))
        new.replace(self.file)


def build(environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Services:
    """The services of production on this clock."""
    file = Path(environ["CLOCK"])
    return build_services(environ, now=lambda: now() + timedelta(seconds=float(file.read_text())))
