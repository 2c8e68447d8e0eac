"""The legacy provider against a real server: requests byte for byte, profiles in both shapes, answers to a revoke."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.errors import AppFault, GrantEnded, ProviderError, ScopeMissing, Suspect, Unavailable
from shared.models.custody import Login
from shared.oauth.azure_devops import AzureDevOpsProvider
from shared.oauth.provider import Revoked
from tests.shared.azure_devops.scripted_server import Request, Response, Script, ScriptedServer, answer_json
from tests.shared.oauth.conftest import Clock

TOKENS = {"access_token": "at", "refresh_token": "rt", "token_type": "jwt-bearer", "expires_in": "3599"}
PROFILE = {"id": "D6245F20-2AF8-44F4-9451-8107CB2767DB", "displayName": "Ada", "emailAddress": "ada@example.com"}
LATER = datetime(2026, 11, 24, 12, 0, 8, tzinfo=UTC)
LOGIN = Login(
    provider="azure-devops",
    state="s" * 43,
    verifier="v" * 43,
    nonce="n" * 43,
    return_to="/",
    started_at=datetime(2026, 11, 24, tzinfo=UTC),
)
SECOND = timedelta(seconds=1)
Serve = Callable[[Script], ScriptedServer]
Provide = Callable[..., tuple[AzureDevOpsProvider, ScriptedServer]]


@pytest.fixture
def provide(serve: Serve, clock: Clock) -> Provide:
    """A provider and its server, which answers `token`, `profile` and `revoke` as given."""

    def start(
        *, token: Response | None = None, profile: Response | None = None, revoke: Response | None = None
    ) -> tuple[AzureDevOpsProvider, ScriptedServer]:
        answers = {
            "/oauth2/token": token or answer_json(TOKENS),
            "/_apis/profile/profiles/me": profile or answer_json(PROFILE),
            "/oauth2/revoke": revoke or Response(404),
        }
        server = serve(lambda request: answers[request.path])
        provider = AzureDevOpsProvider(
            identity_url=server.url,
            client_id="app",
            scopes="vso.work vso.code",
            redirect_uri="https://gatehouse.test/auth/callback",
            secrets=lambda: ["secret"],
            reread=lambda: None,
            now=clock.now,
        )
        return provider, server

    return start


def form_of(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()}


def paths(server: ScriptedServer) -> list[str]:
    return [call.path for call in server.calls]


def test_the_authorization_url_is_that_of_the_facts(provide: Provide) -> None:
    """Facts 1.2: `Assertion` with a capital, blanks as %20, no PKCE and no nonce, state as given."""
    provider, server = provide()
    url = urlsplit(provider.authorization_url(LOGIN))
    assert (f"{url.scheme}://{url.netloc}", url.path) == (server.url, "/oauth2/authorize")
    assert parse_qs(url.query, strict_parsing=True) == {
        "client_id": ["app"],
        "response_type": ["Assertion"],
        "state": [LOGIN.state],
        "scope": ["vso.work vso.code"],
        "redirect_uri": ["https://gatehouse.test/auth/callback"],
    }
    assert "vso.work%20vso.code" in url.query
    assert server.calls == []


def test_a_code_is_redeemed_and_the_profile_says_who(provide: Provide) -> None:
    """Facts 1.4: the secret as assertion of the client, the code as assertion of the grant, no client_id."""
    provider, server = provide()
    tokens, identity = provider.redeem("the code", LOGIN)
    token, profile = server.calls
    assert form_of(token) == {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": "secret",
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": "the code",
        "redirect_uri": "https://gatehouse.test/auth/callback",
    }
    assert (profile.path, profile.headers["authorization"]) == ("/_apis/profile/profiles/me", "Bearer at")
    assert (tokens.access_token, tokens.refresh_token, tokens.lifetime) == ("at", "rt", timedelta(seconds=3599))
    assert (identity.display_name, identity.email) == ("Ada", "ada@example.com")


def test_a_refresh_token_travels_as_assertion(provide: Provide) -> None:
    """Facts 1.5; no profile is asked for: nothing stands between the answer and the write."""
    provider, server = provide()
    assert provider.refresh("old rt", "vso.work", LATER).refresh_token == "rt"
    assert paths(server) == ["/oauth2/token"]
    form = form_of(server.calls[0])
    assert (form["grant_type"], form["assertion"]) == ("refresh_token", "old rt")
    assert "refresh_token" not in form


def test_a_profile_of_core_attributes_is_the_same_person(provide: Provide) -> None:
    """Facts 4.2: values in coreAttributes; the id in either case of letters is one user, and never the e-mail."""
    core = {
        "id": PROFILE["id"].lower(),
        "coreAttributes": {"DisplayName": {"value": "Ada L."}, "EmailAddress": {"value": "other@example.com"}},
    }
    one, other = (provide(profile=answer_json(shape))[0].redeem("c", LOGIN)[1] for shape in (PROFILE, core))
    assert (other.display_name, other.email) == ("Ada L.", "other@example.com")
    assert one.user_id == other.user_id


def test_another_id_with_the_same_e_mail_is_another_person(provide: Provide) -> None:
    """Identity is provider, issuer and subject."""
    one, other = (
        provide(profile=answer_json(PROFILE | {"id": text}))[0].redeem("c", LOGIN)[1] for text in ("one", "two")
    )
    assert one.email == other.email
    assert one.user_id != other.user_id


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"displayName": None},
        {"displayName": "  "},
        {"displayName": 7, "emailAddress": ["x"]},
        {"coreAttributes": []},
        {"coreAttributes": {"DisplayName": "Ada"}},
        {"coreAttributes": {"DisplayName": {"value": None}}},
    ],
    ids=str,
)
def test_a_person_without_a_usable_name_still_signs_in(provide: Provide, attributes: dict[str, Any]) -> None:
    """Names are only shown; whatever is no text is left out."""
    identity = provide(profile=answer_json({"id": "one"} | attributes))[0].redeem("c", LOGIN)[1]
    assert (identity.display_name, identity.email) == ("Azure DevOps user", None)


def test_long_names_are_cut(provide: Provide) -> None:
    """At 256 characters: they are stored sealed, and a page has to show them."""
    profile = answer_json(PROFILE | {"displayName": "A" * 1000})
    assert len(provide(profile=profile)[0].redeem("c", LOGIN)[1].display_name) == 256


@pytest.mark.parametrize(
    "profile",
    [
        Response(203, b"<html>sign in", content_type="text/html"),
        Response(302, headers={"Location": "/signin"}),
        Response(401, b""),
        Response(403, b"{}"),
        Response(500, b"{}"),
        Response(200, b"<html>", content_type="text/html"),
        Response(200, b"[]"),
        Response(200, b'{"id": "one", "id": "two"}'),
        answer_json({"displayName": "Ada"}),
        answer_json({"id": ""}),
        answer_json({"id": 7}),
        answer_json({"id": None}),
        answer_json({"id": "x" * 129}),
        Response(raw=b""),
    ],
    ids=lambda answer: f"{answer.status} {answer.body[:24]!r}",
)
def test_without_a_profile_nobody_signs_in_and_the_tokens_are_withdrawn(provide: Provide, profile: Response) -> None:
    """The tokens belong to nobody we know: both are revoked, the refresh token first."""
    provider, server = provide(profile=profile, revoke=Response(200))
    with pytest.raises(ScopeMissing if profile.status == 403 else Unavailable):
        provider.redeem("c", LOGIN)
    revoked = [form_of(call) for call in server.calls if call.path == "/oauth2/revoke"]
    assert revoked == [
        {"token": "rt", "token_type_hint": "refresh_token"},
        {"token": "at", "token_type_hint": "access_token"},
    ]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("invalid_grant", GrantEnded),
        ("invalid_request", Suspect),
        ("invalid_client", AppFault),
        ("nonsense", Unavailable),
    ],
)
def test_a_refused_code_asks_for_no_profile(provide: Provide, error: str, expected: type[ProviderError]) -> None:
    """Errors keep their class, and there is nothing to withdraw."""
    refusal = Response(400, json.dumps({"Error": error, "ErrorDescription": "x"}).encode())
    for call in (lambda one: one.redeem("c", LOGIN), lambda one: one.refresh("rt", "vso.work", LATER)):
        provider, server = provide(token=refusal)
        with pytest.raises(expected):
            call(provider)
        assert paths(server) == ["/oauth2/token"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(200), Revoked.DONE),
        (Response(200, b"", content_type="text/plain"), Revoked.DONE),
        (Response(204, b""), Revoked.DONE),
        (Response(404), Revoked.NOT_OFFERED),
        (Response(405), Revoked.NOT_OFFERED),
        (Response(501), Revoked.NOT_OFFERED),
        (Response(301, headers={"Location": "/"}), Revoked.NOT_OFFERED),
        (Response(302, headers={"Location": "/_signin"}), Revoked.NOT_OFFERED),
        (Response(200, b"<html>", content_type="text/html; charset=utf-8"), Revoked.NOT_OFFERED),
        (Response(203, b"<html>", content_type="text/html"), Revoked.NOT_OFFERED),
        (Response(401, b"<html>", content_type="TEXT/HTML"), Revoked.NOT_OFFERED),
        (Response(400, b'{"error": "unsupported_token_type"}'), Revoked.NOT_OFFERED),
        (Response(401), Revoked.LATER),
        (Response(408), Revoked.LATER),
        (Response(429), Revoked.LATER),
        (Response(500), Revoked.LATER),
        (Response(503, b"<html>", content_type="text/html"), Revoked.LATER),
        (Response(raw=b""), Revoked.LATER),
    ],
    ids=lambda value: f"{value.status} {value.content_type}" if isinstance(value, Response) else value,
)
def test_what_an_answer_to_a_revocation_means(provide: Provide, answer: Response, expected: Revoked) -> None:
    """Facts 1.8: nobody documents the endpoint, so "not offered" is told from "not now" and from "done"."""
    provider, server = provide(revoke=answer)
    assert provider.revoke("the token", "refresh_token", timeout=SECOND).outcome is expected
    (call,) = server.calls
    assert form_of(call) == {"token": "the token", "token_type_hint": "refresh_token"}
    assert call.target == "/oauth2/revoke"


@pytest.mark.parametrize(
    ("header", "seconds"), [("120", 120), ("Tue, 24 Nov 2026 12:02:00 GMT", 120), ("99999", 300), ("soon", None)]
)
def test_a_revocation_hears_how_long_to_wait(provide: Provide, header: str, seconds: float | None) -> None:
    """Retry-After in both its forms, at most five minutes of it (acceptance U2)."""
    provider, _ = provide(revoke=Response(503, headers={"Retry-After": header}))
    assert provider.revoke("t", "refresh_token", timeout=SECOND).retry_after == seconds


def test_a_revocation_without_time_is_not_begun(provide: Provide) -> None:
    """Nothing left of the budget: later."""
    provider, server = provide(revoke=Response(200))
    for left in (timedelta(0), -SECOND):
        assert provider.revoke("t", "access_token", timeout=left).outcome is Revoked.LATER
    assert server.calls == []


def test_a_revocation_ends_in_time_and_never_raises(serve: Serve, provide: Provide) -> None:
    """A silent service costs its time-out and no more; no service at all costs nothing."""
    slow = serve(lambda _: time.sleep(1.5) or Response(200))
    provider, _ = provide()
    provider._identity_url = slow.url
    began = time.monotonic()
    assert provider.revoke("t", "access_token", timeout=timedelta(milliseconds=300)).outcome is Revoked.LATER
    assert time.monotonic() - began < 1.2
    provider._identity_url = "http://127.0.0.1:9"
    assert provider.revoke("t", "access_token", timeout=SECOND).outcome is Revoked.LATER


def test_neither_verifier_nor_nonce_leaves(provide: Provide) -> None:
    """They have no place in this flow, so no log of the service can hold them."""
    provider, server = provide()
    url = provider.authorization_url(replace(LOGIN, verifier="VERIFIER", nonce="NONCE"))
    provider.redeem("c", replace(LOGIN, verifier="VERIFIER", nonce="NONCE"))
    sent = url + "".join(f"{call.target}{call.headers}{call.body!r}" for call in server.calls)
    assert "VERIFIER" not in sent
    assert "NONCE" not in sent
