"""A clock that the starter moves while hosts run: `--services tools.chaos.clock:services`.

With traps set it has the named points of `points` too.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.services import Services, build_services
from tools.chaos import arming, points

SETTING = "GATEHOUSE_CLOCK"
SERVICES = "tools.chaos.clock:services"


class MovableClock:
    """How far the processes that share this file are ahead; each reading of their clock asks anew."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.move_to(timedelta())

    @property
    def setting(self) -> dict[str, str]:
        """What the processes must find in their environment."""
        return {SETTING: str(self._file)}

    @property
    def ahead(self) -> timedelta:
        return timedelta(seconds=float(self._file.read_text()))

    def move_to(self, ahead: timedelta) -> None:
        """From now on all of them are ahead by this much."""
        new = self._file.with_suffix(".new")
        new.write_text(str(ahead.total_seconds()))
        new.replace(self._file)

    def advance(self, by: timedelta) -> None:
        self.move_to(self.ahead + by)

    def now(self) -> datetime:
        """What these processes take for the time."""
        return datetime.now(UTC) + self.ahead


def services(environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Services:
    """The application by the clock of the file."""
    file = Path(environ[SETTING])
    build = points.services if arming.SETTING in environ else build_services
    return build(environ, now=lambda: now() + timedelta(seconds=float(file.read_text())))
