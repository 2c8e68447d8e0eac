"""A proxy before the table endpoint of Azurite: it counts operations, injects faults into them, and can be gone.

An operation is one HTTP request of the table service: "GET connections", "PATCH connections", "PUT due", and
"POST $batch" for a whole transaction. Faults are decided per operation, also on connections that are kept open.
"""

import contextlib
import json
import random
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import httptools

PIECE = 64 * 1024
_REFUSED = re.compile(rb"HTTP/1\.1 ([45]\d\d) ")
_CODES = {
    404: "ResourceNotFound",
    409: "EntityAlreadyExists",
    412: "UpdateConditionNotSatisfied",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServerBusy",
}


@dataclass(frozen=True, slots=True)
class Delay:
    """The operation waits before it reaches the store, also when its client has gone; `close` ends the wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """The store never sees the operation; the client gets this answer."""

    status: int
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """The store never sees the operation; the connection is closed."""


@dataclass(frozen=True, slots=True)
class LoseReply:
    """The store commits; of its reply only the first `keep` bytes arrive before the connection is closed."""

    keep: int = 0


Effect = Delay | Refuse | Cut | LoseReply


@dataclass(frozen=True, slots=True)
class Operation:
    """One request to the table service; `table` is `$batch` for a transaction."""

    method: str
    table: str
    raw: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.table}"


@dataclass(kw_only=True)
class Fault:
    """An effect and the operations it befalls; `seen` that fitted and `injected` into which it really went.

    `table`, `method` and `holding` (bytes found in the request) choose; of what fits, the first `after` pass, then a
    `share` of each `every`-th is disturbed, at most `times`. With `lasts` the first that fits opens an outage: for so
    many seconds every operation of any kind is disturbed.
    """

    effect: Effect
    table: str | None = None
    method: str | None = None
    holding: bytes = b""
    share: float = 1.0
    after: int = 0
    every: int = 1
    """2: one try is disturbed, and the one after it comes through."""
    times: int | None = None
    lasts: float | None = None
    seed: int = 0
    seen: int = 0
    injected: int = 0
    ended_at: float | None = None
    """When the outage ends, on the monotonic clock; None before it has begun."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

    def befalls(self, operation: Operation) -> bool:
        """Decide, and count, for one operation."""
        with self._lock:
            if self.ended_at is None and not self._fits(operation):
                return False
            if self.lasts is not None:
                self.ended_at = self.ended_at or time.monotonic() + self.lasts
                if time.monotonic() > self.ended_at:
                    return False
            self.seen += 1
            used_up = self.times is not None and self.injected >= self.times
            its_turn = self.seen > self.after and (self.seen - self.after - 1) % self.every == 0
            if used_up or not its_turn or self._random.random() >= self.share:
                return False
            self.injected += 1
            return True

    def _fits(self, operation: Operation) -> bool:
        return (
            self.table in (None, operation.table)
            and self.method in (None, operation.method)
            and self.holding in operation.raw
        )


