"""One POST to a token endpoint: what is sent, what is taken, and what each refusal means."""

import gzip
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import (
    AppFault,
    GrantEnded,
    NoSecret,
    Policy,
    ProviderError,
    RequestRefused,
    Suspect,
    Throttled,
    Unavailable,
    VaultError,
)
from shared.http_session import new_session
from shared.oauth.token_request import MAX_ANSWER_BYTES, TokenEndpoint, bounded_post, parse_token_response
from shared.sealing import id_of
from tests.shared.azure_devops.scripted_server import Request, Response, Script, ScriptedServer, answer_json
from tests.shared.oauth.conftest import Clock

TYPES = frozenset({"jwt-bearer", "bearer", "jwt"})
JSON = {"Content-Type": "application/json; charset=utf-8"}
TOKENS = {"access_token": "at", "refresh_token": "rt", "token_type": "jwt-bearer", "expires_in": "3599"}
Serve = Callable[[Script], ScriptedServer]


def parse(answer: Any = None, *, status: int = 200, body: bytes | None = None, headers: Any = JSON) -> Any:
    raw = json.dumps(TOKENS if answer is None else answer).encode() if body is None else body
    return parse_token_response(status, headers, raw, TYPES, "secret-1", Clock().now())


def endpoint(server: ScriptedServer, clock: Clock, *secrets: str) -> TokenEndpoint:
    return TokenEndpoint(
        f"{server.url}/token", token_types=TYPES, secrets=lambda: secrets, reread=lambda: None, now=clock.now
    )


def form_of(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()}


def test_a_token_response_of_the_legacy_service_is_taken() -> None:
    """jwt-bearer and digits in a string (facts 1.4); the tokens remember the secret that minted them."""
    tokens = parse()
    assert (tokens.access_token, tokens.refresh_token) == ("at", "rt")
    assert (tokens.lifetime, tokens.secret_id) == (timedelta(seconds=3599), "secret-1")


@pytest.mark.parametrize(
    "change",
    [
        {"token_type": "Bearer", "expires_in": 3599},
        {"token_type": "JWT"},
        {"scope": None, "id_token": ["unknown"], "ext_expires_in": {}},
        {"access_token": "!~" * 2000},
    ],
    ids=["of RFC 6749", "capitals", "unknown fields", "long"],
)
def test_other_spellings_are_taken(change: dict[str, Any]) -> None:
    """An integer, any case of the type, fields that nobody knows."""
    assert parse(TOKENS | change).access_token == (TOKENS | change)["access_token"]


@pytest.mark.parametrize("omitted", [{}, {"refresh_token": None}], ids=["left out", "null"])
def test_an_omitted_refresh_token_is_none(omitted: dict[str, Any]) -> None:
    """RFC 6749 section 6: then the caller keeps the old one."""
    without = {name: value for name, value in TOKENS.items() if name != "refresh_token"}
    assert parse(without | omitted).refresh_token is None


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (0, 60),
        ("0", 60),
        ("59", 60),
        (60, 60),
        (61, 61),
        ("0003599", 3599),
        (86_400, 86_400),
        ("86401", 86_400),
        (999_999_999_999, 86_400),
    ],
)
def test_a_lifetime_is_clamped(sent: int | str, seconds: int) -> None:
    """Between one minute and one day (acceptance A7)."""
    assert parse(TOKENS | {"expires_in": sent}).lifetime == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("access_token", value)
            for value in (None, "", " ", 1, True, ["at"], {}, "a b", "a\n", "ü", "a\x7f", "\x00")
        ),
        *(("refresh_token", value) for value in ("", 1, False, ["rt"], {}, "r t", "rt\r\n", "рт")),
        *(("token_type", value) for value in (None, "", "mac", "bearer ", 1, ["bearer"], "ｂearer")),
        *(("expires_in", value) for value in (None, "", "x", -1, "-1", 1.5, "1.5", True, [60], "1e3", "+60", " 60")),
        *(("expires_in", value) for value in ("1_000", "٣٦٠٠", "²", "0x10", "1" * 13, "60\n")),
    ],
)
def test_a_malformed_field_is_no_token_response(name: str, value: object) -> None:
    """Nothing is converted, trimmed or guessed."""
    with pytest.raises(Unavailable):
        parse(TOKENS | {name: value})


