"""The Entra ID provider against a real server: requests parameter by parameter, and what it takes from the answers."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from shared.errors import AppFault, GrantEnded, Policy, ProviderError, RequestRefused, SignInRefused, Unavailable
from shared.models.custody import Login
from shared.oauth.entra import EntraProvider
from shared.oauth.entra_credentials import Credentials
from shared.oauth.provider import Revoked
from tests.shared.azure_devops.scripted_server import Request, Response, Script, ScriptedServer, answer_json
from tests.shared.oauth.conftest import Clock

HOME, OTHER = "308dcda9-f0a2-574b-9aef-1c2753cfb9b7", "11111111-2222-4333-8444-555555555555"
RESOURCE = "499b84ac-1321-427f-aa17-267ca6975798"
SCOPES = "vso.work vso.code"
WANTED = f"{RESOURCE}/vso.work {RESOURCE}/vso.code openid profile offline_access"
CALLBACK = "https://gatehouse.test/auth/callback/entra"
KEY = generate_private_key(public_exponent=65537, key_size=2048)
LATER = datetime(2026, 11, 24, 12, 0, 8, tzinfo=UTC)
LOGIN = Login(
    provider="entra",
    state="s" * 43,
    verifier="v" * 43,
    nonce="n" * 43,
    return_to="/",
    started_at=datetime(2026, 11, 24, tzinfo=UTC),
)
Provide = Callable[..., tuple[EntraProvider, ScriptedServer]]


def tokens(server_url: str = "", **changes: object) -> dict[str, Any]:
    """A token response of Entra ID; a value of None is left out."""
    now = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp())
    claims = {"iss": f"{server_url}/{HOME}/v2.0", "aud": "app", "tid": HOME, "oid": "O-1", "nonce": LOGIN.nonce,
              "iat": now, "nbf": now, "exp": now + 3600, "name": "A", "preferred_username": "a@x.example"}  # fmt: skip
    body = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "at",
            "refresh_token": "rt", "scope": WANTED,
            "id_token": jwt.encode(claims, KEY, "RS256", headers={"kid": "one"})}  # fmt: skip
    return {name: value for name, value in (body | changes).items() if value is not None}


@pytest.fixture
def provide(serve: Callable[[Script], ScriptedServer], clock: Clock) -> Provide:
    """A provider of some tenants and its server, whose token endpoint answers as given."""

    def start(
        *,
        answer: Response | None = None,
        tenants: tuple[str, ...] = (HOME,),
        secrets: tuple[str, ...] = ("secret",),
        **changes: object,
    ) -> tuple[EntraProvider, ScriptedServer]:
        def script(request: Request) -> Response:
            if request.path.endswith("/openid-configuration"):
                return answer_json({"jwks_uri": f"{server.url}/keys"})
            if request.path == "/keys":
                public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
                return answer_json({"keys": [public | {"kid": "one"}]})
            return answer or answer_json(tokens(server.url, **changes))

        server = serve(script)
        provider = EntraProvider(
            authority_url=server.url,
            tenants=tenants,
            client_id="app",
            scopes=SCOPES,
            redirect_uri=CALLBACK,
            home_url="https://gatehouse.test/",
            credentials=Credentials(client_secrets=lambda: secrets, reread=lambda: None, assertion=str),
            now=clock.now,
        )
        return provider, server

    return start


def form_of(server: ScriptedServer) -> Mapping[str, str]:
    """What the last token call carried, each field once."""
    body = next(call.body for call in reversed(server.calls) if call.method == "POST")
    fields = parse_qs(body.decode(), strict_parsing=True)
    assert {len(values) for values in fields.values()} == {1}
    return {name: values[0] for name, values in fields.items()}


def asked(url: str) -> Mapping[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query, strict_parsing=True).items()}


def test_the_authorization_url_is_that_of_the_facts(provide: Provide) -> None:
    """Facts 3.2 and 3.3: code, PKCE S256, nonce, every scope with its resource, blanks as %20; nothing is called."""
    provider, server = provide()
    url = provider.authorization_url(LOGIN)
    digest = hashlib.sha256(LOGIN.verifier.encode()).digest()
    assert url.partition("?")[0] == f"{server.url}/{HOME}/oauth2/v2.0/authorize"
    assert asked(url) == {
        "client_id": "app",
        "response_type": "code",
        "response_mode": "query",
        "redirect_uri": CALLBACK,
        "scope": WANTED,
        "state": LOGIN.state,
        "nonce": LOGIN.nonce,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        "prompt": "select_account",
    }
    assert "+" not in url
    assert LOGIN.verifier not in url
    assert server.calls == []


def test_claims_and_a_new_consent_are_asked_for_only_when_wanted(provide: Provide) -> None:
    provider, _ = provide()
    claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
    assert asked(provider.authorization_url(LOGIN, claims=claims))["claims"] == claims
    assert asked(provider.authorization_url(LOGIN, consent=True))["prompt"] == "consent"


@pytest.mark.parametrize(
    ("tenants", "authority"),
    [((HOME,), HOME), ((HOME, HOME.upper()), HOME), ((HOME, OTHER), "organizations")],
    ids=["one tenant", "the same twice", "two tenants"],
)
def test_the_authority_is_the_tenant_or_all_organizations_when_several_may_come(
    provide: Provide, tenants: tuple[str, ...], authority: str
) -> None:
    """Never `common`, which would let personal accounts as far as our door (facts 3.1)."""
    provider, server = provide(tenants=tenants)
    base = f"{server.url}/{authority}/oauth2/v2.0"
    assert provider.authorization_url(LOGIN).startswith(f"{base}/authorize?")
    assert provider.sign_out_url == f"{base}/logout?post_logout_redirect_uri=https%3A%2F%2Fgatehouse.test%2F"
    provider.refresh("rt", SCOPES, LATER)
    assert server.calls[-1].path == f"/{authority}/oauth2/v2.0/token"


def test_an_issuer_is_compared_to_the_letter(provide: Provide) -> None:
    provider, server = provide(tenants=(HOME, OTHER))
    good = [f"{server.url}/{tenant}/v2.0" for tenant in (HOME, OTHER)]
    assert all(provider.may_be_issuer(issuer) for issuer in good)
    bad = [f"{good[0]}/", good[0].upper(), f"{server.url}/organizations/v2.0", f"{server.url}/{HOME}", ""]
    assert not any(provider.may_be_issuer(issuer) for issuer in bad)


def test_a_code_is_redeemed_with_its_verifier_and_the_id_token_says_who(provide: Provide) -> None:
    """Facts 3.3; the identity is issuer and `oid`, never the address."""
    provider, server = provide()
    redeemed, identity = provider.redeem("the code", LOGIN)
    assert form_of(server) == {
        "client_id": "app",
        "client_secret": "secret",
        "grant_type": "authorization_code",
        "code": "the code",
        "redirect_uri": CALLBACK,
        "code_verifier": LOGIN.verifier,
    }
    assert (redeemed.access_token, redeemed.refresh_token, redeemed.lifetime) == ("at", "rt", timedelta(seconds=3599))
    assert (identity.provider, identity.issuer, identity.subject) == ("entra", f"{server.url}/{HOME}/v2.0", "o-1")
    assert (identity.display_name, identity.email) == ("A", "a@x.example")


def test_without_an_id_token_nobody_is_signed_in(provide: Provide) -> None:
    provider, _ = provide(id_token=None)
    with pytest.raises(SignInRefused):
        provider.redeem("c", LOGIN)


def test_one_refresh_asks_for_all_granted_scopes_and_for_no_other(provide: Provide) -> None:
    """Facts 3.4: those of the connection, whatever the settings say by now, and `offline_access`."""
    provider, server = provide()
    assert provider.refresh("old rt", "vso.project vso.build vso.code", LATER).refresh_token == "rt"
    assert len(server.calls) == 1
    assert form_of(server) == {
        "client_id": "app",
        "client_secret": "secret",
        "grant_type": "refresh_token",
        "refresh_token": "old rt",
        "scope": f"{RESOURCE}/vso.project {RESOURCE}/vso.build {RESOURCE}/vso.code openid profile offline_access",
    }


def test_a_refresh_needs_no_id_token_and_keeps_the_old_refresh_token_where_none_comes(provide: Provide) -> None:
    """RFC 6749 section 6; nothing is read of keys, so nothing stands between the answer and the write."""
    provider, server = provide(id_token=None, refresh_token=None)
    assert provider.refresh("rt", SCOPES, LATER).refresh_token is None
    assert [call.method for call in server.calls] == ["POST"]


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        ("invalid_grant", GrantEnded),
        ("interaction_required", GrantEnded),
        ("consent_required", GrantEnded),
        ("invalid_client", AppFault),
        ("unauthorized_client", RequestRefused),
        ("invalid_scope", RequestRefused),
        ("invalid_request", RequestRefused),
        ("access_denied", Policy),
        ("temporarily_unavailable", Unavailable),
        ("something_new", Unavailable),
    ],
)
@pytest.mark.parametrize("numbers", [[7000222], [50076], [700082, 7000215]])
def test_the_error_decides_whatever_codes_and_description_say(
    provide: Provide, error: str, verdict: type[ProviderError], numbers: list[int]
) -> None:
    """Facts 3.3: Microsoft asks not to react to either in programs."""
    body = {"error": error, "error_description": f"AADSTS{numbers[0]}: invalid_grant.\r\nTrace ID: x",
            "error_codes": numbers}  # fmt: skip
    provider, _ = provide(answer=Response(401, answer_json(body).body))
    with pytest.raises(ProviderError) as refused:
        provider.refresh("rt", SCOPES, LATER)
    assert type(refused.value) is verdict


def test_each_client_secret_is_tried_newest_first(provide: Provide) -> None:
    refused = Response(401, answer_json({"error": "invalid_client"}).body)
    provider, server = provide(answer=refused, secrets=("new", "old"))
    with pytest.raises(AppFault):
        provider.refresh("rt", SCOPES, LATER)
    tried = [parse_qs(call.body.decode())["client_secret"][0] for call in server.calls]
    assert tried[:2] == ["new", "old"]


def test_nothing_is_revoked_for_there_is_no_way_to_end_one_grant_alone(provide: Provide) -> None:
    """Facts 3.6: `revokeSignInSessions` would end the person's sessions with every application."""
    provider, server = provide()
    assert not provider.offers_revocation
    answer = provider.revoke("rt", "refresh_token", timeout=timedelta(seconds=5))
    assert answer.outcome is Revoked.NOT_OFFERED
    assert server.calls == []
