"""The token endpoint: codes, PKCE, refresh tokens, other tenants (facts 3.2 to 3.4)."""

import json
from urllib.parse import urlencode

import jwt
import pytest

from tests.tools.simulator.driver import Answer
from tests.tools.simulator.entra.entra_client import PKCE, RESOURCE, SCOPE, VERIFIER, EntraClient
from tools.simulator import defaults
from tools.simulator.sample.tenants import CONTOSO, FABRIKAM, NORTHWIND


def refused(answer: Answer) -> tuple[int, str, list[int]]:
    return answer.status, answer.json["error"], answer.json["error_codes"]


def scopes_of(tokens: dict) -> str:
    return tokens["scope"].replace(f"{RESOURCE}/", "")


def test_a_code_buys_tokens_of_entras_shape(entra: EntraClient) -> None:
    answer = entra.redeem(entra.code())
    tokens = answer.json
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert (tokens["token_type"], tokens["expires_in"], tokens["ext_expires_in"]) == ("Bearer", 3600, 3600)
    assert tokens["scope"] == f"{RESOURCE}/vso.work {RESOURCE}/vso.build"
    assert {"access_token", "refresh_token", "id_token"} < set(tokens)


@pytest.mark.parametrize(
    ("scope", "absent"),
    [
        (SCOPE.replace("offline_access", ""), "refresh_token"),
        (SCOPE.replace("openid", ""), "id_token"),
    ],
)
def test_what_was_not_asked_for_is_not_given(entra: EntraClient, scope: str, absent: str) -> None:
    assert absent in entra.sign_in()
    assert absent not in entra.sign_in(scope=scope)


def test_a_code_works_once_and_what_it_bought_lives_on(entra: EntraClient) -> None:
    code = entra.code()
    tokens = entra.redeem(code).json
    assert refused(entra.redeem(code)) == (400, "invalid_grant", [54005])
    assert entra.driver.works(tokens["access_token"])


@pytest.mark.parametrize(("seconds", "status"), [(599, 200), (600, 400)])
def test_a_code_lives_ten_minutes(entra: EntraClient, seconds: int, status: int) -> None:
    code = entra.code()
    entra.driver.now += seconds
    answer = entra.redeem(code)
    assert answer.status == status
    assert status == 200 or refused(answer) == (400, "invalid_grant", [70008])


@pytest.mark.parametrize(
    "verifier", [None, "", VERIFIER[:-1], VERIFIER + "v", "w" * 43, PKCE["code_challenge"], "v" * 200]
)
def test_a_verifier_that_does_not_fit_the_challenge_is_refused(entra: EntraClient, verifier: str | None) -> None:
    code = entra.code()
    assert refused(entra.redeem(code, code_verifier=verifier)) == (400, "invalid_grant", [501481])
    assert entra.redeem(code).status == 200


def test_a_verifier_without_a_challenge_is_refused(entra: EntraClient) -> None:
    code = entra.code(**dict.fromkeys(PKCE))
    assert refused(entra.redeem(code)) == (400, "invalid_grant", [501481])


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"grant_type": None}, "invalid_request", 900144),
        ({"grant_type": "password"}, "unsupported_grant_type", 70003),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "unsupported_grant_type", 70003),
        ({"code": None}, "invalid_request", 900144),
        ({"code": "foreign"}, "invalid_grant", 70000),
        ({"redirect_uri": None}, "invalid_request", 900144),
        ({"redirect_uri": defaults.ENTRA_REDIRECT_URIS[1]}, "invalid_grant", 500112),
        ({"client_id": None}, "invalid_request", 900144),
        ({"client_id": defaults.APP_ID}, "unauthorized_client", 700016),
        ({"tenant": CONTOSO.id}, "invalid_grant", 70000),
        ({"scope": "vso.work"}, "invalid_scope", 650053),
        ({"scope": f"{RESOURCE}/vso.code"}, "invalid_grant", 65001),
    ],
)
def test_a_wrong_token_request_is_an_error_and_leaves_the_code_alone(
    entra: EntraClient, change: dict, error: str, code: int
) -> None:
    good = entra.code()
    assert refused(entra.redeem(**{"code": good, **change})) == (400, error, [code])
    assert entra.redeem(good).status == 200


