"""What one call does, on a real connection."""

import gzip
import socket
import threading
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from shared.azure_devops.client import ApiRequest, AzureDevOps, Caller, Host
from shared.errors import (
    Absent,
    AccessDenied,
    ApiThrottled,
    ApiUnavailable,
    AzureDevOpsError,
    BadRequest,
    CallRefused,
    ScopeMissing,
    TokenRejected,
)
from tests.shared.azure_devops.conftest import ANY_JSON
from tests.shared.azure_devops.scripted_server import Response, answer_json, scripted_server

HTML = "text/html; charset=utf-8"
SIGN_IN_PAGE = Response(203, b"<html><title>Azure DevOps Services | Sign In</title></html>", content_type=HTML)


def in_turn(*responses: Response):
    """A script that gives these answers, the last one for ever."""
    left = list(responses)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_each_segment_is_percent_encoded_once(upstream):
    up = upstream(lambda _: answer_json({}))
    up.client.call(ApiRequest(segments=("org", "Tools (new)! Ü", "a%2Fb", "c/d"), scope=""), up.caller, ANY_JSON)
    assert up.server.calls[0].path == "/org/Tools%20%28new%29%21%20%C3%9C/a%252Fb/c%2Fd"


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_a_segment_that_would_be_resolved_away_is_never_sent(upstream, segment):
    up = upstream(lambda _: answer_json({}))
    with pytest.raises(BadRequest):
        up.client.call(ApiRequest(segments=("org", segment, "_apis"), scope=""), up.caller, ANY_JSON)
    assert up.server.calls == []


def test_headers_name_the_caller_and_no_version_of_ours(upstream):
    up = upstream(lambda _: answer_json({}))
    up.get()
    headers = up.server.calls[0].headers
    assert headers["authorization"] == "Bearer token-of-ada"
    assert headers["user-agent"] == "gatehouse"
    assert set(headers) == {"host", "authorization", "user-agent", "accept", "accept-encoding"}


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "ü", "a\0"])
def test_a_token_that_is_no_header_value_is_rejected_without_a_call_or_a_trace_of_it(upstream, token):
    up = upstream(lambda _: answer_json({}))
    with pytest.raises(TokenRejected) as caught:
        up.get(Caller(token, "ada"))
    assert up.server.calls == []
    assert not token or token not in str(caught.value)


def test_the_token_is_not_in_the_repr_of_a_caller():
    assert "secret" not in repr(Caller("secret", "ada"))


def test_cookies_of_one_answer_are_not_sent_with_the_next_call(upstream):
    up = upstream(lambda _: answer_json({}, **{"Set-Cookie": "UserAuthentication=ada; Path=/"}))
    up.get()
    up.get(Caller("token-of-bjorn", "bjorn"))
    assert "cookie" not in up.server.calls[1].headers


