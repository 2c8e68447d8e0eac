"""Which named point of which process is a trap, and the record of what was really hit.

A folder belongs to one process of the application: the starter writes `armed.json` into it at any time, the process
appends to `hits.jsonl`, and has that on disk before it acts. The setting that names the folder is this tool's own.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

SETTING = "GATEHOUSE_CHAOS"
ARMED = "armed.json"
HITS = "hits.jsonl"


class Act(StrEnum):
    """What befalls the process: SIGKILL, SIGSTOP, a sleep of the thread, or nothing but the record."""

    KILL = "kill"
    STOP = "stop"
    SLEEP = "sleep"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Trap:
    """At `point` (a pattern as of fnmatch), from the `after`-th time on and at most `times` (None: always)."""

    point: str
    act: Act
    seconds: float = 0
    after: int = 0
    times: int | None = 1


@dataclass(frozen=True, slots=True)
class Hit:
    """A trap that was sprung; `at` on the wall clock."""

    point: str
    act: Act
    pid: int
    at: float


class Traps:
    """The starter's side of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def setting(self) -> dict[str, str]:
        """What the process must find in its environment."""
        return {SETTING: str(self.folder)}

    def arm(self, *traps: Trap) -> None:
        """Put these in place of all others; none disarms. The next point that is reached knows."""
        new = self.folder / "armed.new"
        new.write_text(json.dumps([asdict(trap) for trap in traps]), "utf-8")
        new.replace(self.folder / ARMED)

    def hits(self) -> list[Hit]:
        """All so far, in their order."""
        record = self.folder / HITS
        lines = record.read_text("utf-8").splitlines() if record.exists() else []
        found = [json.loads(line) for line in lines]
        return [Hit(**{**each, "act": Act(each["act"])}) for each in found]

    def wait(self, count: int = 1, seconds: float = 20) -> list[Hit]:
        """The hits, as soon as there are so many. Raises TimeoutError."""
        ends = time.monotonic() + seconds
        while len(found := self.hits()) < count:
            if time.monotonic() > ends:
                raise TimeoutError(f"{len(found)} of {count} points hit in {self.folder.name}")
            time.sleep(0.01)
        return found


class Tripwire:
    """The process's side: `reach` is called at every named point."""

    def __init__(self, environ: Mapping[str, str], *, act: Callable[[Trap], None]) -> None:
        self._folder = Path(environ[SETTING])
        self._act = act
        self._lock = threading.Lock()
        self._known: tuple[int, int] | None = None
        self._traps: list[Trap] = []
        self._reached: list[int] = []

    def reach(self, point: str) -> None:
        """Spring the first trap that this point is one for, if any."""
        with self._lock:
            trap = self._sprung(point)
            if trap:
                self._record(point, trap)
        if trap:
            self._act(trap)

    def _sprung(self, point: str) -> Trap | None:
        self._reload()
        for number, trap in enumerate(self._traps):
            if not fnmatchcase(point, trap.point):
                continue
            self._reached[number] += 1
            nth = self._reached[number] - trap.after
            if nth > 0 and (trap.times is None or nth <= trap.times):
                return trap
        return None

    def _reload(self) -> None:
        try:
            status = (self._folder / ARMED).stat()
        except FileNotFoundError:
            return
        version = (status.st_ino, status.st_mtime_ns)
        if version == self._known:
            return
        listed = json.loads((self._folder / ARMED).read_text("utf-8"))
        self._traps = [Trap(**{**each, "act": Act(each["act"])}) for each in listed]
        self._reached = [0] * len(self._traps)
        self._known = version

    def _record(self, point: str, trap: Trap) -> None:
        line = json.dumps(asdict(Hit(point, trap.act, os.getpid(), time.time()))) + "\n"
        record = os.open(self._folder / HITS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(record, line.encode())
            os.fsync(record)
        finally:
            os.close(record)
