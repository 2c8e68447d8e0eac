"""A4: a code or state of one provider is nothing at the other (RFC 9207, OAuth 2.0 mix-up)."""

from urllib.parse import urlencode

import pytest

from tests.acceptance.signing_in import Attempt, plant, rows, under_way
from tests.evidence import Report
from tests.site import Browser, Host, Simulator
from tools.simulator import defaults

PROVIDERS = ("azure-devops", "entra")
CALLBACK = {"azure-devops": "/auth/callback", "entra": "/auth/callback/entra"}


def attempt(host: Host, provider: str) -> Attempt:
    browser = Browser(host.url)
    return Attempt(browser, browser.consent(browser.begin(provider=provider)))


def other(provider: str) -> str:
    return PROVIDERS[1 - PROVIDERS.index(provider)]


def all_token_calls(simulator: Simulator) -> int:
    """To either token endpoint."""
    return len([call for call in simulator.calls("/token") if call["method"] == "POST"])


def refused(simulator: Simulator, azurite: str, browser: Browser, path: str, **query: str) -> None:
    """This callback is a 400, without a token call, a row or a session."""
    simulator.clear_calls()
    before = rows(azurite)
    answer = browser.get(f"{path}?{urlencode(query)}")
    assert answer.status_code == 400, answer.text
    assert all_token_calls(simulator) == 0
    assert rows(azurite) == before
    assert browser.session_cookie is None


@pytest.mark.acceptance("A4")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_answer_of_one_provider_is_refused_at_the_callback_of_the_other(
    azurite: str, simulator: Simulator, host: Host, evidence: Report, provider: str
) -> None:
    """Code and state belong together, but not to this callback path; at its own path the attempt still succeeds."""
    begun = attempt(host, provider)
    refused(simulator, azurite, begun.browser, CALLBACK[other(provider)], code=begun.code, state=begun.state)
    assert begun.visit().status_code == 303
    assert all_token_calls(simulator) == 1
    evidence(cases=1)


@pytest.mark.acceptance("A4")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_code_of_the_other_provider_with_a_state_of_this_one_never_reaches_the_other(
    azurite: str, simulator: Simulator, host: Host, evidence: Report, provider: str
) -> None:
    """At the path that belongs to the code, the state speaks for another provider: refused."""
    mine, foreign = attempt(host, provider), attempt(host, other(provider))
    path = CALLBACK[other(provider)]
    refused(simulator, azurite, mine.browser, path, code=foreign.code, state=mine.state)
    evidence(cases=1)


@pytest.mark.acceptance("A4")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_two_tabs_with_a_provider_each_can_not_be_swapped(
    azurite: str, simulator: Simulator, host: Host, evidence: Report, provider: str
) -> None:
    """One browser, both sign-ins under way: a state only counts at the callback of its provider."""
    browser = Browser(host.url)
    here = Attempt(browser, browser.consent(browser.begin(provider=provider)))
    there = Attempt(browser, browser.consent(browser.begin(provider=other(provider))))
    refused(simulator, azurite, browser, CALLBACK[provider], code=here.code, state=there.state)
    refused(simulator, azurite, browser, CALLBACK[other(provider)], code=here.code, state=here.state)
    evidence(cases=2)


@pytest.mark.acceptance("A4")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_error_of_another_provider_burns_nothing(
    azurite: str, simulator: Simulator, host: Host, evidence: Report, provider: str
) -> None:
    """An error at the wrong path is refused and leaves the sign-in under way as it was."""
    begun = attempt(host, provider)
    path = CALLBACK[other(provider)]
    refused(simulator, azurite, begun.browser, path, error="access_denied", state=begun.state)
    assert begun.visit().status_code == 303
    evidence(cases=1)


ISSUERS = {
    "of another origin": "https://login.example/{tenant}/v2.0",
    "of another tenant": "{origin}/00000000-0000-0000-0000-000000000001/v2.0",
    "of the legacy service": "https://app.vssps.visualstudio.com",
    "without its version": "{origin}/{tenant}",
    "with a slash more": "{origin}/{tenant}/v2.0/",
    "in capitals": "{origin}/{tenant}/V2.0",
    "an alias": "{origin}/organizations/v2.0",
    "empty": "",
}


@pytest.mark.acceptance("A4")
@pytest.mark.parametrize("name", ISSUERS)
def test_an_answer_that_names_another_issuer_is_refused(
    azurite: str, simulator: Simulator, host: Host, evidence: Report, name: str
) -> None:
    """Where `iss` is sent (RFC 9207 section 2.4) it is compared as a string, to the letter."""
    begun = attempt(host, "entra")
    issuer = ISSUERS[name].format(origin=simulator.url, tenant=defaults.ENTRA_TENANT_ID)
    refused(simulator, azurite, begun.browser, CALLBACK["entra"], code=begun.code, state=begun.state, iss=issuer)
    evidence(cases=1)


@pytest.mark.acceptance("A4")
def test_an_issuer_given_twice_is_refused(azurite: str, simulator: Simulator, host: Host, evidence: Report) -> None:
    """Which of two would count is anybody's guess."""
    begun = attempt(host, "entra")
    issuer = f"{simulator.url}/{defaults.ENTRA_TENANT_ID}/v2.0"
    simulator.clear_calls()
    answer = begun.browser.get(f"{begun.url}&{urlencode([('iss', issuer), ('iss', issuer)])}")
    assert answer.status_code == 400
    assert all_token_calls(simulator) == 0
    assert begun.browser.session_cookie is None
    evidence(cases=1)


@pytest.mark.acceptance("A4")
def test_the_legacy_service_names_no_issuer_so_one_that_is_named_is_refused(
    azurite: str, simulator: Simulator, host: Host, evidence: Report
) -> None:
    begun = under_way(Browser(host.url))
    for issuer in ("https://app.vssps.visualstudio.com", f"{simulator.url}/{defaults.ENTRA_TENANT_ID}/v2.0"):
        path = CALLBACK["azure-devops"]
        refused(simulator, azurite, begun.browser, path, code=begun.code, state=begun.state, iss=issuer)
        evidence(cases=1)


def test_the_right_issuer_or_none_is_taken(simulator: Simulator, host: Host) -> None:
    """Entra ID sends none today; the right one is as good."""
    assert attempt(host, "entra").visit().status_code == 303
    begun = attempt(host, "entra")
    issuer = f"{simulator.url}/{defaults.ENTRA_TENANT_ID}/v2.0"
    assert begun.browser.get(f"{begun.url}&{urlencode({'iss': issuer})}").status_code == 303


@pytest.mark.acceptance("A4")
def test_a_sign_in_cookie_says_for_which_provider_it_was_begun(
    azurite: str, simulator: Simulator, host: Host, evidence: Report
) -> None:
    """The cookie is sealed with its provider; moved under the name of another state it opens for nobody."""
    entra, legacy = attempt(host, "entra"), attempt(host, "azure-devops")
    names = {kind: next(c for c in it.browser.http.cookies if "signin" in c.name) for kind, it in
             (("entra", entra), ("legacy", legacy))}  # fmt: skip
    browser = Browser(host.url)
    plant(browser, names["entra"].name, names["legacy"].value)
    refused(simulator, azurite, browser, CALLBACK["entra"], code=entra.code, state=entra.state)
    evidence(cases=1)
