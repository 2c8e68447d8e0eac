"""The control API's part of Entra: the log, the tokens, settings, and every AADSTS failure on demand (facts 3.5)."""

import pytest
import requests

from tests.tools.simulator.entra.entra_client import EntraClient
from tests.tools.simulator.test_server import started
from tools.simulator import defaults
from tools.simulator.entra.failures import FAILURES
from tools.simulator.identity.minting import digest
from tools.simulator.sample.tenants import FABRIKAM, NORTHWIND

# Every code of facts 3.5, with the `error` that the application reacts to at the token endpoint.
TABLE = {
    50011: "invalid_request",
    65004: "access_denied",
    65001: "invalid_grant",
    700082: "invalid_grant",
    70008: "invalid_grant",
    70043: "invalid_grant",
    50173: "invalid_grant",
    54005: "invalid_grant",
    50076: "interaction_required",
    50079: "interaction_required",
    50074: "interaction_required",
    50072: "interaction_required",
    50078: "interaction_required",
    53003: "invalid_grant",
    53000: "invalid_grant",
    53001: "invalid_grant",
    50105: "invalid_grant",
    50020: "invalid_grant",
    500208: "invalid_grant",
    50034: "invalid_grant",
    51004: "invalid_grant",
    50194: "invalid_request",
    50196: "invalid_grant",
    700016: "unauthorized_client",
    700011: "unauthorized_client",
    7000215: "invalid_client",
    7000222: "invalid_client",
    70002: "invalid_client",
    70011: "invalid_scope",
    28002: "invalid_scope",
    650053: "invalid_scope",
    501481: "invalid_grant",
    90094: "access_denied",
}
ON_A_PAGE = {50011, 50020, 500208, 50034, 51004, 50194, 700016, 700011}
AT_SIGN_IN = {65001: "consent_required", **dict.fromkeys((50105, 53003, 53000, 53001), "access_denied")}
TOKEN, AUTHORIZE = {"path": "/oauth2/v2.0/token"}, {"path": "/oauth2/v2.0/authorize", "method": "GET"}


def inject(entra: EntraClient, action: object, match: dict) -> None:
    answer = entra.driver.control("PUT", "faults", [{"match": match, "action": {"aadsts": action}}])
    assert answer.status == 200, answer.text


@pytest.mark.parametrize("code", TABLE)
def test_every_failure_can_be_had_at_the_token_endpoint(entra: EntraClient, code: int) -> None:
    token = entra.sign_in()["refresh_token"]
    inject(entra, code, TOKEN)
    answer = entra.refresh(token)
    assert (answer.json["error"], answer.json["error_codes"]) == (TABLE[code], [code])
    assert answer.status == (401 if TABLE[code] == "invalid_client" else 400)
    assert answer.json["error_description"].startswith(f"AADSTS{code}: ")
    assert entra.driver.tokens()["refreshes"] == 0


@pytest.mark.parametrize("code", TABLE)
def test_every_failure_can_be_had_at_sign_in_on_a_page_or_by_redirect(entra: EntraClient, code: int) -> None:
    inject(entra, code, AUTHORIZE)
    answer = entra.authorize()
    if code in ON_A_PAGE:
        assert (answer.status, f"AADSTS{code}: " in answer.text) == (400, True)
        assert "location" not in answer.headers
    else:
        assert (answer.callback["error"], answer.callback["state"]) == (AT_SIGN_IN.get(code, TABLE[code]), "a state")


def test_a_failure_may_differ_from_the_table(entra: EntraClient) -> None:
    claims = '{"access_token":{"capolids":{"essential":true}}}'
    inject(entra, {"code": 53003, "error": "interaction_required", "claims": claims, "suberror": "x"}, TOKEN)
    body = entra.refresh("any").json
    assert (body["error"], body["claims"], body["suberror"]) == ("interaction_required", claims, "x")
    inject(entra, {"code": 50020, "page": False}, AUTHORIZE)
    assert entra.authorize().callback["error"] == "invalid_grant"
    inject(entra, {"code": 50105, "page": True}, AUTHORIZE)
    assert entra.authorize().status == 400


def test_a_failure_of_a_request_that_cannot_go_back_is_a_page(entra: EntraClient) -> None:
    inject(entra, 65001, AUTHORIZE)
    assert entra.authorize(redirect_uri="https://evil.example/").status == 400


@pytest.mark.parametrize(
    "action",
    ["65001", True, {}, {"code": "1"}, {"code": 1, "extra": 1}, {"code": 1, "page": 1}, {"code": 1, "status": "400"}],
)
def test_a_wrong_failure_is_refused(entra: EntraClient, action: object) -> None:
    assert entra.driver.control("PUT", "faults", [{"action": {"aadsts": action}}]).status == 400


