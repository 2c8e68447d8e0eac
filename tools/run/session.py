"""One `make run`: its children, their logs, and the end of them all."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tools.run import processes
from tools.run.plan import PlanError
from tools.run.processes import Child, ChildError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HOST_READY_SECONDS = 60.0


class Stopped(Exception):
    """A signal asks for the end. Raised only where the session waits, never in the middle of a start."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """0 for Ctrl-C, the usual way to end a run; 128 + signal for the others, as in a shell."""
        return 0 if self.number == signal.SIGINT else 128 + self.number


@dataclass(slots=True)
class Session:
    """The running children, in the order of their start. Everything that waits also watches for signals."""

    root: Path
    children: list[Child] = field(default_factory=list)
    _signal: int | None = None

    @property
    def folder(self) -> Path:
        return self.root / ".run"

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str]) -> Child:
        """Start a child with a fresh log `.run/NAME.log`."""
        child = processes.start(name, command, log=self.fresh_log(name), environment=environment, cwd=self.root)
        self.children.append(child)
        return child

    def fresh_log(self, name: str) -> Path:
        log = self.log(name)
        log.unlink(missing_ok=True)
        return log

    def wait_for[T](self, child: Child, ready: Callable[[], T | None], seconds: float) -> T:
        """As `processes.wait_for`; also raises Stopped on a signal, ChildError when any child ends."""

        def watched() -> T | None:
            self.check()
            return ready()

        return processes.wait_for(child, watched, seconds)

    def watch(self) -> None:
        """Wait until a signal (Stopped) or the end of a child (ChildError)."""
        while True:
            self.check()
            time.sleep(0.2)

    def check(self) -> None:
        if self._signal is not None:
            raise Stopped(self._signal)
        for child in self.children:
            if not child.alive:
                code = child.stop()
                raise ChildError(
                    f"{child.name} ended (exit code {code}). {child.log.relative_to(self.root)} ends with\n"
                    f"{processes.tail(child.log)}"
                )

    def on_signal(self, number: int, _: FrameType | None) -> None:
        self._signal = self._signal or number

    def stop(self) -> None:
        """End all children, the last started first: the host before its store."""
        for child in reversed(self.children):
            child.stop()


@contextmanager
def only_session(root: Path) -> Iterator[Session]:
    """The one session of a checkout: signals noted, children ended however the body ends.

    Raises PlanError when another one is running.
    """
    session = Session(root)
    session.folder.mkdir(exist_ok=True)
    with (session.folder / "run.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            running = read_state(root)
            where = f" at {running['url']} (process {running['pid']})" if running else ""
            raise PlanError(f"make run is already running in this checkout{where}.") from error
        for number in STOP_SIGNALS:
            signal.signal(number, session.on_signal)
        try:
            yield session
        finally:
            session.stop()
            state_file(root).unlink(missing_ok=True)


def state_file(root: Path) -> Path:
    return root / ".run" / "run.json"


def write_state(root: Path, **state: str | int) -> None:
    """What `make tick` and a second `make run` need to know of this one."""
    state_file(root).write_text(json.dumps({"pid": os.getpid(), **state}, indent=2) + "\n")


def read_state(root: Path) -> dict[str, str | int] | None:
    """The state of the running session, None when there is none."""
    try:
        state = json.loads(state_file(root).read_text())
        os.kill(state["pid"], 0)
    except (OSError, ValueError, KeyError):
        return None
    return dict(state)


def answers(url: str) -> bool:
    """Whether a loopback URL answers 200; a self-signed certificate will do there."""
    context = ssl._create_unverified_context() if url.startswith("https") else None  # noqa: S323 (loopback)
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as response:  # noqa: S310 (own URL)
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def say(line: str) -> None:
    print(line, flush=True)


def complain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
