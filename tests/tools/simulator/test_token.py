"""The token endpoint and revocation (facts 1.4 to 1.8)."""

from urllib.parse import urlencode

import pytest

from tests.tools.simulator.driver import CODE_GRANT, Driver, token_fields
from tools.simulator import defaults

DEAD_REFRESH_TOKEN = {"Error": "invalid_request", "ErrorDescription": "The access token is not valid"}


def test_a_code_buys_tokens_of_the_services_shape(sim: Driver) -> None:
    answer = sim.redeem(sim.code(scope="vso.work"))
    assert answer.status == 200
    tokens = answer.json
    assert list(tokens) == ["access_token", "token_type", "expires_in", "refresh_token", "scope"]
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("jwt-bearer", "3599", "vso.work")
    assert tokens["access_token"].count(".") == 2
    assert 1000 <= len(tokens["access_token"]) <= 1500


def test_a_code_works_once(sim: Driver) -> None:
    code = sim.code()
    assert sim.redeem(code).status == 200
    again = sim.redeem(code)
    assert (again.status, again.json["Error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(("seconds", "status"), [(59, 200), (60, 400)])
def test_a_code_lives_a_minute(sim: Driver, seconds: int, status: int) -> None:
    code = sim.code()
    sim.now += seconds
    assert sim.redeem(code).status == status


def test_a_code_is_bound_to_the_callback_it_was_issued_for(sim: Driver) -> None:
    code = sim.code()
    elsewhere = sim.token(grant_type=CODE_GRANT, assertion=code, redirect_uri=defaults.REDIRECT_URIS[1])
    assert elsewhere.json["Error"] == "invalid_grant"
    assert sim.redeem(code).status == 200


@pytest.mark.parametrize("code", ["", "foreign", "eyJ0eXAi.x.y"])
def test_a_foreign_code_is_an_invalid_grant(sim: Driver, code: str) -> None:
    assert sim.redeem(code).json["Error"] == "invalid_grant"


def test_tokens_and_codes_do_not_pass_for_each_other(sim: Driver) -> None:
    code = sim.code()
    tokens = sim.sign_in()
    assert sim.refresh(code).json == DEAD_REFRESH_TOKEN
    assert sim.refresh(tokens["access_token"]).json == DEAD_REFRESH_TOKEN
    assert sim.redeem(tokens["refresh_token"]).json["Error"] == "invalid_grant"
    assert not sim.works(tokens["refresh_token"])


@pytest.mark.parametrize("secret", ["", "wrong", defaults.CLIENT_SECRET + "x", defaults.CLIENT_SECRET[:-1], None])
def test_a_wrong_secret_is_400_invalid_client_and_leaves_the_code_alone(sim: Driver, secret: str | None) -> None:
    code = sim.code()
    wrong = sim.token(grant_type=CODE_GRANT, assertion=code, client_assertion=secret)
    assert wrong.status == 400
    assert wrong.json == {
        "Error": "invalid_client",
        "ErrorDescription": "Failed to deserialize the JsonWebToken object.",
    }
    assert sim.redeem(code).status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"client_assertion_type": None},
        {"client_assertion_type": "urn:something"},
        {"redirect_uri": None},
        {"redirect_uri": defaults.REDIRECT_URI + "/"},
        {"grant_type": "authorization_code"},
        {"grant_type": None},
    ],
)
def test_other_wrong_parameters_are_400(sim: Driver, change: dict) -> None:
    answer = sim.token(**{"grant_type": CODE_GRANT, "assertion": sim.code(), **change})
    assert answer.status == 400
    assert set(answer.json) == {"Error", "ErrorDescription"}


def test_a_duplicated_parameter_is_400(sim: Driver) -> None:
    fields = [*token_fields(grant_type=CODE_GRANT, assertion=sim.code()).items(), ("grant_type", CODE_GRANT)]
    assert sim.form("/oauth2/token", fields).json["Error"] == "invalid_request"


def test_only_a_form_post_is_understood(sim: Driver) -> None:
    fields = urlencode(token_fields(grant_type=CODE_GRANT, assertion=sim.code()))
    assert sim.call("GET", f"/oauth2/token?{fields}").status == 400
    assert sim.call("POST", "/oauth2/token", fields.encode()).status == 400
    assert sim.call("POST", "/oauth2/token", fields.encode(), content_type="application/json").status == 400


@pytest.mark.parametrize(("seconds", "works"), [(3599, True), (3600, False)])
def test_an_access_token_lives_an_hour_by_the_token_clock(sim: Driver, seconds: int, works: bool) -> None:
    token = sim.sign_in()["access_token"]
    sim.settings(clock_offset=seconds)
    assert sim.works(token) is works


def test_an_expired_refresh_token_is_not_valid(sim: Driver) -> None:
    sim.settings(refresh_token_lifetime=100)
    token = sim.sign_in()["refresh_token"]
    sim.now += 100
    assert sim.refresh(token).json == DEAD_REFRESH_TOKEN


def test_tokens_die_with_the_secret_that_minted_them(sim: Driver) -> None:
    old = sim.sign_in()
    sim.settings(client_secrets=["the new secret", defaults.CLIENT_SECRET])
    renewed = sim.token(
        grant_type="refresh_token", assertion=old["refresh_token"], client_assertion="the new secret"
    ).json
    sim.settings(client_secrets=["the new secret"])
    assert not sim.works(old["access_token"])
    assert sim.works(renewed["access_token"])
    dead = sim.token(grant_type="refresh_token", assertion=old["refresh_token"], client_assertion="the new secret")
    assert dead.json == DEAD_REFRESH_TOKEN


def test_there_is_no_revoke_endpoint_unless_asked_for(sim: Driver) -> None:
    token = sim.sign_in()["access_token"]
    answer = sim.form("/oauth2/revoke", {"token": token})
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert sim.works(token)


def test_revoking_an_access_token_leaves_the_refresh_token(sim: Driver) -> None:
    sim.settings(revoke=True)
    tokens = sim.sign_in()
    form = {"token": tokens["access_token"], "token_type_hint": "access_token"}
    assert sim.form("/oauth2/revoke", form).status == 200
    assert not sim.works(tokens["access_token"])
    assert sim.refresh(tokens["refresh_token"]).status == 200


def test_revoking_a_refresh_token_ends_its_whole_family_and_no_other(sim: Driver) -> None:
    sim.settings(revoke=True)
    tokens, other = sim.sign_in(), sim.sign_in()
    renewed = sim.refresh(tokens["refresh_token"]).json
    assert sim.form("/oauth2/revoke", {"token": tokens["refresh_token"]}).status == 200
    assert not sim.works(renewed["access_token"])
    assert sim.refresh(renewed["refresh_token"]).json == DEAD_REFRESH_TOKEN
    assert sim.works(other["access_token"])


def test_revoking_an_unknown_token_is_200_and_a_missing_one_400(sim: Driver) -> None:
    sim.settings(revoke=True)
    assert sim.form("/oauth2/revoke", {"token": "unknown"}).status == 200
    assert sim.form("/oauth2/revoke", {}).status == 400
    assert sim.control("GET", "tokens").json["revoke_requests"]["unknown"] == 1
