"""Discovery, keys and their rotation (facts 3.1)."""

import jwt
import pytest

from tests.tools.simulator.entra.entra_client import HOST, EntraClient
from tools.simulator.sample.tenants import FABRIKAM, PERSONAL_TENANT_ID

ORIGIN = f"http://{HOST}"


@pytest.mark.parametrize(
    ("tenant", "issuer", "address"),
    [
        (FABRIKAM.id, f"{ORIGIN}/{FABRIKAM.id}/v2.0", FABRIKAM.id),
        (FABRIKAM.id.upper(), f"{ORIGIN}/{FABRIKAM.id}/v2.0", FABRIKAM.id),
        ("fabrikam.example", f"{ORIGIN}/{FABRIKAM.id}/v2.0", FABRIKAM.id),
        ("organizations", ORIGIN + "/{tenantid}/v2.0", "organizations"),
        ("common", ORIGIN + "/{tenantid}/v2.0", "common"),
        ("consumers", f"{ORIGIN}/{PERSONAL_TENANT_ID}/v2.0", "consumers"),
    ],
)
def test_discovery_names_the_issuer_and_the_endpoints_of_the_tenant(
    entra: EntraClient, tenant: str, issuer: str, address: str
) -> None:
    found = entra.get(f"/{tenant}/v2.0/.well-known/openid-configuration").json
    assert found["issuer"] == issuer
    endpoints = {name: found[name] for name in ("authorization_endpoint", "token_endpoint", "end_session_endpoint")}
    assert endpoints == {
        "authorization_endpoint": f"{ORIGIN}/{address}/oauth2/v2.0/authorize",
        "token_endpoint": f"{ORIGIN}/{address}/oauth2/v2.0/token",
        "end_session_endpoint": f"{ORIGIN}/{address}/oauth2/v2.0/logout",
    }
    assert found["jwks_uri"] == f"{ORIGIN}/{address}/discovery/v2.0/keys"
    assert found["id_token_signing_alg_values_supported"] == ["RS256"]


@pytest.mark.parametrize("end", ["v2.0/.well-known/openid-configuration", "discovery/v2.0/keys", "oauth2/v2.0/token"])
def test_an_unknown_tenant_is_aadsts90002(entra: EntraClient, end: str) -> None:
    target = f"/nobody.example/{end}"
    answer = entra.driver.form(target, {"grant_type": "x"}) if end.endswith("token") else entra.get(target)
    assert (answer.status, answer.json["error_codes"]) == (400, [90002])


def test_an_unknown_tenants_sign_in_is_a_page(entra: EntraClient) -> None:
    answer = entra.authorize("nobody.example")
    assert (answer.status, "AADSTS90002" in answer.text) == (400, True)


def test_the_public_url_is_the_origin_of_issuers_and_addresses(entra: EntraClient) -> None:
    entra.driver.settings(public_url="https://sign-in.example")
    found = entra.get(entra.path("v2.0/.well-known/openid-configuration")).json
    assert found["issuer"] == f"https://sign-in.example/{FABRIKAM.id}/v2.0"
    assert found["token_endpoint"].startswith("https://sign-in.example/")


def test_a_call_for_microsofts_host_reaches_these_paths_and_no_others(entra: EntraClient) -> None:
    path = entra.path("discovery/v2.0/keys")
    there, elsewhere = {"x_forwarded_host": "login.microsoftonline.com"}, {"x_forwarded_host": "dev.azure.com"}
    assert entra.driver.call("GET", path, **there).status == 200
    assert entra.driver.call("GET", path, **elsewhere).status == 404
    assert entra.driver.call("GET", "/oauth2/authorize", **there).status == 404


def test_two_keys_are_published_and_one_signs(entra: EntraClient) -> None:
    signs = jwt.get_unverified_header(entra.sign_in()["id_token"])
    assert signs["alg"] == "RS256"
    assert len(entra.published()) == 2
    assert signs["kid"] in entra.published()


@pytest.mark.parametrize("kept", [True, False])
def test_after_a_rotation_an_unseen_key_signs_and_the_old_one_is_published_or_not(
    entra: EntraClient, kept: bool
) -> None:
    seen, old = set(entra.published()), entra.sign_in()["id_token"]
    entra.driver.settings(entra_rotate_keys=1, entra_old_key_published=kept)
    new = entra.sign_in()["id_token"]
    assert jwt.get_unverified_header(new)["kid"] not in seen
    assert (jwt.get_unverified_header(old)["kid"] in entra.published()) is kept
    assert entra.verified(new)["tid"] == FABRIKAM.id