@pytest.mark.parametrize("name", ["access_token", "token_type", "expires_in"])
def test_a_missing_field_is_no_token_response(name: str) -> None:
    """All three are required of either dialect."""
    with pytest.raises(Unavailable):
        parse({key: value for key, value in TOKENS.items() if key != name})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"at"',
        b"{",
        b"[" * 200_000,
        json.dumps(TOKENS).encode() + b"{}",
        json.dumps(TOKENS)[:-1].encode() + b', "x": Infinity}',
        json.dumps(TOKENS)[:-1].encode() + b', "access_token": "other"}',
        json.dumps(TOKENS)[:-1].encode() + b', "x": {"y": 1, "y": 2}}',
        json.dumps(TOKENS).encode().replace(b"at", b"\xff"),
        json.dumps(TOKENS).encode("utf-16"),
        json.dumps(TOKENS | {"x": "\ud800"}).encode(),
        b"1" * 5000,
        json.dumps(TOKENS)[:-1].encode() + b', "x": "' + b"a" * MAX_ANSWER_BYTES + b'"}',
    ],
    ids=lambda body: body[:12].decode("latin-1") + f" ({len(body)})",
)
def test_a_broken_body_is_no_token_response(body: bytes) -> None:
    """Cut, doubled, nested without end, in another encoding, too long, or no object."""
    with pytest.raises(Unavailable):
        parse(body=body)


def test_a_byte_order_mark_is_allowed() -> None:
    """Azure DevOps sends one with some bodies (facts 4.8)."""
    assert parse(body=b"\xef\xbb\xbf" + json.dumps(TOKENS).encode()).access_token == "at"


@pytest.mark.parametrize(
    "content_type", [None, "", "text/html", "text/plain", "application/jsonp", "x application/json"]
)
def test_only_json_is_a_token_response(content_type: str | None) -> None:
    """By its declared type, before anything is parsed."""
    with pytest.raises(Unavailable):
        parse(headers={} if content_type is None else {"Content-Type": content_type})


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206, 301, 302, 307, 400, 401, 403, 404, 405])
def test_only_200_gives_tokens(status: int) -> None:
    """Tokens under any other status are not looked at."""
    with pytest.raises(Unavailable):
        parse(status=status)


@pytest.mark.parametrize(
    ("error", "legacy", "entra"),
    [
        ("invalid_grant", GrantEnded, GrantEnded),
        ("interaction_required", GrantEnded, GrantEnded),
        ("login_required", GrantEnded, GrantEnded),
        ("consent_required", GrantEnded, GrantEnded),
        ("invalid_request", Suspect, RequestRefused),
        ("invalid_client", AppFault, AppFault),
        ("unauthorized_client", RequestRefused, RequestRefused),
        ("unsupported_grant_type", RequestRefused, RequestRefused),
        ("invalid_scope", RequestRefused, RequestRefused),
        ("invalid_resource", RequestRefused, RequestRefused),
        ("access_denied", Policy, Policy),
        ("temporarily_unavailable", Unavailable, Unavailable),
        ("server_error", Unavailable, Unavailable),
        ("invalid_grants", Unavailable, Unavailable),
        ("Invalid_Grant", Unavailable, Unavailable),
        ("", Unavailable, Unavailable),
        (None, Unavailable, Unavailable),
        (["invalid_grant"], Unavailable, Unavailable),
        ({"code": "invalid_client"}, Unavailable, Unavailable),
    ],
)
def test_the_parsed_error_alone_decides(error: object, legacy: type[ProviderError], entra: type[ProviderError]) -> None:
    """In both dialects; a description that names another error changes nothing."""
    for status in (400, 401, 403):
        for answer, expected in (
            ({"Error": error, "ErrorDescription": "invalid_grant invalid_client expired"}, legacy),
            ({"error": error, "error_description": "AADSTS70008: invalid_client invalid_grant"}, entra),
        ):
            with pytest.raises(ProviderError) as caught:
                parse(answer, status=status)
            assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("status", "headers", "expected", "seconds"),
    [
        (429, {"Retry-After": "7"}, Throttled, 7),
        (429, {}, Throttled, 30),
        (429, {"Retry-After": "Tue, 24 Nov 2026 12:00:20 GMT"}, Throttled, 20),
        (503, {"Retry-After": "9"}, Unavailable, 9),
        (503, {}, Unavailable, None),
        (500, {}, Unavailable, None),
        (408, {}, Unavailable, None),
    ],
)
def test_trouble_of_the_service_is_no_verdict(
    status: int, headers: dict[str, str], expected: type[ProviderError], seconds: float | None
) -> None:
    """429, 5xx and 408 are not read for an error: even `invalid_grant` in a 503 says nothing of the grant."""
    with pytest.raises(ProviderError) as caught:
        parse({"error": "invalid_grant"}, status=status, headers=JSON | headers)
    assert type(caught.value) is expected
    assert caught.value.retry_after == seconds


