"""A proxy before an identity service: it passes requests through under its own address and keeps the forms posted.

The simulator logs what a stranger may see; whether a verifier belongs to its challenge shows only in the form itself.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from tests.site import plain_session

_NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length", "content-encoding"}


class IdentityProxy:
    """`url` is what the application is told; `forms` are the token requests, in the order of their arrival."""

    def __init__(self, backend: str, target: Callable[[str], str] = str) -> None:
        """`target` is what the service behind is asked for, given what the proxy is asked for."""
        self.forms: list[dict[str, str]] = []
        proxy, client = self, plain_session()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._pass_on(b"")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.endswith("/token"):
                    proxy.forms.append(dict(parse_qsl(body.decode(), strict_parsing=True)))
                self._pass_on(body)

            def _pass_on(self, body: bytes) -> None:
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
                url = backend + target(self.path)
                answer = client.request(
                    self.command, url, data=body, headers=headers, allow_redirects=False, timeout=10
                )
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in _NOT_PASSED_ON:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                """Nothing to the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def identity_proxy(backend: str, target: Callable[[str], str] = str) -> Iterator[IdentityProxy]:
    proxy = IdentityProxy(backend, target)
    try:
        yield proxy
    finally:
        proxy.close()