def test_a_proxy_of_the_environment_is_not_used(upstream, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    up = upstream(lambda _: answer_json({"a": 1}))
    assert up.get() == {"a": 1}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", ["foreign host", "same host"])
def test_a_redirect_is_not_followed_and_means_that_the_token_is_rejected(upstream, status, where):
    with scripted_server(lambda _: answer_json({})) as foreign:
        target = foreign.url + "/steal" if where == "foreign host" else "/elsewhere"
        up = upstream(lambda _: Response(status, headers={"Location": target}))
        with pytest.raises(TokenRejected):
            up.get()
        assert foreign.calls == []
        assert len(up.server.calls) == 1


def test_accounts_go_to_the_identity_host_and_all_else_to_the_other():
    with scripted_server(lambda _: answer_json({})) as devops, scripted_server(lambda _: answer_json({})) as identity:
        client = AzureDevOps(
            devops_url=devops.url, identity_url=identity.url, now=lambda: datetime.now(UTC), sleep=time.sleep
        )
        caller = Caller("token", "ada")
        client.call(ApiRequest(segments=("a",), scope="", host=Host.IDENTITY), caller, ANY_JSON)
        client.call(ApiRequest(segments=("b",), scope=""), caller, ANY_JSON)
        assert [call.path for call in identity.calls] == ["/a"]
        assert [call.path for call in devops.calls] == ["/b"]


def test_a_certificate_that_is_not_trusted_ends_the_call_before_the_token_is_sent(untrusted_tls):
    url, seen = untrusted_tls
    client = AzureDevOps(devops_url=url, identity_url=url, now=lambda: datetime.now(UTC), sleep=lambda _: None)
    with pytest.raises(ApiUnavailable):
        client.call(ApiRequest(segments=("a",), scope=""), Caller("token", "ada"), ANY_JSON)
    assert b"token" not in b"".join(seen)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (SIGN_IN_PAGE, TokenRejected),
        (Response(203, b'{"count":0,"value":[]}'), TokenRejected),
        (Response(200, b"<html>", content_type=HTML), TokenRejected),
        (Response(202, b"<html>", content_type=HTML), TokenRejected),
        (Response(401, b'{"count":0,"value":[]}'), TokenRejected),
        (Response(401, b"", content_type="text/html"), TokenRejected),
        (
            Response(401, b'{"message":"VS30063: You are not authorized to access https://dev.azure.com."}'),
            AccessDenied,
        ),
        (Response(403, b'{"message":"TF401019: no permission"}'), AccessDenied),
        (Response(403, b"<html>", content_type=HTML), AccessDenied),
        (Response(403, b'{"message":"The access token is not authorized for the requested scope."}'), ScopeMissing),
        (Response(404, b"The controller for path '/x' was not found", content_type="text/plain"), Absent),
        (Response(404, b"<html>", content_type=HTML), Absent),
        (Response(204, b""), AzureDevOpsError),
        (Response(409, b"{}"), AzureDevOpsError),
    ],
)
def test_a_refusal_has_its_own_error_and_is_not_tried_again(upstream, response, error):
    up = upstream(lambda _: response)
    with pytest.raises(AzureDevOpsError) as caught:
        up.get()
    assert type(caught.value) is error
    assert len(up.server.calls) == 1


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("error_400_ArgumentException_crlf.json", 400, CallRefused),
        ("error_401_TF400813_json.json", 401, AccessDenied),
        ("error_401_basic_realm_empty_body.txt", 401, TokenRejected),
        ("error_404_TF200016_project.json", 404, Absent),
        ("error_404_TF401232_workitem.json", 404, Absent),
        ("error_503_TF24668_bom.json", 503, ApiUnavailable),
    ],
)
def test_recorded_refusals_are_understood_without_repeating_their_text(upstream, recorded, name, status, error):
    up = upstream(lambda _: recorded(name, status))
    with pytest.raises(AzureDevOpsError) as caught:
        up.get()
    assert type(caught.value) is error
    shown = f"{caught.value} {caught.value.advice} {caught.value.title}"
    for private in ("user6", "example.com", "c7ac8f34", "rootIterationId", "WorkItemCreate", "AzureDevOpsCliTest"):
        assert private not in shown
    assert len(up.server.calls) == 1


def test_a_deactivated_organization_is_named_as_such(upstream, recorded):
    up = upstream(lambda _: recorded("error_503_TF24668_bom.json", 503))
    with pytest.raises(ApiUnavailable, match="TF24668") as caught:
        up.get()
    assert "deactivated" in caught.value.advice


def test_a_missing_scope_is_named(upstream):
    up = upstream(lambda _: Response(403, b'{"message":"not authorized for the requested scope"}'))
    with pytest.raises(ScopeMissing) as caught:
        up.get()
    assert caught.value.scope == "vso.work"


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_what_may_pass_is_tried_three_times_with_growing_random_waits(upstream, status):
    up = upstream(lambda _: Response(status, b"<html>", content_type=HTML))
    with pytest.raises(ApiUnavailable):
        up.get()
    assert len(up.server.calls) == 3
    assert up.clock.slept == [0.5, 1.0]


def test_a_later_try_may_succeed(upstream):
    up = upstream(in_turn(Response(503), Response(raw=b""), answer_json({"a": 1})))
    assert up.get() == {"a": 1}
    assert len(up.server.calls) == 3


@pytest.mark.parametrize(
    "raw",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    ],
)
def test_what_is_not_http_is_an_error_of_azure_devops(upstream, raw):
    up = upstream(lambda _: Response(raw=raw))
    with pytest.raises(AzureDevOpsError):
        up.get()
    assert len(up.server.calls) == 3


def test_calls_one_after_the_other_share_a_connection(upstream):
    up = upstream(in_turn(answer_json({}), Response(404), answer_json({})))
    up.get()
    with pytest.raises(Absent):
        up.get()
    up.get()
    assert len({call.connection for call in up.server.calls}) == 1


def test_a_query_by_post_is_a_read_and_is_tried_again_with_its_body(upstream):
    up = upstream(in_turn(Response(503), answer_json({})))
    up.client.call(ApiRequest(method="POST", segments=("q",), body={"query": "Ü"}, scope=""), up.caller, ANY_JSON)
    assert [call.body for call in up.server.calls] == [b'{"query": "\\u00dc"}'] * 2


def test_a_host_that_refuses_connections_is_unavailable_after_three_tries(upstream):
    up = upstream(lambda _: answer_json({}))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        client = AzureDevOps(devops_url=url, identity_url=url, now=up.clock.now, sleep=up.clock.sleep)
        with pytest.raises(ApiUnavailable):
            client.call(ApiRequest(segments=("a",), scope=""), up.caller, ANY_JSON)
    assert len(up.clock.slept) == 2


