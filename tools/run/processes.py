"""Child processes that never outlive their starter: started, waited for, stopped as whole groups.

`make run` and the fixtures of the tests use the same code. Each child leads a session of its own, so a stop
reaches its children too, and Ctrl-C at the terminal reaches the starter alone. When the starter dies
without a word, the reaper ends what is left.
"""

from __future__ import annotations

import atexit
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

LISTENING = re.compile(r"Listening on (https?://\S+)")
STOP_SECONDS = 5.0
POLL_SECONDS = 0.05
PORTS = range(12_000, 32_000)
_turns = itertools.count(random.randrange(len(PORTS)))
TAIL_LINES = 20


class ChildError(Exception):
    """A child ended, or did not get ready in time. Says which, and how its log ends."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running child: the leader of its process group. Its output is in `log`, from byte `log_start` on."""

    name: str
    log: Path
    log_start: int
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the leader runs. Unreaped until `stop`, so its id cannot pass to another process."""
        if self.process.returncode is not None:
            return False
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def output(self) -> str:
        """What this child has written since it was started."""
        with self.log.open("rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def kill(self) -> None:
        """SIGKILL the group, as a crash would; returns once the leader is gone."""
        self._signal(signal.SIGKILL)
        self._reap()

    def pause(self) -> None:
        """SIGSTOP the group: it runs no instruction, but keeps its sockets."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT the group, whoever stopped it."""
        self._signal(signal.SIGCONT)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """End the group: SIGTERM, and SIGKILL for what is left when the leader is gone or time is up.

        Returns the leader's exit code (negative: the signal). Twice is harmless.
        """
        if self.process.returncode is None:
            self._signal(signal.SIGTERM)
            self.resume()  # a stopped process takes no signal but SIGKILL
            _until(lambda: not self.alive, seconds)
            self._signal(signal.SIGKILL)
        return self._reap()

    def _signal(self, number: int) -> None:
        if self.process.returncode is None:
            try:
                os.killpg(self.pid, number)
            except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
                return

    def _reap(self) -> int:
        code = self.process.wait()
        _reaper.forget(self.pid)
        return code


def start(name: str, command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str], cwd: Path) -> Child:
    """Start a child with this environment alone, its output appended to `log`, without standard input."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        log_start = out.tell()
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env={**environment, "PYTHONUNBUFFERED": "1"},  # so that the log is never behind
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _reaper.remember(process.pid)
    return Child(name, log, log_start, process)


def stop_all(children: Iterable[Child], seconds: float = STOP_SECONDS) -> None:
    """Stop many at the same time."""
    running = list(children)
    with ThreadPoolExecutor(max(len(running), 1)) as pool:
        list(pool.map(lambda child: child.stop(seconds), running))


def wait_for[T](child: Child, ready: Callable[[], T | None], seconds: float) -> T:
    """Poll until `ready` gives something true.

    Raises ChildError when the child ends first or the time is over. Exceptions of `ready` pass through.
    """
    deadline = time.monotonic() + seconds
    while True:
        alive = child.alive  # asked first: the last words of a child that ends now still count
        found = ready()
        if found:
            return found
        if not alive:
            raise ChildError(f"{child.name} ended (exit code {child.stop()}){_tail_of(child)}")
        if time.monotonic() > deadline:
            raise ChildError(f"{child.name} was not ready within {seconds:.0f} s{_tail_of(child)}")
        time.sleep(POLL_SECONDS)


def wait_for_line(child: Child, pattern: re.Pattern[str], seconds: float) -> re.Match[str]:
    """Wait for a line of the child's output that the pattern is found in."""
    return wait_for(child, lambda: pattern.search(child.output()), seconds)


def wait_listening(child: Child, seconds: float = 30.0) -> str:
    """The URL of the child's line `Listening on http://…`, without a trailing slash."""
    return wait_for_line(child, LISTENING, seconds).group(1).rstrip("/")


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, indented."""
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server may listen there. A port in TIME_WAIT counts as free, as it does for a server."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago; where a child takes port 0 itself, prefer that.

    From below the range of outgoing connections: one of those would take it before the child does. One after the other
    from a random start, so that what was given away and not taken yet is not given again.
    """
    ports = (PORTS[turn % len(PORTS)] for turn in _turns)
    return next(port for port in ports if is_free(port, host))


def _tail_of(child: Child) -> str:
    words = tail(child.log)
    return f"; {child.log} ends with\n{words}" if words else f"; {child.log} is empty"


def _until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


class _Reaper:
    """This process's side of `reaper.py`, started with the first child."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def remember(self, group: int) -> None:
        with self._lock:
            if self._process is None:
                self._process = self._started()
            self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        with self._lock:
            self._tell(f"-{group}\n")

    def _started(self) -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name("reaper.py")
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script)], stdin=subprocess.PIPE, start_new_session=True
        )
        atexit.register(self._finish)
        return process

    def _tell(self, line: str) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()

    def _finish(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()
            self._process.wait()


_reaper = _Reaper()
