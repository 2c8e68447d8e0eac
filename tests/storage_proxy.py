"""A proxy before the table endpoint of Azurite: it passes bytes through, counts operations, and can be gone.

An operation is one HTTP request of the table service: "GET connections", "PATCH connections", "PUT due", and
"POST $batch" for a whole transaction.
"""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import httptools

PIECE = 64 * 1024


class StorageProxy:
    """Listens on a port of its own until `close`; give hosts its `connection_string`."""

    def __init__(self, backend: str) -> None:
        endpoint = re.search(r"TableEndpoint=([^;]+)", backend)[1]
        address = urlsplit(endpoint)
        self._backend = (address.hostname, address.port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self.connection_string = backend.replace(endpoint, f"http://127.0.0.1:{self._port}{address.path}")
        self.operations: list[str] = []
        self._accept()

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The operations that were asked for while the block ran; complete when it has ended."""
        start, seen = len(self.operations), []
        yield seen
        seen.extend(self.operations[start:])

    @contextmanager
    def gone(self) -> Iterator[None]:
        """While the block runs connections are cut and refused."""
        self.close()
        yield
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
        self._accept()

    def close(self) -> None:
        for each in (self._listener, *self._open):
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
        with contextlib.suppress(OSError), client, socket.create_connection(self._backend) as backend:
            ends = {client, backend}
            self._open |= ends
            for each in ends:
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_pump, args=[backend, client], daemon=True).start()
            heads = _Heads(self.operations)
            while piece := client.recv(PIECE):
                heads.read(piece)
                backend.sendall(piece)
            self._open -= ends


class _Heads:
    """Notes method and table of every request head."""

    def __init__(self, operations: list[str]) -> None:
        self._operations = operations
        self._target = b""
        self._parser = httptools.HttpRequestParser(self)

    def read(self, piece: bytes) -> None:
        self._parser.feed_data(piece)

    def on_message_begin(self) -> None:
        self._target = b""

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_headers_complete(self) -> None:
        path = unquote(urlsplit(self._target.decode()).path)
        table = path.split("/")[2].partition("(")[0]
        self._operations.append(f"{self._parser.get_method().decode()} {table}")


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    _hang_up(sink)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