def test_no_error_names_what_was_sent_or_came_back() -> None:
    """Texts of errors reach the log: fixed words only."""
    for answer in (TOKENS | {"token_type": "sesame"}, {"Error": "sesame"}, TOKENS | {"access_token": "open sesame"}):
        with pytest.raises(ProviderError) as caught:
            parse(answer)
        assert "sesame" not in str(caught.value)


def test_the_form_is_sent_as_a_form(serve: Serve, clock: Clock) -> None:
    """POST, urlencoded, JSON wanted, nothing in the address."""
    server = serve(lambda _: answer_json(TOKENS))
    tokens = endpoint(server, clock, "s1").exchange(lambda secret: {"client_assertion": secret, "x": "a b&c=ü+%"})
    (call,) = server.calls
    assert (call.method, call.target, call.headers["accept"]) == ("POST", "/token", "application/json")
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form_of(call) == {"client_assertion": "s1", "x": "a b&c=ü+%"}
    assert tokens.secret_id == id_of("s1")


def test_secrets_are_tried_in_order_while_the_client_is_refused(serve: Serve, clock: Clock) -> None:
    """`invalid_client` leads to the next secret; the tokens carry the id of the one that was accepted."""

    def script(request: Request) -> Response:
        accepted = form_of(request)["secret"] == "third"
        return answer_json(TOKENS) if accepted else Response(400, b'{"Error": "invalid_client"}')

    server = serve(script)
    tokens = endpoint(server, clock, "first", "second", "third", "fourth").exchange(lambda secret: {"secret": secret})
    assert [form_of(call)["secret"] for call in server.calls] == ["first", "second", "third"]
    assert tokens.secret_id == id_of("third")


@pytest.mark.parametrize(
    "error",
    ["invalid_grant", "invalid_request", "access_denied", "server_error", "unauthorized_client", "invalid_scope"],
)
@pytest.mark.parametrize("name", ["Error", "error"])
def test_no_other_refusal_leads_to_the_next_secret(serve: Serve, clock: Clock, error: str, name: str) -> None:
    """A refresh token is sent once: what is not about the client ends the exchange."""
    server = serve(lambda _: Response(400, json.dumps({name: error}).encode()))
    with pytest.raises(ProviderError):
        endpoint(server, clock, "first", "second").exchange(lambda secret: {"secret": secret})
    assert len(server.calls) == 1


def test_no_accepted_secret_is_a_fault_of_ours(serve: Serve, clock: Clock) -> None:
    """All refused, or none there."""
    server = serve(lambda _: Response(400, b'{"Error": "invalid_client"}'))
    for secrets in (("first", "second"), ()):
        with pytest.raises(AppFault):
            endpoint(server, clock, *secrets).exchange(lambda secret: {"secret": secret})
    assert len(server.calls) == 2