def test_an_error_body_has_entras_fields_and_line_ends(entra: EntraClient) -> None:
    body = entra.redeem("foreign").json
    assert list(body) == [
        "error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id", "error_uri",
    ]  # fmt: skip
    lines = body["error_description"].split("\r\n")
    assert lines[0].startswith("AADSTS70000: ")
    assert lines[1:] == [
        f"Trace ID: {body['trace_id']}",
        f"Correlation ID: {body['correlation_id']}",
        f"Timestamp: {body['timestamp']}",
    ]


def test_only_a_form_post_with_single_values_is_understood(entra: EntraClient) -> None:
    path = entra.path("oauth2/v2.0/token")
    fields = {"grant_type": "authorization_code", "code": entra.code()}
    assert refused(entra.driver.call("GET", f"{path}?{urlencode(fields)}")) == (400, "invalid_request", [900561])
    body = urlencode(fields).encode()
    assert refused(entra.driver.call("POST", path, body, content_type="text/plain"))[2] == [900144]
    assert refused(entra.driver.form(path, [*fields.items(), ("code", "x")]))[2] == [9002313]


def test_a_code_asked_for_at_organizations_is_redeemed_there_or_at_the_accounts_tenant(entra: EntraClient) -> None:
    for place, status in (("organizations", 200), (FABRIKAM.id, 200), (NORTHWIND.id, 400)):
        code = entra.decide(tenant="organizations").callback["code"]
        assert entra.redeem(code, place).status == status