def test_in_a_long_outage_at_most_a_tenth_of_the_calls_is_tried_again_after_the_first_ten(upstream):
    up = upstream(lambda _: Response(503))
    for number in range(200):
        with pytest.raises(ApiUnavailable):
            up.get(Caller("token", f"user-{number}"))
    assert 200 + 10 <= len(up.server.calls) <= 200 + 10 + 20


def test_when_half_of_the_answers_fail_retries_keep_to_their_share(upstream):
    up = upstream(lambda _: Response(503) if len(up.server.calls) % 2 else answer_json({}))
    for _ in range(200):
        try:
            up.get()
        except ApiUnavailable:
            continue
    assert len(up.server.calls) <= 200 + 10 + 20


def test_no_try_begins_after_the_deadline(upstream):
    up = upstream(lambda _: Response(503))
    with pytest.raises(ApiUnavailable):
        up.get(Caller("token", "ada", deadline=up.clock.now() + timedelta(seconds=0.4)))
    assert len(up.server.calls) == 1
    assert up.clock.slept == []


def test_a_page_that_is_out_of_time_makes_no_call(upstream):
    up = upstream(lambda _: answer_json({}))
    with pytest.raises(ApiUnavailable):
        up.get(Caller("token", "ada", deadline=up.clock.now()))
    assert up.server.calls == []


def test_all_calls_of_a_page_share_its_45_seconds(upstream):
    up = upstream(lambda _: answer_json({}))
    caller = up.client.bounded(up.caller)
    up.clock.pass_by(44)
    up.get(caller)
    assert up.client.bounded(caller) is caller
    up.clock.pass_by(1)
    with pytest.raises(ApiUnavailable):
        up.get(caller)


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_silent_server_is_left_at_the_deadline(part):
    over = threading.Event()

    def script(_):
        if part == "headers":
            over.wait(10)
            return answer_json({})
        return Response(headers={"Content-Length": "100"}, pieces=silent_after(b"{"))

    def silent_after(first):
        over.wait(0.8)
        yield first
        over.wait(10)

    assert seconds_until_unavailable(script, over) < 1.5


def test_a_body_that_drips_is_left_at_the_deadline():
    over = threading.Event()

    def drip(_):
        def pieces():
            while not over.wait(0.05):
                yield b" "

        return Response(pieces=pieces())

    assert seconds_until_unavailable(drip, over) < 1.5


def seconds_until_unavailable(script, over):
    """With a deadline one second from now, on a real clock."""
    began = time.monotonic()
    with scripted_server(script) as server:
        client = AzureDevOps(
            devops_url=server.url, identity_url=server.url, now=lambda: datetime.now(UTC), sleep=time.sleep
        )
        caller = Caller("token", "ada", deadline=datetime.now(UTC) + timedelta(seconds=1))
        with pytest.raises(ApiUnavailable):
            client.call(ApiRequest(segments=("a",), scope=""), caller, ANY_JSON)
        over.set()
    return time.monotonic() - began


@pytest.mark.parametrize("status", [200, 429, 503])
def test_a_pause_is_obeyed_before_the_next_call_of_that_user_alone(upstream, status):
    up = upstream(in_turn(Response(status, headers={"Retry-After": "60"}), answer_json({})))
    try:
        up.get()
    except AzureDevOpsError as error:
        assert error.retry_after == 60  # noqa: PT017 - one of the three answers is no error
    up.clock.pass_by(20)
    with pytest.raises(ApiThrottled) as caught:
        up.get()
    assert caught.value.retry_after == pytest.approx(40)
    assert len(up.server.calls) == 1
    up.get(Caller("token-of-bjorn", "bjorn"))
    up.clock.pass_by(40)
    up.get()
    assert len(up.server.calls) == 3


@pytest.mark.parametrize("body", [b"no json", b" " * (10 * 2**20 + 1)], ids=["shape", "size"])
def test_a_pause_holds_whatever_the_body_is_worth(upstream, body):
    up = upstream(lambda _: Response(body=body, headers={"Retry-After": "60"}))
    with pytest.raises(AzureDevOpsError):
        up.get()
    with pytest.raises(ApiThrottled):
        up.get()
    assert len(up.server.calls) == 1


def test_a_short_pause_is_waited_for(upstream):
    up = upstream(in_turn(answer_json({}, **{"Retry-After": "2"}), answer_json({})))
    up.get()
    up.get()
    assert up.clock.slept == [2.0]


def test_a_short_pause_that_does_not_fit_the_page_is_told(upstream):
    up = upstream(in_turn(answer_json({}, **{"Retry-After": "2"}), answer_json({})))
    up.get()
    with pytest.raises(ApiThrottled):
        up.get(Caller("token", "ada", deadline=up.clock.now() + timedelta(seconds=1)))