def test_secrets_are_read_anew_once_when_all_are_refused(serve: Serve, clock: Clock) -> None:
    """A secret that was just replaced in the vault is found; one that was not changed is not tried again."""

    def script(request: Request) -> Response:
        return answer_json(TOKENS) if b"new" in request.body else Response(400, b'{"Error": "invalid_client"}')

    for fresh, calls in ((["new"], 2), (["other"], 2), (None, 1)):
        server, secrets = serve(script), ["old"]

        def reread(fresh: list[str] | None = fresh, secrets: list[str] = secrets) -> None:
            secrets[:] = fresh or secrets

        client = TokenEndpoint(
            server.url, token_types=TYPES, secrets=lambda secrets=secrets: secrets, reread=reread, now=clock.now
        )
        if fresh == ["new"]:
            assert client.exchange(lambda secret: {"secret": secret}).secret_id == id_of("new")
        else:
            with pytest.raises(AppFault):
                client.exchange(lambda secret: {"secret": secret})
        assert len(server.calls) == calls


def test_a_list_that_another_thread_renewed_meanwhile_is_tried_too(serve: Serve, clock: Clock) -> None:
    """The re-read of a moment ago was somebody else's: what counts is whether the list differs from what was tried."""
    secrets = ["old"]

    def script(request: Request) -> Response:
        secrets[:] = ["new"]
        return answer_json(TOKENS) if b"new" in request.body else Response(400, b'{"Error": "invalid_client"}')

    client = TokenEndpoint(
        serve(script).url, token_types=TYPES, secrets=lambda: secrets, reread=lambda: None, now=clock.now
    )
    assert client.exchange(lambda secret: {"secret": secret}).secret_id == id_of("new")


def test_the_newest_secret_is_known_by_its_id(serve: Serve, clock: Clock) -> None:
    """The first of the list; none while there is no list."""
    server = serve(lambda _: answer_json(TOKENS))
    assert endpoint(server, clock, "first", "second").newest_secret_id() == id_of("first")
    assert endpoint(server, clock).newest_secret_id() is None


def test_without_an_answer_of_the_vault_there_is_no_secret(serve: Serve, clock: Clock) -> None:
    """A fault of ours, not of the person's grant, and not Microsoft's word on this application; nothing is sent."""

    def secrets() -> list[str]:
        raise VaultError("the vault is silent")

    server = serve(lambda _: answer_json(TOKENS))
    client = TokenEndpoint(server.url, token_types=TYPES, secrets=secrets, reread=lambda: None, now=clock.now)
    with pytest.raises(NoSecret) as caught:
        client.exchange(lambda secret: {"secret": secret})
    assert (caught.value.title, caught.value.advice) == (VaultError.title, VaultError.advice)
    assert server.calls == []


def test_all_tries_share_one_deadline(serve: Serve, clock: Clock) -> None:
    """Eight seconds for all secrets together: the lease of 15 s must outlast them."""

    def script(_: Request) -> Response:
        clock.pass_by(3)
        return Response(400, b'{"Error": "invalid_client"}')

    server = serve(script)
    with pytest.raises(Unavailable):
        endpoint(server, clock, *"abcdefgh").exchange(lambda secret: {"secret": secret})
    assert len(server.calls) == 3


def test_no_try_begins_after_the_end_that_the_caller_set(serve: Serve, clock: Clock) -> None:
    """A process that was paused since it looked at its lease finds the end behind it."""
    server = serve(lambda _: answer_json(TOKENS))
    with pytest.raises(Unavailable):
        endpoint(server, clock, "s").exchange(lambda secret: {"secret": secret}, clock.now())
    assert server.calls == []


def test_redirects_are_not_followed(serve: Serve, clock: Clock) -> None:
    """Secret and code go to the configured address alone."""
    elsewhere = serve(lambda _: answer_json(TOKENS))
    for status in (301, 302, 303, 307, 308):
        server = serve(lambda _, status=status: Response(status, headers={"Location": f"{elsewhere.url}/token"}))
        with pytest.raises(Unavailable):
            endpoint(server, clock, "s").exchange(lambda secret: {"secret": secret})
    assert elsewhere.calls == []


def test_cookies_of_the_service_are_not_kept(serve: Serve, clock: Clock) -> None:
    """One session serves all users: a cookie would carry one into the call of the next."""
    server = serve(lambda _: answer_json(TOKENS, **{"Set-Cookie": "who=ada; Path=/"}))
    client = endpoint(server, clock, "s")
    for _ in range(2):
        client.exchange(lambda secret: {"secret": secret})
    assert ["cookie" in call.headers for call in server.calls] == [False, False]


