"""HTTP over a plain socket, for what client libraries normalise: the exact target, repeated headers, any Host."""

import socket
from dataclasses import dataclass

SECONDS = 30
"""Longest wait for an answer; the slowest page of the application may take 20 s less."""


@dataclass(frozen=True)
class Reply:
    """An answer as it stood on the wire; header names are lower case, repeated ones stay apart."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


def send(
    port: int, method: str, target: str | bytes, *headers: str, host: str | None = None, body: bytes = b""
) -> Reply:
    """One request on a connection of its own, nothing of it changed. `host` is by default that of the port.

    ConnectionError when the server closes without an answer.
    """
    raw_target = target if isinstance(target, bytes) else target.encode()
    lines = [f"Host: {host or f'127.0.0.1:{port}'}", "Connection: close", *headers]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    head = b"%b %b HTTP/1.1\r\n" % (method.encode(), raw_target) + "\r\n".join([*lines, "", ""]).encode()
    return exchange(port, head + body)


def exchange(port: int, request: bytes) -> Reply:
    """Send bytes as they are and read one answer until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(request)
        received = bytearray()
        while data := connection.recv(65536):
            received += data
    return parse(bytes(received))


def parse(received: bytes) -> Reply:
    """The answer in these bytes; the application's answers are never chunked."""
    head, _, body = received.partition(b"\r\n\r\n")
    if not head:
        raise ConnectionError("closed without an answer")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return Reply(int(first.split()[1]), tuple((name.lower(), value.strip()) for name, _, value in pairs), body)
