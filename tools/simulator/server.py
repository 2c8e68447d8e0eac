"""An HTTP/1.1 server on asyncio and httptools that can also misbehave.

Every answer leaves in one write, so that Nagle's algorithm never delays a body (and TCP_NODELAY is set).
It is not uvicorn because faults need what ASGI hides: the raw request target, a connection closed without an
answer, a body shorter than its Content-Length.
"""

import asyncio
import ssl
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus

import httptools

from tools.simulator.messages import Request, Response

MAX_BODY = 4 * 1024 * 1024


class DroppedError(Exception):
    """The connection is to be closed without a (whole) answer; `sent` is what still leaves before."""

    def __init__(self, sent: Response | None = None, keep_bytes: int = 0) -> None:
        super().__init__("dropped")
        self.sent = sent
        self.keep_bytes = keep_bytes


type Application = Callable[[Request], Awaitable[Response]]


class Connection(asyncio.Protocol):
    """Parses requests of one connection and answers them in order."""

    def __init__(self, application: Application, open_connections: set["Connection"]) -> None:
        self._application = application
        self._open = open_connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport
        self._target, self._headers, self._body = b"", dict[str, str](), bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        # The worker goes on: work that was begun is finished although nobody waits for its answer.
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, ValueError):
            self._transport.write(_head(Response(400), keep_alive=False, length=0))
            self._transport.close()

    def on_message_begin(self) -> None:
        self._target, self._headers, self._body = b"", {}, bytearray()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MAX_BODY:
            raise ValueError("body too large")

    def on_message_complete(self) -> None:
        request = Request(
            self._parser.get_method().decode("latin-1"),
            self._target.decode("utf-8", "replace"),
            self._headers,
            bytes(self._body),
        )
        self._waiting.append((request, self._parser.should_keep_alive()))
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._answer_in_order())

    async def _answer_in_order(self) -> None:
        while self._waiting:
            request, keep_alive = self._waiting.popleft()
            try:
                response = await self._application(request)
            except DroppedError as dropped:
                self._drop(dropped)
                break
            except Exception:  # noqa: BLE001 - a bug of the simulator must not leave the caller waiting
                traceback.print_exc()
                response = Response(500)
            self._send(response, keep_alive, with_body=request.method != "HEAD")
            if not keep_alive:
                self._transport.close()
                break
        self._worker = None

    def _send(self, response: Response, keep_alive: bool, *, with_body: bool) -> None:
        if self._transport.is_closing():
            return
        head = _head(response, keep_alive=keep_alive, length=len(response.body))
        self._transport.write(head + response.body if with_body else head)

    def _drop(self, dropped: DroppedError) -> None:
        if dropped.sent is None:
            self._transport.abort()
            return
        head = _head(dropped.sent, keep_alive=False, length=len(dropped.sent.body))
        self._transport.write(head + dropped.sent.body[: dropped.keep_bytes])
        self._transport.close()


def _head(response: Response, *, keep_alive: bool, length: int) -> bytes:
    lines = [
        f"HTTP/1.1 {response.status} {_reason(response.status)}",
        *(f"{name}: {value}" for name, value in response.headers),
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Length: {length}",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


async def serve(
    application: Application,
    host: str,
    port: int,
    stop: asyncio.Event,
    *,
    tls: ssl.SSLContext | None = None,
    ready: Callable[[str], None] = lambda url: print(f"Listening on {url}", flush=True),
) -> None:
    """Listen until `stop` is set, then close every connection at once. Port 0 takes a free one.

    `ready` gets the address when it accepts connections; without it the address is printed. Raises OSError when it
    cannot listen there.
    """
    connections: set[Connection] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(application, connections), host, port, backlog=1024, ssl=tls)
    address = server.sockets[0].getsockname()
    shown = f"[{address[0]}]" if ":" in address[0] else address[0]
    ready(f"{'https' if tls else 'http'}://{shown}:{address[1]}")
    await stop.wait()
    server.close()
    server.close_clients()