def test_a_retry_waits_for_the_pause_that_came_with_the_failure(upstream):
    up = upstream(in_turn(Response(503, headers={"Retry-After": "2"}), answer_json({"a": 1})))
    assert up.get() == {"a": 1}
    assert sum(up.clock.slept) == pytest.approx(2.0)


def test_a_429_without_a_time_pauses_for_half_a_minute(upstream):
    up = upstream(lambda _: Response(429))
    with pytest.raises(ApiThrottled) as caught:
        up.get()
    assert caught.value.retry_after == 30
    with pytest.raises(ApiThrottled):
        up.get()
    assert len(up.server.calls) == 1


def test_a_pause_may_be_a_date(upstream):
    up = upstream(lambda _: answer_json({}, **{"Retry-After": format_datetime(up.clock.now() + timedelta(seconds=50))}))
    up.get()
    with pytest.raises(ApiThrottled) as caught:
        up.get()
    assert caught.value.retry_after == pytest.approx(50)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"a":', id="cut short"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": Infinity}', id="Infinity"),
        pytest.param(b'{"a": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"a": 1} {"b": 2}', id="two values"),
        pytest.param(b"[]", id="wrong type"),
        pytest.param(b'{"a":' * 64 + b"1" + b"}" * 64 + b"}", id="unbalanced"),
        pytest.param(b'{"a":' * 65 + b"1" + b"}" * 65, id="65 deep"),
        pytest.param(b'{"a":' + b"[" * 5_000_000, id="5 million deep"),
        pytest.param('{"a": "\ufeff"}'.encode("utf-16"), id="UTF-16"),
    ],
)
def test_what_is_not_strict_json_within_the_limits_is_502_and_not_tried_again(upstream, body):
    up = upstream(lambda _: Response(body=body))
    with pytest.raises(AzureDevOpsError) as caught:
        up.get()
    assert caught.value.status == 502
    assert len(up.server.calls) == 1


@pytest.mark.parametrize("body", [b'{"a":' * 64 + b"1" + b"}" * 64, b'\xef\xbb\xbf{"a": "[[{\\"[{"}'])
def test_64_levels_brackets_in_strings_and_a_byte_order_mark_are_fine(upstream, body):
    assert "a" in upstream(lambda _: Response(body=body)).get()


def test_a_gzip_body_is_unpacked(upstream):
    up = upstream(lambda _: Response(body=gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"}))
    assert up.get() == {"a": 1}


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_a_coding_that_was_not_asked_for_is_502(upstream, encoding):
    up = upstream(lambda _: Response(headers={"Content-Encoding": encoding}))
    with pytest.raises(AzureDevOpsError) as caught:
        up.get()
    assert caught.value.status == 502


@pytest.mark.parametrize(
    "cut",
    [
        Response(headers={"Content-Length": "100"}, pieces=(b'{"a": 1}',)),
        Response(headers={"Transfer-Encoding": "chunked"}, pieces=(b'8\r\n{"a": 1}\r\n',)),
        Response(body=gzip.compress(b'{"a": 1}')[:-9], headers={"Content-Encoding": "gzip"}),
    ],
    ids=["length", "chunked", "gzip"],
)
def test_a_body_cut_short_is_tried_again_and_then_502(upstream, cut):
    up = upstream(lambda _: cut)
    with pytest.raises(AzureDevOpsError) as caught:
        up.get()
    assert caught.value.status == 502
    assert len(up.server.calls) == 3


def endless(first=b""):
    yield first
    while True:
        yield b" " * 65536


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(lambda: Response(pieces=endless()), id="endless"),
        pytest.param(
            lambda: Response(body=gzip.compress(b" " * 200_000_000, 9), headers={"Content-Encoding": "gzip"}),
            id="gzip bomb",
        ),
        pytest.param(lambda: Response(status=500, pieces=endless()), id="endless error"),
        pytest.param(
            lambda: Response(headers={"Content-Encoding": "gzip"}, pieces=endless(first=gzip.compress(b'{"a": 1}'))),
            id="endless after the end of gzip",
        ),
    ],
)
def test_a_huge_body_is_given_up_without_taking_memory(upstream, response):
    answer = response()
    up = upstream(lambda _: answer if answer.body != b"{}" else response())
    tracemalloc.start()
    try:
        with pytest.raises(AzureDevOpsError):
            up.get()
        assert tracemalloc.get_traced_memory()[1] < 40 * 2**20
    finally:
        tracemalloc.stop()


def test_threads_share_the_client_and_each_call_carries_its_own_token(upstream):
    up = upstream(lambda request: answer_json({"token": request.headers["authorization"]}))
    wrong = []

    def person(name):
        for _ in range(20):
            if up.get(Caller(name, name)) != {"token": f"Bearer {name}"}:
                wrong.append(name)

    threads = [threading.Thread(target=person, args=(f"person-{number}",)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(up.server.calls) == 320
