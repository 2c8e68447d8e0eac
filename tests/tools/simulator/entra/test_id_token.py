"""Id tokens, judged by PyJWT: right ones pass, each spoiled one is refused (facts 3.3)."""

import jwt
import pytest

from tests.tools.simulator.entra.entra_client import HOST, SCOPE, EntraClient
from tools.simulator import defaults
from tools.simulator.sample.tenants import FABRIKAM, NORTHWIND

REFUSED_BY_ITS_REASON = {
    "alg-none": jwt.InvalidAlgorithmError,
    "hs256": jwt.InvalidAlgorithmError,
    "wrong-key": jwt.InvalidSignatureError,
    "unknown-kid": KeyError,
    "wrong-audience": jwt.InvalidAudienceError,
    "wrong-issuer": jwt.InvalidIssuerError,
    "other-tenant": jwt.InvalidIssuerError,
    "personal-account": jwt.InvalidIssuerError,
    "wrong-nonce": jwt.InvalidTokenError,
    "no-nonce": jwt.InvalidTokenError,
    "no-oid": jwt.MissingRequiredClaimError,
    "expired": jwt.InvalidTokenError,
    "not-yet-valid": jwt.InvalidTokenError,
    "garbage": jwt.DecodeError,
}


def test_a_right_id_token_says_who_signed_in_and_where(entra: EntraClient) -> None:
    claims = entra.verified(entra.sign_in()["id_token"])
    now = int(entra.driver.now)
    assert claims | {"sub": "", "oid": ""} == {
        "aud": defaults.ENTRA_CLIENT_ID,
        "iss": f"http://{HOST}/{FABRIKAM.id}/v2.0",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "sub": "",
        "oid": "",
        "tid": FABRIKAM.id,
        "ver": "2.0",
        "nonce": "a nonce",
        "name": "Ada Lovelace",
        "preferred_username": "ada@fabrikam.example",
    }


def test_the_same_account_has_the_same_object_id_and_every_other_one_another(entra: EntraClient) -> None:
    def identity(user: str, tenant: str) -> tuple[str, str]:
        entra.tenant = tenant
        claims = entra.verified(entra.sign_in(user)["id_token"])
        return claims["iss"], claims["oid"]

    home, again = identity("ada", FABRIKAM.id), identity("ada", FABRIKAM.id)
    guest, other = identity("ada", NORTHWIND.id), identity("bjorn", "contoso.example")
    assert home == again
    assert len({home, guest, other}) == len({home[1], guest[1], other[1]}) == 3


def test_a_guest_has_the_tenant_that_signed_in_and_the_same_address(entra: EntraClient) -> None:
    entra.tenant = NORTHWIND.id
    claims = entra.verified(entra.sign_in()["id_token"])
    assert (claims["tid"], claims["iss"]) == (NORTHWIND.id, f"http://{HOST}/{NORTHWIND.id}/v2.0")
    assert claims["preferred_username"] == "ada@fabrikam.example"
    assert claims["idp"] == f"https://sts.windows.net/{FABRIKAM.id}/"


@pytest.mark.parametrize(("scope", "email"), [(SCOPE, None), (f"{SCOPE} email", "ada@fabrikam.example")])
def test_the_address_comes_as_email_only_when_asked_for(entra: EntraClient, scope: str, email: str | None) -> None:
    assert entra.verified(entra.sign_in(scope=scope)["id_token"]).get("email") == email


def test_without_the_profile_scope_there_is_no_object_id(entra: EntraClient) -> None:
    id_token = entra.sign_in(scope=SCOPE.replace("profile", ""))["id_token"]
    claims = jwt.decode(id_token, options={"verify_signature": False})
    assert not {"oid", "name", "preferred_username"} & set(claims)


@pytest.mark.parametrize("mutation", REFUSED_BY_ITS_REASON)
def test_a_spoiled_id_token_is_refused_for_what_was_spoiled(entra: EntraClient, mutation: str) -> None:
    assert entra.driver.settings(id_token_mutation=mutation).status == 200
    id_token = entra.sign_in()["id_token"]
    with pytest.raises(REFUSED_BY_ITS_REASON[mutation]) as refused:
        entra.verified(id_token)
    assert refused.type is REFUSED_BY_ITS_REASON[mutation]
    entra.driver.settings(id_token_mutation=None)
    assert entra.verified(entra.sign_in()["id_token"])["tid"] == FABRIKAM.id


def test_an_other_tenants_id_token_is_signed_well_and_consistent(entra: EntraClient) -> None:
    entra.driver.settings(id_token_mutation="other-tenant")
    id_token = entra.sign_in()["id_token"]
    entra.tenant = NORTHWIND.id
    assert entra.verified(id_token)["tid"] == NORTHWIND.id


def test_an_id_token_can_be_absent(entra: EntraClient) -> None:
    entra.driver.settings(id_token_mutation="absent")
    assert "id_token" not in entra.sign_in()
