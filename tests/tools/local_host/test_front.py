"""What the app sees of a request and the wire of an answer, against a real process over plain sockets."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest


def seen(reply) -> dict:
    assert reply.status == 200, reply
    return json.loads(reply.body)


@pytest.mark.parametrize(
    "path",
    [
        "/echo/a%2Fb%C3%A9",
        "/echo/%2e%2e/x",
        "/echo/../%252e",
        "/echo/%2541",
        "/ECHO/b/",
        "/echo/a;b=c,d",
    ],
)
def test_the_url_arrives_as_it_stood_in_the_request_line(host, path: str) -> None:
    target = f"{path}?q=%41+&a=/../%2f&=&"
    assert seen(host.get(target))["url"] == f"http://127.0.0.1{target}"


def test_route_parameters_are_decoded_once_and_an_absent_one_is_missing(host) -> None:
    assert seen(host.get("/echo/bj%C3%B6rn%252Fx"))["route"] == {"name": "björn%2Fx"}
    assert seen(host.get("/echo/a/b"))["route"] == {"name": "a", "last": "b"}


def test_query_parameters_are_decoded_joined_and_dropped_when_empty(host) -> None:
    params = seen(host.get("/echo/x?a=1%2B1&A=b+c&empty=&flag"))["params"]
    assert params == {"a": "1+1,b c"}


def test_a_function_key_in_the_query_changes_nothing(host) -> None:
    assert seen(host.get("/echo/x?code=wrong"))["params"] == {"code": "wrong"}


def test_request_headers_have_lower_case_names_and_duplicates_are_joined(host) -> None:
    headers = seen(host.get("/echo/x", "X-Two: a", "x-TWO: b", "Cookie: c=1", "Cookie: d=2"))["headers"]
    assert headers["x-two"] == "a,b"
    assert headers["cookie"] == "c=1,d=2"
    assert headers["host"] == "127.0.0.1"


def test_header_values_are_utf_8(host) -> None:
    reply = host.raw("GET /echo/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Name: Björn\r\n\r\n".encode())
    assert seen(reply)["headers"]["x-name"] == "Björn"


def test_bodies_are_binary_both_ways(host) -> None:
    body = bytes(range(256)) * 4096
    assert host.post("/mirror", body).body == body
    assert seen(host.post("/echo/x", b"\x00\xff"))["body"] == "00ff"


def test_a_chunked_body_does_not_reach_the_app_as_in_the_real_host(host) -> None:
    head = b"POST /mirror HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply = host.raw(head + b"3\r\nabc\r\n0\r\n\r\n")
    assert (reply.status, reply.body) == (200, b"")


def test_head_has_the_headers_of_get_and_no_body(host) -> None:
    reply = host.get("/", method="HEAD")
    assert reply.status == 200
    assert reply.header("content-length") == "4"
    assert reply.body == b""


def test_without_declared_methods_every_method_reaches_the_app(host) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert seen(host.get("/echo/x", method=method))["method"] == method


def test_an_undeclared_method_never_reaches_that_function(host) -> None:
    assert host.post("/posted", b"x").body == b"posted"
    assert host.get("/posted").body == b"lost:posted"


def test_home_and_the_catch_all(host) -> None:
    assert host.get("/").body == b"home"
    assert host.get("/no/where").body == b"lost:no/where"


def test_both_cookies_are_lines_of_their_own_and_values_are_percent_encoded(host) -> None:
    assert host.get("/cookies").all("set-cookie") == [
        "__Host-a=A-_1; max-age=60; path=/; secure; samesite=lax; httponly",
        "b=x%2By%2Fz%3D; expires=Wed, 21 Oct 2037 07:28:00 GMT; path=/",
    ]


def test_custom_headers_fill_in_but_never_replace(host) -> None:
    reply = host.get("/cookies")
    assert reply.all("cache-control") == ["private"]
    assert reply.all("x-content-type-options") == ["nosniff"]


def test_an_answer_without_app_code_has_only_the_custom_headers(host) -> None:
    reply = host.get("/admin/nothing")
    assert (reply.status, reply.body) == (404, b"")
    names = {name for name, _ in reply.headers}
    assert names == {"date", "connection", "content-length", "x-content-type-options", "cache-control"}


def test_without_a_catch_all_an_unmatched_path_is_an_empty_404(start, app_copy) -> None:
    source = (app_copy / "function_app.py").read_text()
    (app_copy / "function_app.py").write_text(source.replace('@app.route("{*path}")', '@app.route("other")'))
    reply = start(root=app_copy).get("/no/where")
    assert (reply.status, reply.body) == (404, b"")
    assert reply.header("x-content-type-options") == "nosniff"


def test_neither_banner_nor_hsts_is_sent(host) -> None:
    names = {name for name, _ in host.get("/").headers}
    assert not names & {"server", "x-powered-by", "strict-transport-security"}


def test_a_204_has_no_body_and_no_length(host) -> None:
    reply = host.get("/status/204")
    assert (reply.status, reply.body, reply.header("content-length")) == (204, b"", None)


@pytest.mark.parametrize("path", ["/none", "/raises", "/foreign-letters"])
def test_a_failed_invocation_is_an_empty_500_and_the_host_lives_on(host, path: str) -> None:
    reply = host.get(path)
    assert (reply.status, reply.body) == (500, b"")
    assert reply.header("x-content-type-options") == "nosniff"
    assert host.get("/").status == 200


def test_the_exception_is_logged_once(start) -> None:
    host = start()
    host.get("/raises")
    host.wait_for("RuntimeError: a failure to be logged")
    assert host.get("/").status == 200
    assert host.output.count("RuntimeError: a failure to be logged") == 1


def test_sync_handlers_run_in_the_runtimes_pool_and_coroutines_on_its_loop(host) -> None:
    assert seen(host.get("/echo/x"))["thread"].startswith("ThreadPoolExecutor")
    assert host.get("/coroutine").body == b"async"


def test_32_slow_pages_run_at_once(host) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(lambda _: host.get("/slow/1"), range(32)))
    assert {reply.status for reply in replies} == {200}
    # The runtime's default of cores + 4 threads would need at least 3 s on 8 cores.
    assert time.monotonic() - began < 2.5


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /a\x7fb HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /?\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: \xff\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX y: z\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n folded: z\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_malformed_requests_get_400_and_the_connection_is_closed(host, request_bytes: bytes) -> None:
    assert host.raw(request_bytes).status == 400


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 8200 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 33000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: a\r\n" * 100 + b"\r\n", 431),
        (b"POST /mirror HTTP/1.1\r\nHost: h\r\nContent-Length: 104857601\r\n\r\n", 413),
    ],
)
def test_the_limits_of_the_real_front(host, request_bytes: bytes, status: int) -> None:
    reply = host.raw(request_bytes)
    assert reply.status == status
    assert reply.header("x-content-type-options") == "nosniff"


def test_requests_on_one_connection_do_not_wait_for_delayed_acknowledgements(host) -> None:
    request = b"GET /status/200 HTTP/1.1\r\nHost: h\r\n\r\n"
    seconds = []
    with host.connect() as connection:
        for _ in range(21):
            began = time.monotonic()
            connection.sendall(request)
            received = b""
            while not received.endswith(b"body"):
                received += connection.recv(65536)
            seconds.append(time.monotonic() - began)
            assert received.startswith(b"HTTP/1.1 200 ")
    # Head and body are two writes: with Nagle's algorithm the median is 44 ms.
    assert sorted(seconds)[10] < 0.03


def test_a_body_that_was_cut_off_never_reaches_the_app(host) -> None:
    with host.connect() as connection:
        connection.sendall(b"POST /mirror HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf")
    assert host.post("/mirror", b"whole").body == b"whole"
    host.wait_for("mirrored 5")
    assert "mirrored 4" not in host.output


def test_a_client_that_leaves_does_not_hurt(host, eventually: Callable[..., None]) -> None:
    with host.connect() as connection:
        connection.sendall(b"GET /slow/0.2 HTTP/1.1\r\nHost: h\r\n\r\n")
    assert host.get("/").status == 200
