"""The authorize endpoint and its consent page (facts 1.2 and 1.3)."""

import html
import re

import pytest

from tests.tools.simulator.driver import Driver, authorize_fields
from tools.simulator import defaults


def hidden_fields(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    return {name: html.unescape(value) for name, value in found}


def test_the_consent_page_carries_the_request_and_names_the_scopes_in_words(sim: Driver) -> None:
    page = sim.authorize(state='<">&')
    assert page.status == 200
    assert hidden_fields(page.text) == authorize_fields(state='<">&')
    assert "Work items (read)" in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize("user", ["ada", "bjorn", "chen"])
def test_each_of_the_three_can_be_chosen(sim: Driver, user: str) -> None:
    assert f'name="user" value="{user}"' in sim.authorize().text
    assert sim.works(sim.sign_in(user)["access_token"])


def test_accepting_leads_back_with_a_long_code_and_the_state_unchanged(sim: Driver) -> None:
    answer = sim.consent(state="ä &=#/+%20")
    assert answer.status == 302
    assert answer.headers["location"].startswith(f"{defaults.REDIRECT_URI}?")
    assert answer.callback["state"] == "ä &=#/+%20"
    assert 1024 <= len(answer.callback["code"]) <= 4096


def test_a_request_without_state_comes_back_without_state(sim: Driver) -> None:
    assert set(sim.consent(state=None).callback) == {"code"}


def test_denying_leads_back_with_an_error_or_bare(sim: Driver) -> None:
    assert sim.consent(decision="deny").callback == {"error": "access_denied", "state": "a state"}
    sim.settings(deny_style="bare")
    assert sim.consent(decision="deny").headers["location"] == defaults.REDIRECT_URI


@pytest.mark.parametrize("scope", ["vso.work vso.nonsense", "openid", "", "VSO.WORK"])
def test_a_wrong_scope_leads_back_with_invalid_scope_and_without_state(sim: Driver, scope: str) -> None:
    answer = sim.authorize(scope=scope)
    assert answer.status == 302
    assert answer.callback == {"error": "InvalidScope"}


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "00000000-0000-0000-0000-000000000000"},
        {"client_id": None},
        {"redirect_uri": defaults.REDIRECT_URI + "/"},
        {"redirect_uri": defaults.REDIRECT_URI + "?a=b"},
        {"redirect_uri": defaults.REDIRECT_URI.upper()},
        {"redirect_uri": "https://evil.example/auth/callback"},
        {"redirect_uri": None},
        {"response_type": "code"},
        {"response_type": "assertion"},
        {"response_type": None},
    ],
)
@pytest.mark.parametrize("step", ["authorize", "consent"])
def test_a_wrong_client_callback_or_response_type_gets_a_page_and_no_redirect(
    sim: Driver, change: dict, step: str
) -> None:
    answer = getattr(sim, step)(**change)
    assert answer.status == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert "location" not in answer.headers


def test_http_callbacks_are_taken_on_loopback_only_and_the_page_says_so(sim: Driver) -> None:
    sim.settings(redirect_uris=["http://app.example/cb", "https://app.example/cb", defaults.REDIRECT_URI])
    refused = sim.authorize(redirect_uri="http://app.example/cb")
    assert (refused.status, "loopback only" in refused.text) == (400, True)
    assert "loopback" not in sim.authorize(redirect_uri="https://app.example/cb").text
    assert "http on loopback" in sim.authorize().text


def test_a_duplicated_parameter_is_refused(sim: Driver) -> None:
    fields = [*authorize_fields().items(), ("state", "another")]
    assert sim.form("/oauth2/authorize", [*fields, ("user", "ada"), ("decision", "accept")]).status == 400


@pytest.mark.parametrize(("user", "decision"), [("mallory", "accept"), ("ada", "maybe"), ("", "accept")])
def test_an_unknown_person_or_decision_is_refused(sim: Driver, user: str, decision: str) -> None:
    assert sim.consent(user, decision).status == 400


def test_auto_consent_skips_the_page(sim: Driver) -> None:
    sim.settings(auto_consent="bjorn")
    code = sim.authorize().callback["code"]
    sim.redeem(code)
    assert sim.tokens("bjorn")["active_access_tokens"] == 1


def test_the_public_url_is_where_the_form_goes(sim: Driver) -> None:
    assert 'action="/oauth2/authorize"' in sim.authorize().text
    sim.settings(public_url="http://127.0.0.1:9799")
    assert 'action="http://127.0.0.1:9799/oauth2/authorize"' in sim.authorize().text
