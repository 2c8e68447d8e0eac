"""The authorize endpoint: who may sign in where, what goes back, what stays on a page (facts 3.2 to 3.5)."""

import html
import re

import pytest

from tests.tools.simulator.entra.entra_client import PKCE, RESOURCE, SCOPE, EntraClient
from tools.simulator import defaults
from tools.simulator.sample.tenants import CONTOSO, FABRIKAM, NORTHWIND, PERSONAL_TENANT_ID


def test_the_page_is_a_plain_form_that_names_people_scopes_and_the_way_back(entra: EntraClient) -> None:
    page = entra.authorize()
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<script" not in page.text
    for shown in ("Ada Lovelace", "guest in Northwind", "Work items (read)", defaults.ENTRA_REDIRECT_URI):
        assert shown in page.text


def test_the_form_sends_the_whole_request_again(entra: EntraClient) -> None:
    page = entra.authorize(claims='{"access_token":{"a":{"essential":true}}}').text
    hidden = {
        html.unescape(name): html.unescape(value)
        for name, value in re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page)
    }
    action = re.search(r'action="([^"]*)"', page)[1]
    answer = entra.driver.form(action, {**hidden, "user": "ada", "decision": "accept"})
    assert (answer.status, answer.callback["state"]) == (302, "a state")
    assert entra.redeem(answer.callback["code"]).status == 200


def test_accepting_goes_back_with_code_and_state(entra: EntraClient) -> None:
    answer = entra.decide()
    assert answer.headers["location"].startswith(defaults.ENTRA_REDIRECT_URI + "?")
    assert set(answer.callback) == {"code", "state", "session_state"}


def test_a_login_hint_chooses_the_account(entra: EntraClient) -> None:
    page = entra.authorize(login_hint="bjorn@contoso.example").text
    assert re.findall(r'value="(\w+)" checked', page) == ["bjorn"]


def test_declining_goes_back_with_access_denied_and_the_state(entra: EntraClient) -> None:
    back = entra.decide(decision="deny").callback
    assert (back["error"], back["state"]) == ("access_denied", "a state")
    assert back["error_description"].startswith("AADSTS65004: ")
    assert "\r\nTrace ID: " in back["error_description"]


@pytest.mark.parametrize(
    "uri",
    [
        "",
        defaults.ENTRA_REDIRECT_URI + "/",
        defaults.ENTRA_REDIRECT_URI.upper(),
        defaults.ENTRA_REDIRECT_URI + "?a=b",
        "http://127.0.0.1:7072/auth/callback/entra",
        *defaults.REDIRECT_URIS,
    ],
)
def test_a_redirect_uri_that_is_not_exactly_registered_for_entra_is_a_page(entra: EntraClient, uri: str) -> None:
    for answer in (entra.authorize(redirect_uri=uri), entra.decide(redirect_uri=uri)):
        assert (answer.status, "AADSTS50011" in answer.text) == (400, True)
        assert "location" not in answer.headers


def test_entras_callback_is_not_one_of_the_legacy_service(entra: EntraClient) -> None:
    assert entra.driver.authorize(redirect_uri=defaults.ENTRA_REDIRECT_URI).status == 400


@pytest.mark.parametrize("client_id", ["", defaults.APP_ID, "unknown"])
def test_an_unknown_client_is_a_page(entra: EntraClient, client_id: str) -> None:
    answer = entra.authorize(client_id=client_id)
    assert (answer.status, "AADSTS700016" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"response_type": "token"}, "unsupported_response_type", 70005),
        ({"response_type": None}, "unsupported_response_type", 70005),
        ({"response_mode": "fragment"}, "invalid_request", 70007),
        ({"prompt": "create"}, "invalid_request", 9002313),
        ({"claims": "{"}, "invalid_request", 9002313),
        ({"claims": '{"access_token":[1]}'}, "invalid_request", 9002313),
        ({"code_challenge_method": "plain"}, "invalid_request", 50147),
        ({"code_challenge_method": None}, "invalid_request", 50147),
        ({"code_challenge": None}, "invalid_request", 50147),
        ({"code_challenge": "short"}, "invalid_request", 50147),
        ({"scope": None}, "invalid_request", 900144),
        ({"scope": "openid vso.work"}, "invalid_scope", 650053),
        ({"scope": f"{RESOURCE}/vso.nothing"}, "invalid_scope", 650053),
        ({"scope": f"{RESOURCE}/.default {RESOURCE}/vso.work"}, "invalid_scope", 70011),
        ({"scope": f"https://graph.microsoft.com/User.Read {RESOURCE}/vso.work"}, "invalid_scope", 28000),
    ],
)
def test_a_wrong_request_goes_back_with_its_error(entra: EntraClient, change: dict, error: str, code: int) -> None:
    back = entra.authorize(**change).callback
    assert (back["error"], back["state"]) == (error, "a state")
    assert back["error_description"].startswith(f"AADSTS{code}: ")
    assert "code" not in entra.decide(**change).callback


def test_a_duplicated_parameter_is_a_page(entra: EntraClient) -> None:
    assert entra.get(f"{entra.path('oauth2/v2.0/authorize')}?client_id=a&client_id=b").status == 400


