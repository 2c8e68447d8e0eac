"""The HTTP session for calls to other services: no proxies, cookies, repeats or redirects, no head that drips.

The time-out of a socket is per read: a status line or header that comes byte by byte would outlive the deadline of a
token call, and with it the lease (design, The custody rules). Here the whole head has one time-out; what reads the
body bounds that itself. A TLS handshake that drips is left to the time-out per read: nobody but the peer of a
connection to a configured host can do that.
"""

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection

POOL_SIZE = 32


def new_session() -> requests.Session:
    """A session that follows neither proxy variables nor redirects, keeps no cookies and never repeats a call.

    A call's `timeout` is a pair of seconds: for the connection, and for connection and head of the answer together.
    """
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(pool_maxsize=POOL_SIZE, max_retries=0))
    return session


def started_timer(seconds: float, cut: Callable[[], object]) -> threading.Timer:
    """A timer that ends the reading of an answer; it never does where the process has no more threads.

    The answer may hold tokens that exist nowhere else: it is worth more than its deadline.
    """
    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    with contextlib.suppress(RuntimeError):
        timer.start()
    return timer


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: else the body of each redirect is read, without limits, and its Location parsed.

        `allow_redirects=False` alone does not prevent that: requests prepares the next call at any rate.
        """


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        """Raises TimeoutError when status line and headers take longer than the time-out in all."""
        with _cut_after(self.timeout, self.sock):
            return super().getresponse()


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        connect, total = options["timeout"]
        return super().send(request, *args, **options | {"timeout": Timeout(connect=connect, total=total)})


@contextmanager
def _cut_after(seconds: float | None, connection: socket.socket) -> Iterator[None]:
    """End reading from the connection unless the block is done by then; the block then raises TimeoutError.

    http.client takes the end of a connection for the end of the headers, so that no error comes of itself.
    """
    expired = threading.Event()

    def cut() -> None:
        expired.set()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RD)

    timer = started_timer(seconds or 0, cut)
    try:
        yield
    except (OSError, http.client.HTTPException):
        if not expired.is_set():
            raise
    finally:
        timer.cancel()
    if expired.is_set():
        raise TimeoutError("the head of the answer drips")
