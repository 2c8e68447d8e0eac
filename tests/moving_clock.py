"""`--services tests.moving_clock:services`: the application as it is, with a clock that a test moves while it runs."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from shared.services import Services, build_services

SETTING = "GATEHOUSE_CLOCK"
BUILDER = "tests.moving_clock:services"


@dataclass
class MovingClock:
    """The starter's side: one clock for all processes that are told of it, `ahead` of the wall clock in seconds."""

    path: Path
    ahead: float = 0.0

    def __post_init__(self) -> None:
        self._write()

    @property
    def setting(self) -> dict[str, str]:
        """What a process must find in its environment."""
        return {SETTING: str(self.path)}

    def advance(self, seconds: float) -> None:
        """Move on; whoever asks for the time after this knows."""
        self.ahead += seconds
        self._write()

    def move_to(self, offset: timedelta) -> None:
        """Be ahead of the wall clock by so much."""
        self.ahead = offset.total_seconds()
        self._write()

    def _write(self) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(str(self.ahead), "utf-8")
        os.replace(new, self.path)


def services(environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Services:
    """The application's own services on that clock."""
    path = Path(environ[SETTING])
    return build_services(environ, now=lambda: now() + timedelta(seconds=float(path.read_text("utf-8"))))