class StorageProxy:
    """Listens on a port of its own until `close`; give hosts its `connection_string`."""

    def __init__(self, backend: str) -> None:
        found = re.search(r"TableEndpoint=([^;]+)", backend)
        assert found, "a connection string with a TableEndpoint is expected"
        address = urlsplit(found[1])
        assert address.hostname
        assert address.port
        self._backend = (address.hostname, address.port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._closed = threading.Event()
        self._faults: list[Fault] = []
        self.connection_string = backend.replace(found[1], f"http://127.0.0.1:{self._port}{address.path}")
        self.arrivals: list[tuple[float, Operation]] = []
        """Every operation that was asked for, and when, on the monotonic clock."""
        self.refusals: list[str] = []
        """What the store itself refused: "PATCH connections 412"; of a transaction the operation that failed it."""
        self._accept()

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The operations that were asked for while the block ran; complete when it has ended."""
        start, seen = len(self.arrivals), list[str]()
        yield seen
        seen.extend(str(operation) for _, operation in self.arrivals[start:])

    @contextmanager
    def injecting(self, *faults: Fault) -> Iterator[None]:
        """While the block runs the first of these that befalls an operation disturbs it."""
        self._faults[:0] = faults
        try:
            yield
        finally:
            self._faults = [each for each in self._faults if each not in faults]

    @contextmanager
    def gone(self) -> Iterator[None]:
        """While the block runs connections are cut and refused."""
        self.close()
        try:
            yield
        finally:
            self._closed = threading.Event()
            self._listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
            self._accept()

    def close(self) -> None:
        """Cut every connection; nothing reaches the store from now on, so the next site finds only its own rows."""
        self._closed.set()
        for each in (self._listener, *list(self._open)):
            _hang_up(each)
        self._listener.close()

    def _accept(self) -> None:
        threading.Thread(target=self._serve, args=[self._listener], daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._relay, args=[client], daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, httptools.HttpParserError), client, _Backend(self._backend) as backend:
            self._open.add(client)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while (operation := _next_operation(client)) and self._answer(operation, client, backend):
                    pass
            finally:
                self._open.discard(client)

    def _answer(self, operation: Operation, client: socket.socket, backend: "_Backend") -> bool:
        """Whether the connection stays open."""
        self.arrivals.append((time.monotonic(), operation))
        fault = next((each for each in list(self._faults) if each.befalls(operation)), None)
        match fault and fault.effect:
            case Cut():
                return False
            case Refuse() as refusal:
                client.sendall(_refusal(refusal))
                return True
            case LoseReply(keep):
                client.sendall(self._passed_on(operation, backend)[:keep])
                return False
            case Delay(seconds):
                if self._closed.wait(seconds):
                    return False
        client.sendall(self._passed_on(operation, backend))
        return True

    def _passed_on(self, operation: Operation, backend: "_Backend") -> bytes:
        reply = backend.exchange(operation.raw)
        self.refusals += [f"{operation} {status.decode()}" for status in _REFUSED.findall(reply)]
        return reply


class _Backend:
    """The way of one client to the store: opened when needed, and again when the store has closed it idle."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def __enter__(self) -> "_Backend":
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket:
            self._socket.close()

    def exchange(self, request: bytes) -> bytes:
        """Send a request, read its whole reply. Raises OSError when there is none."""
        connection = self._connected()
        connection.sendall(request)
        reply = _message(connection, _Reply)
        if reply is None:
            raise OSError("the store closed the connection")
        return bytes(reply.raw)

    def _connected(self) -> socket.socket:
        if self._socket and select.select([self._socket], [], [], 0)[0]:
            self._socket.close()  # nothing is owed to us, so what can be read is its end
            self._socket = None
        if self._socket is None:
            self._socket = socket.create_connection(self._address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket


class _Message:
    """The bytes of one HTTP message, and whether they are complete."""

    def __init__(self) -> None:
        self.raw = bytearray()
        self.complete = False
        self.target = b""

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_message_complete(self) -> None:
        self.complete = True


class _Request(_Message):
    parser = httptools.HttpRequestParser


class _Reply(_Message):
    parser = httptools.HttpResponseParser


def _message[Kind: (_Request, _Reply)](source: socket.socket, kind: type[Kind]) -> Kind | None:
    """The next message; None when the other side has closed. Clients of the store never pipeline."""
    message = kind()
    parser = kind.parser(message)
    while not message.complete:
        piece = source.recv(PIECE)
        if not piece:
            return None
        message.raw += piece
        parser.feed_data(piece)
    return message


def _next_operation(client: socket.socket) -> Operation | None:
    message = _message(client, _Request)
    if message is None:
        return None
    method = message.raw.partition(b" ")[0].decode()
    path = unquote(urlsplit(message.target.decode()).path)
    return Operation(method, path.split("/")[2].partition("(")[0], bytes(message.raw))


def _refusal(refusal: Refuse) -> bytes:
    """As the table service words its errors (odata=nometadata)."""
    code = _CODES.get(refusal.status, "OperationFailed")
    message = {"lang": "en-US", "value": "injected"}
    body = json.dumps({"odata.error": {"code": code, "message": message}}).encode()
    lines = [
        f"HTTP/1.1 {refusal.status} {code}",
        "Content-Type: application/json;odata=minimalmetadata",
        f"Content-Length: {len(body)}",
    ]
    lines += [f"Retry-After: {refusal.retry_after}"] if refusal.retry_after else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