@pytest.mark.parametrize(
    ("user", "tenant", "signed_in_by"),
    [
        ("ada", FABRIKAM.id, FABRIKAM.id),
        ("ada", "organizations", FABRIKAM.id),
        ("ada", "common", FABRIKAM.id),
        ("ada", NORTHWIND.domain, NORTHWIND.id),
        ("bjorn", CONTOSO.id, CONTOSO.id),
        ("bjorn", "organizations", CONTOSO.id),
        ("chen", "common", PERSONAL_TENANT_ID),
        ("chen", "consumers", PERSONAL_TENANT_ID),
    ],
)
def test_an_account_is_signed_in_by_its_own_tenant_or_where_it_is_a_guest(
    entra: EntraClient, user: str, tenant: str, signed_in_by: str
) -> None:
    entra.tenant = tenant
    id_token = entra.sign_in(user)["id_token"]
    entra.tenant = signed_in_by
    assert entra.verified(id_token)["tid"] == signed_in_by


@pytest.mark.parametrize(
    ("user", "tenant", "code"),
    [
        ("bjorn", FABRIKAM.id, 50020),
        ("bjorn", "consumers", 50020),
        ("ada", CONTOSO.id, 50020),
        ("chen", FABRIKAM.id, 50020),
        ("chen", "organizations", 500208),
        ("nobody", FABRIKAM.id, 50034),
    ],
)
def test_an_account_of_another_tenant_stays_on_a_page_that_offers_another(
    entra: EntraClient, user: str, tenant: str, code: int
) -> None:
    answer = entra.decide(user, tenant=tenant)
    assert (answer.status, f"AADSTS{code}: " in answer.text) == (400, True)
    again = entra.get(html.unescape(re.search(r'<a href="([^"]+)"', answer.text)[1]))
    assert (again.status, "Pick an account" in again.text) == (200, True)


def test_a_personal_account_reads_why_it_cannot_come_in(entra: EntraClient) -> None:
    page = html.unescape(entra.decide("chen", tenant="organizations").text)
    assert "You can't sign in here with a personal account." in page


@pytest.mark.parametrize(("tenant", "code"), [("organizations", 50194), ("common", 50194), (CONTOSO.id, 700016)])
def test_a_single_tenant_application_is_known_in_its_own_tenant_only(
    entra: EntraClient, tenant: str, code: int
) -> None:
    entra.driver.settings(entra_multi_tenant=False)
    assert f"AADSTS{code}" in entra.authorize(tenant).text
    assert entra.token(tenant, grant_type="refresh_token").json["error_codes"] == [code]
    assert entra.authorize(FABRIKAM.id).status == 200


def test_form_post_is_a_form_to_the_callback(entra: EntraClient) -> None:
    page = entra.decide(response_mode="form_post")
    assert page.status == 200
    assert f'action="{defaults.ENTRA_REDIRECT_URI}"' in page.text
    assert re.search(r'name="code" value="1\.', page.text)


def test_auto_consent_needs_no_page(entra: EntraClient) -> None:
    entra.driver.settings(auto_consent="ada")
    assert "code" in entra.authorize().callback
    assert "code" in entra.authorize(prompt="none").callback


class TestPrompt:
    """Single sign-on and the `prompt` parameter."""

    def test_none_without_a_signed_in_browser_is_login_required(self, entra: EntraClient) -> None:
        assert entra.authorize(prompt="none").callback["error"] == "login_required"

    def test_none_with_one_goes_straight_back(self, entra: EntraClient) -> None:
        entra.decide()
        assert entra.redeem(entra.authorize(prompt="none").callback["code"]).status == 200

    def test_none_for_more_than_was_granted_is_consent_required(self, entra: EntraClient) -> None:
        entra.decide()
        more = entra.authorize(prompt="none", scope=f"{SCOPE} {RESOURCE}/vso.code").callback
        assert (more["error"], more["error_description"][:12]) == ("consent_required", "AADSTS65001:")

    def test_without_prompt_a_signed_in_browser_sees_no_page(self, entra: EntraClient) -> None:
        assert entra.authorize(prompt=None).status == 200
        entra.decide()
        assert "code" in entra.authorize(prompt=None).callback

    @pytest.mark.parametrize("prompt", ["select_account", "login", "consent"])
    def test_any_other_prompt_shows_the_page_again(self, entra: EntraClient, prompt: str) -> None:
        entra.decide()
        assert entra.authorize(prompt=prompt).status == 200

    def test_none_for_an_account_of_another_tenant_is_a_page(self, entra: EntraClient) -> None:
        entra.decide("bjorn", tenant="organizations")
        assert "AADSTS50020" in entra.authorize(prompt="none").text


class TestLogout:
    """The end_session_endpoint (facts 3.6)."""

    def test_the_browser_is_signed_out(self, entra: EntraClient) -> None:
        entra.decide()
        page = entra.get(entra.path("oauth2/v2.0/logout"))
        assert (page.status, "You signed out" in page.text) == (200, True)
        assert entra.authorize(prompt="none").callback["error"] == "login_required"

    @pytest.mark.parametrize(
        ("back", "followed"),
        [(defaults.ENTRA_REDIRECT_URI, True), ("https://evil.example/", False), (defaults.REDIRECT_URI, False)],
    )
    def test_it_goes_back_to_a_registered_address_only(self, entra: EntraClient, back: str, followed: bool) -> None:
        answer = entra.get(f"{entra.path('oauth2/v2.0/logout')}?post_logout_redirect_uri={back}")
        assert answer.headers.get("location") == (back if followed else None)

    def test_tokens_live_on(self, entra: EntraClient) -> None:
        tokens = entra.sign_in()
        entra.get(entra.path("oauth2/v2.0/logout"))
        assert entra.driver.works(tokens["access_token"])
        assert entra.refresh(tokens["refresh_token"]).status == 200


def test_pkce_is_optional_as_at_the_real_service(entra: EntraClient) -> None:
    without = dict.fromkeys(PKCE)
    assert entra.redeem(entra.code(**without), code_verifier=None).status == 200