class TestRefresh:
    """Refresh tokens rotate, and the old one is not revoked."""

    @pytest.mark.parametrize("mode", ["nonrotating", "strict"])
    def test_a_used_token_stays_valid_whatever_the_legacy_service_does(self, entra: EntraClient, mode: str) -> None:
        entra.driver.settings(reuse=mode)
        old = entra.sign_in()["refresh_token"]
        new = entra.refresh(old).json
        assert new["refresh_token"] != old
        assert entra.refresh(old).status == 200
        assert entra.refresh(new["refresh_token"]).status == 200
        shown = entra.driver.tokens()
        assert (shown["refreshes"], shown["reuses"], shown["active_refresh_tokens"]) == (3, 1, 4)

    def test_each_new_token_lives_90_days_from_then_on(self, entra: EntraClient) -> None:
        first = entra.sign_in()["refresh_token"]
        entra.driver.now += 89 * 86_400
        second = entra.refresh(first).json["refresh_token"]
        entra.driver.now += 86_400
        assert refused(entra.refresh(first)) == (400, "invalid_grant", [700082])
        assert entra.refresh(second).status == 200

    def test_it_outlives_the_client_secret_it_was_bought_with(self, entra: EntraClient) -> None:
        token = entra.sign_in()["refresh_token"]
        entra.driver.settings(entra_client_secrets=["the new one"])
        assert entra.refresh(token).status == 401
        assert entra.refresh(token, client_secret="the new one").status == 200

    @pytest.mark.parametrize("token", ["foreign", "1."])
    def test_a_foreign_one_is_an_invalid_grant(self, entra: EntraClient, token: str) -> None:
        assert refused(entra.refresh(token)) == (400, "invalid_grant", [70000])

    def test_codes_and_tokens_do_not_pass_for_each_other(self, entra: EntraClient) -> None:
        code, tokens = entra.code(), entra.sign_in()
        assert refused(entra.refresh(code))[1] == "invalid_grant"
        assert refused(entra.refresh(tokens["access_token"]))[1] == "invalid_grant"
        assert refused(entra.redeem(tokens["refresh_token"]))[1] == "invalid_grant"
        assert not entra.driver.works(tokens["refresh_token"])
        assert not entra.driver.works(tokens["id_token"])

    def test_the_two_services_do_not_take_each_others_codes_and_tokens(self, entra: EntraClient) -> None:
        legacy, tokens = entra.driver.sign_in(), entra.sign_in()
        assert refused(entra.refresh(legacy["refresh_token"]))[1] == "invalid_grant"
        assert refused(entra.redeem(entra.driver.code()))[1] == "invalid_grant"
        assert entra.driver.refresh(tokens["refresh_token"]).status == 400
        assert entra.driver.redeem(entra.code()).status == 400

    def test_its_id_token_has_no_nonce(self, entra: EntraClient) -> None:
        tokens = entra.refresh(entra.sign_in()["refresh_token"]).json
        assert entra.verified(tokens["id_token"], nonce=None)["tid"] == FABRIKAM.id
        with pytest.raises(jwt.InvalidTokenError, match="nonce"):
            entra.verified(tokens["id_token"])

    def test_it_may_ask_for_fewer_scopes_but_not_for_more(self, entra: EntraClient) -> None:
        token = entra.sign_in()["refresh_token"]
        assert scopes_of(entra.refresh(token, scope=f"{RESOURCE}/vso.work").json) == "vso.work"
        assert scopes_of(entra.refresh(token, scope=f"{RESOURCE}/.default").json) == "vso.work vso.build"
        more = entra.refresh(token, scope=f"{RESOURCE}/vso.code")
        assert (refused(more), more.json["suberror"]) == ((400, "invalid_grant", [65001]), "consent_required")

    def test_what_was_granted_in_a_later_sign_in_can_be_had_by_the_older_token(self, entra: EntraClient) -> None:
        token = entra.sign_in()["refresh_token"]
        entra.sign_in(scope=f"{SCOPE} {RESOURCE}/vso.code")
        assert scopes_of(entra.refresh(token, scope=f"{RESOURCE}/vso.code").json) == "vso.code"

    def test_it_buys_tokens_for_another_tenant_the_user_is_a_guest_in(self, entra: EntraClient) -> None:
        token = entra.sign_in()["refresh_token"]
        abroad = entra.refresh(token, NORTHWIND.id).json
        entra.tenant = NORTHWIND.id
        assert entra.verified(abroad["id_token"], nonce=None)["tid"] == NORTHWIND.id
        assert refused(entra.refresh(token, CONTOSO.id)) == (400, "invalid_grant", [50020])
        assert entra.refresh(abroad["refresh_token"], FABRIKAM.id).status == 200

    def test_an_administrator_can_end_all_sign_ins_of_somebody(self, entra: EntraClient) -> None:
        before = entra.sign_in()
        entra.driver.settings(entra_revoked_users=["ada"])
        dead = entra.refresh(before["refresh_token"])
        assert (refused(dead), dead.json["suberror"]) == ((400, "invalid_grant", [50173]), "bad_token")
        assert entra.driver.works(before["access_token"])
        assert entra.refresh(entra.sign_in()["refresh_token"]).status == 200

    def test_claims_that_were_not_authorized_need_interaction(self, entra: EntraClient) -> None:
        claims = json.dumps({"access_token": {"acrs": {"essential": True, "value": "c1"}}})
        token = entra.sign_in()["refresh_token"]
        answer = entra.refresh(token, claims=claims)
        assert refused(answer) == (400, "interaction_required", [50076])
        assert answer.json["claims"] == claims
        assert entra.refresh(entra.sign_in(claims=claims)["refresh_token"], claims=claims).status == 200

    def test_client_capabilities_are_no_challenge(self, entra: EntraClient) -> None:
        claims = json.dumps({"access_token": {"xms_cc": {"values": ["cp1"]}}})
        assert entra.refresh(entra.sign_in()["refresh_token"], claims=claims).status == 200


def test_default_stands_for_what_was_granted_before_or_full_access(entra: EntraClient) -> None:
    default = f"{RESOURCE}/.default offline_access"
    full = entra.sign_in(scope=default)
    assert scopes_of(full) == "user_impersonation"
    assert entra.driver.get("/fabrikam/_apis/git/repositories", full["access_token"]).status == 200
    entra.sign_in("bjorn", CONTOSO.id)
    assert scopes_of(entra.sign_in("bjorn", CONTOSO.id, scope=default)) == "vso.build vso.work"


def test_the_resource_may_be_named_by_its_address(entra: EntraClient) -> None:
    scope = "https://app.vssps.visualstudio.com/vso.work"
    assert scopes_of(entra.sign_in(scope=scope)) == "vso.work"


def test_withheld_scopes_are_missing_until_consent_is_asked_for(entra: EntraClient) -> None:
    entra.driver.settings(entra_withheld_scopes=["vso.build"])
    less = entra.sign_in()
    assert scopes_of(less) == "vso.work"
    builds = "/fabrikam/Payments%20Platform/_apis/build/builds"
    assert entra.driver.get(builds, less["access_token"]).status == 403
    assert entra.driver.get(builds, entra.sign_in(prompt="consent")["access_token"]).status == 200
