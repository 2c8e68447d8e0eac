"""The listening socket, signals and the graceful stop around uvicorn."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import uvicorn

from tools.local_host.errors import HostError
from tools.local_host.front import Front

# How long a stop waits for invocations that are under way.
GRACE_SECONDS = 10
# Kestrel keeps an idle connection this long.
_KEEP_ALIVE_SECONDS = 130


def bound_socket(host: str, port: int) -> socket.socket:
    """Bind (0: any free port) without listening yet, so that the port is known before the app is imported."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named: without it every answer takes 44 ms (Nagle).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise HostError(f"port {port} of {host} can't be used: {error.strerror}.") from error
    return listener


class Server(uvicorn.Server):
    """Says when it is ready, stops on the first signal and ends at once on the second."""

    def __init__(
        self,
        front: Front,
        certificate: tuple[Path, Path] | None,
        *,
        ready: Callable[[], object],
        stopping: Callable[[], object],
    ) -> None:
        """`ready` is called when requests are accepted, `stopping` at the first signal."""
        super().__init__(
            uvicorn.Config(
                front,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ssl_certfile=certificate[0] if certificate else None,
                ssl_keyfile=certificate[1] if certificate else None,
            )
        )
        self._ready = ready
        self._stopping = stopping
        self._stop_began: float | None = None

    def grace_left(self) -> float:
        """Seconds that invocations may still run after the first signal."""
        if self._stop_began is None:
            return GRACE_SECONDS
        return max(0.0, self._stop_began + GRACE_SECONDS - time.monotonic())

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        # uvicorn's own version raises the signal again after the stop, and the exit code would not be 0.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)
        yield

    def _on_signal(self, number: int) -> None:
        if self.should_exit:
            end_process(128 + number)
        self.should_exit = True
        self._stop_began = time.monotonic()
        self._stopping()


def end_process(code: int) -> None:
    """End without waiting for the runtime's threads, which Python would join: a handler may hang in one."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
