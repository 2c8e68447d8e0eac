"""Starts the local host as a real process and talks to it over plain sockets."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
SAMPLE_APP = Path(__file__).parent / "sample_app"
NEVER = "0 0 0 29 2 *"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class Host:
    """One process of the local host; `lines` grows while it writes."""

    def __init__(self, root: Path, arguments: tuple[str, ...], environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.local_host", "--root", str(root), *arguments],
            cwd=REPOSITORY,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self.lines.append("(end of output)")
            self._news.notify_all()

    def wait_for(self, text: str, seconds: float = 20) -> str:
        """The first line with `text`; fails with the whole output when it does not come."""
        with self._news:
            self._news.wait_for(lambda: self._found(text) or self._found("(end of output)"), seconds)
        found = self._found(text)
        assert found, f"{text!r} did not come:\n{self.output}"
        return found

    def _found(self, text: str) -> str:
        return next((line for line in self.lines if text in line), "")

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @property
    def port(self) -> int:
        return int(self.wait_for("Listening on ").rpartition(":")[2])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def raw(self, request: bytes) -> Reply:
        """Send bytes as they are and read until the host closes."""
        with self.connect() as connection:
            connection.sendall(request)
            return parse_reply(read_all(connection))

    def get(self, target: str, *headers: str, method: str = "GET", body: bytes = b"") -> Reply:
        lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def post(self, target: str, body: bytes) -> Reply:
        return self.get(target, method="POST", body=body)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)


def read_all(connection: socket.socket) -> bytes:
    received = bytearray()
    while data := connection.recv(65536):
        received += data
    return bytes(received)


def parse_reply(received: bytes) -> Reply:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return Reply(int(first.split()[1]), [(name.lower(), value.strip()) for name, _, value in pairs], body)


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., Host]]:
    """Starts hosts on free ports and ends them with the module."""
    hosts: list[Host] = []

    def start_host(*arguments: str, root: Path = SAMPLE_APP, port: str | None = "0", **environ: str) -> Host:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        where = ("--port", port) if port is not None else ()
        hosts.append(Host(root, (*where, *arguments), {**inherited, "TICK_SCHEDULE": NEVER, **environ}))
        return hosts[-1]

    yield start_host
    for host in hosts:
        if host.process.poll() is None:
            host.process.kill()
            host.process.wait()


@pytest.fixture(scope="module")
def host(start: Callable[..., Host]) -> Host:
    """One host of the sample app, shared by a module."""
    return start()


@pytest.fixture
def app_copy(tmp_path: Path) -> Path:
    """A copy of the sample app that a test may change."""
    return shutil.copytree(SAMPLE_APP, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Waits until a condition holds."""

    def wait(condition: Callable[[], bool], seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not become true"
            time.sleep(0.05)

    return wait