@pytest.mark.parametrize(
    "body",
    [
        {"entra_client_id": ""},
        {"entra_multi_tenant": 1},
        {"entra_client_secrets": "one"},
        {"entra_redirect_uris": [1]},
        {"entra_federated": [{"issuer": "x"}]},
        {"entra_federated": [{"issuer": "x", "subject": "y", "more": "z"}]},
        {"entra_rotate_keys": -1},
        {"id_token_mutation": "other"},
        {"claims_challenge": {"ada": {}}},
        {"claims_challenge": {"ada": {"access_token": {}}}},
        {"claims_challenge": ["ada"]},
    ],
)
def test_wrong_settings_are_refused(entra: EntraClient, body: object) -> None:
    before = entra.driver.control("GET", "settings").json
    assert entra.driver.control("PUT", "settings", body).status == 400
    assert entra.driver.control("GET", "settings").json == before


def test_settings_with_objects_can_be_put_back(entra: EntraClient) -> None:
    entra.driver.settings(
        entra_federated=[{"issuer": "i", "subject": "s"}], claims_challenge={"ada": {"access_token": {"a": None}}}
    )
    shown = entra.driver.control("GET", "settings").json
    assert entra.driver.control("PUT", "settings", shown).json == shown


def test_calls_are_logged_with_user_grant_and_digests(entra: EntraClient) -> None:
    code = entra.code()
    tokens = entra.redeem(code).json
    entra.refresh(tokens["refresh_token"])
    entra.driver.get("/_apis/profile/profiles/me", tokens["access_token"])
    calls = entra.driver.calls()
    assert [call["grant"] for call in calls] == [None, "code", "refresh_token", None]
    assert [call["user"] for call in calls] == ["ada"] * 4
    used = (code, tokens["refresh_token"], tokens["access_token"])
    assert [call["token"] for call in calls[1:]] == [digest(value) for value in used]
    logged = entra.driver.control("GET", "calls").text + entra.driver.control("GET", "tokens").text
    assert not any(value in logged for value in (code, *tokens.values()) if isinstance(value, str) and len(value) > 99)


@pytest.mark.parametrize("name", ["client_secret", "code_verifier", "refresh_token", "id_token_hint"])
def test_a_secret_in_a_target_is_logged_by_digest(entra: EntraClient, name: str) -> None:
    entra.get(f"{entra.path('oauth2/v2.0/token')}?{name}=very-secret")
    assert entra.driver.calls()[0]["target"].endswith(f"?{name}={digest('very-secret')}")


def test_tokens_are_shown_with_provider_and_tenant_beside_the_legacy_ones(entra: EntraClient) -> None:
    entra.driver.sign_in()
    entra.refresh(entra.sign_in()["refresh_token"], NORTHWIND.id)
    legacy, family = entra.driver.tokens()["families"]
    assert (legacy["provider"], family["provider"], family["tenant"]) == ("azure-devops", "entra", FABRIKAM.id)
    assert [token["tenant"] for token in family["access_tokens"]] == [FABRIKAM.id, NORTHWIND.id]
    assert family["scopes"] == "vso.work vso.build"


@pytest.mark.parametrize("grant", ["code", "refresh_token"])
def test_faults_choose_entras_calls_by_grant_and_user(entra: EntraClient, grant: str) -> None:
    code, token = entra.code(), entra.sign_in()["refresh_token"]
    entra.driver.control("PUT", "faults", [{"match": {"grant": grant, "user": "ada"}, "action": {"status": 503}}])
    assert [entra.redeem(code).status == 503, entra.refresh(token).status == 503] == [
        grant == "code",
        grant == "refresh_token",
    ]


def test_the_table_of_failures_covers_the_facts() -> None:
    assert set(TABLE) <= set(FAILURES)


def test_the_command_line_registers_the_entra_client() -> None:
    arguments = ("--entra-client-id", "an-id", "--entra-client-secret", "one", "--entra-client-secret", "two")
    with started(*arguments, "--entra-redirect-uri", "http://localhost:1/auth/callback/entra") as (_, url):
        settings = requests.get(f"{url}/_sim/settings", timeout=5).json()
        discovered = requests.get(f"{url}/{FABRIKAM.id}/v2.0/.well-known/openid-configuration", timeout=5).json()
    assert settings["entra_client_id"] == "an-id"
    assert settings["entra_client_secrets"] == ["one", "two"]
    assert settings["entra_redirect_uris"] == ["http://localhost:1/auth/callback/entra"]
    assert settings["entra_tenant_id"] == defaults.ENTRA_TENANT_ID
    assert discovered["issuer"] == f"{url}/{FABRIKAM.id}/v2.0"
