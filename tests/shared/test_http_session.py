"""Calls to other services: an answer's head has a deadline as a whole, and nothing is kept, repeated or rerouted."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import msgspec
import pytest
import requests

from shared.azure_devops.client import ApiRequest, AzureDevOps, Caller
from shared.errors import TokenRejected, Unavailable
from shared.http_session import new_session
from shared.oauth.token_request import bounded_post
from tests.shared.azure_devops.scripted_server import Response, ScriptedServer, scripted_server

FORM = b"{}"
PAUSE = 0.1
"""Seconds between two drops: far less than the time-out, so that no single read takes long."""
LIMIT = 0.6


class Dripper:
    """A server that answers each connection with `opening` at once and then with one drop every tenth of a second."""

    def __init__(self, opening: bytes, drop: bytes) -> None:
        self._opening, self._drop = opening, drop
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.drops = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._drip, args=[connection], daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            try:
                connection.sendall(self._opening)
                while True:
                    time.sleep(PAUSE)
                    connection.sendall(self._drop)
                    self.drops += 1
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Dripper]]:
    with ExitStack() as stack:

        def start(opening: bytes, drop: bytes) -> Dripper:
            server = Dripper(opening, drop)
            stack.callback(server.close)
            return server

        yield start


DRIPS = {
    "nothing at all": (b"", b""),
    "the status line": (b"HTTP/1.1 ", b"2"),
    "a header": (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
    "header after header": (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
    "complete headers, one by one": (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", b"X: a\r\n"),
    "100 Continue again and again": (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "the body": (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{", b" "),
}


def test_where_no_thread_can_start_an_answer_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold tokens that exist nowhere else; the watch over its deadline is worth less."""

    def no_more(_: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    with scripted_server(lambda _: Response(body=b'{"access_token": "at"}')) as server:
        monkeypatch.setattr(threading.Timer, "start", no_more)
        assert bounded_post(new_session(), server.url, {}, 5)[2] == b'{"access_token": "at"}'


@pytest.mark.parametrize("part", DRIPS)
def test_an_answer_of_which_any_part_drips_ends_in_time(serve, part):
    """The time-out of a socket starts anew with each byte; the deadline does not."""
    server = serve(*DRIPS[part])
    began = time.monotonic()
    with pytest.raises(Unavailable):
        bounded_post(new_session(), server.url, {"a": "b"}, LIMIT)
    assert LIMIT - 0.1 < time.monotonic() - began < LIMIT + 0.6
    assert server.drops >= 3 or part == "nothing at all"


def test_a_head_that_was_cut_off_is_never_taken_for_an_answer(serve):
    """http.client takes the end of a connection for the end of the headers."""
    server = serve(*DRIPS["complete headers, one by one"])
    with pytest.raises(requests.ReadTimeout), new_session() as session:
        session.get(server.url, timeout=(1, LIMIT), stream=True)


LOCATIONS = [b"/elsewhere", b"http://[", b"//[::1", b"http://a:b/", b"\xff\xfe", b"http://\xff/"]


@pytest.fixture(params=LOCATIONS)
def redirecting(serve, request) -> str:
    """A server that redirects, there and at length: its body, which is not even what it says, takes two seconds."""
    head = b"HTTP/1.1 302 Found\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\nLocation: "
    return serve(head + request.param + b"\r\n\r\n", b"x").url


def test_of_a_redirect_neither_the_body_is_read_nor_the_address(redirecting):
    """By its own, the library reads both, whatever `allow_redirects` and `stream` say."""
    began = time.monotonic()
    with new_session() as session:
        answer = session.get(redirecting, timeout=(1, 5), allow_redirects=False, stream=True)
    assert answer.status_code == 302
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("redirecting", LOCATIONS[::4], indirect=True)
def test_no_redirect_outlives_a_token_call(redirecting):
    began = time.monotonic()
    with pytest.raises(Unavailable):
        bounded_post(new_session(), redirecting, {"a": "b"}, LIMIT)
    assert time.monotonic() - began < LIMIT + 0.6


def test_every_redirect_of_the_api_is_a_rejected_token_at_once(redirecting):
    client = AzureDevOps(
        devops_url=redirecting, identity_url=redirecting, now=lambda: datetime.now(UTC), sleep=time.sleep
    )
    began = time.monotonic()
    with pytest.raises(TokenRejected):
        client.call(ApiRequest(segments=("a",), scope=""), Caller("token", "ada"), msgspec.json.Decoder(dict))
    assert time.monotonic() - began < 1


@pytest.fixture
def whole() -> Iterator[ScriptedServer]:
    """A server that answers at once and sets a cookie."""
    with scripted_server(lambda _: Response(body=FORM, headers={"Set-Cookie": "a=b; Path=/"})) as server:
        yield server


def test_an_answer_in_time_is_whole_and_its_connection_serves_the_next_call(whole):
    """Also after the time at which the first call would have been cut off."""
    with new_session() as session:
        for _ in range(3):
            assert session.get(whole.url, timeout=(1, 0.3)).content == FORM
            time.sleep(0.2)
    assert len({call.connection for call in whole.calls}) == 1


def test_no_cookie_comes_back_and_no_proxy_is_asked(whole, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with new_session() as session:
        for _ in range(2):
            session.get(whole.url, timeout=(1, 5))
    assert ["cookie" in call.headers for call in whole.calls] == [False, False]