def test_proxies_of_the_environment_are_not_used(serve: Serve, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a .netrc: what may see the secret is decided by the settings."""
    proxy, server = serve(lambda _: Response(502)), serve(lambda _: answer_json(TOKENS))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert endpoint(server, clock, "s").exchange(lambda secret: {"secret": secret}).access_token == "at"
    assert proxy.calls == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Type: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
    ids=["cut", "no HTTP", "short body", "broken chunk", "broken gzip", "endless header"],
)
def test_broken_transport_is_unavailable(serve: Serve, clock: Clock, raw: bytes) -> None:
    """Every way in which a reply can be lost or garbled; the call is never repeated by itself."""
    server = serve(lambda _: Response(raw=raw))
    with pytest.raises(Unavailable):
        endpoint(server, clock, "s").exchange(lambda secret: {"secret": secret})
    assert len(server.calls) == 1


def test_nobody_there_is_unavailable(serve: Serve, clock: Clock) -> None:
    """Connection refused."""
    server = serve(lambda _: answer_json(TOKENS))
    client = endpoint(server, clock, "s")
    server.shutdown()
    server.socket.close()
    with pytest.raises(Unavailable):
        client.exchange(lambda secret: {"secret": secret})


def test_a_bomb_is_not_unpacked(serve: Serve) -> None:
    """256 KiB and one piece are read of 200 MiB."""
    bomb = gzip.compress(b"[" * (200 << 20), compresslevel=1)
    server = serve(lambda _: Response(body=bomb, headers={"Content-Encoding": "gzip"}))
    began = time.monotonic()
    _, _, body = bounded_post(new_session(), server.url, {}, 5)
    assert MAX_ANSWER_BYTES < len(body) <= MAX_ANSWER_BYTES + 16 * 1024
    assert time.monotonic() - began < 3


def test_a_silent_or_dripping_answer_ends_in_time(serve: Serve) -> None:
    """The limit is for the whole answer, not for each piece of it."""

    def drops() -> Iterator[bytes]:
        while True:
            time.sleep(0.1)
            yield b" "

    for pieces in (drops(), (time.sleep(1.5) or b"{}" for _ in range(1))):
        server = serve(lambda _, pieces=pieces: Response(pieces=pieces))
        began = time.monotonic()
        with pytest.raises(Unavailable):
            bounded_post(new_session(), server.url, {}, 0.5)
        assert time.monotonic() - began < 1.4


scraps = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
names = st.sampled_from([*TOKENS, "error", "Error", "error_description", "id_token"]) | st.text(max_size=5)
words = st.sampled_from(
    ["invalid_grant", "invalid_client", "invalid_request", "access_denied", "bearer", "3599", "at", "a b"]
)
answers = st.dictionaries(names, words | scraps | st.lists(scraps, max_size=2), max_size=6)
almost = st.builds(lambda name, value: TOKENS | {name: value}, names, words | scraps)
bodies = st.binary(max_size=80) | st.one_of(answers, almost, scraps).map(lambda it: json.dumps(it).encode())
types = st.sampled_from(["application/json", "application/json; charset=utf-8"]) | st.text(max_size=9)


@settings(max_examples=1000)
@given(st.just(200) | st.integers(100, 599), types, st.text(max_size=9), bodies)
def test_any_answer_at_all_is_tokens_or_a_provider_error(status: int, kind: str, wait: str, body: bytes) -> None:
    """And tokens are fit for a header, with a lifetime within its limits, from a 200 alone."""
    try:
        tokens = parse(status=status, body=body, headers={"Content-Type": kind, "Retry-After": wait})
    except ProviderError:
        return
    assert status == 200
    assert re.fullmatch("[!-~]+", tokens.access_token)
    assert tokens.refresh_token is None or re.fullmatch("[!-~]+", tokens.refresh_token)
    assert timedelta(seconds=60) <= tokens.lifetime <= timedelta(hours=24)
