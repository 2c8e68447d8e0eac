"""A3: PKCE with S256 on every sign-in with Entra ID, a verifier per attempt, and no way down from it."""

import base64
import hashlib
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.evidence import Report
from tests.identity_proxy import IdentityProxy, identity_proxy
from tests.site import Browser, Host, Simulator, Site

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
"""RFC 7636 section 4.1."""


@pytest.fixture(scope="module")
def proxy(site: Site) -> Iterator[IdentityProxy]:
    with identity_proxy(site.simulator.url) as started:
        yield started


@pytest.fixture(scope="module")
def host(site: Site, proxy: IdentityProxy) -> Host:
    """A host that knows Entra ID under the address of the proxy."""
    return site.start_host(ENTRA_AUTHORITY_URL=proxy.url)


def challenge_of(authorization_url: str) -> str:
    query = parse_qs(urlsplit(authorization_url).query, strict_parsing=True)
    assert query["code_challenge_method"] == ["S256"]
    (challenge,) = query["code_challenge"]
    return challenge


def s256(verifier: str) -> str:
    assert VERIFIER.fullmatch(verifier)
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


@pytest.mark.acceptance("A3")
def test_each_attempt_has_its_own_challenge_and_sends_the_verifier_that_it_was_made_of(
    simulator: Simulator, host: Host, proxy: IdentityProxy, evidence: Report, amount
) -> None:
    """Authorization URL and token body belong together, for every attempt; no verifier is used twice."""
    simulator.settings(auto_consent="ada")
    seen = set()
    proxy.forms.clear()
    for number in range(1, amount("A3") + 1):
        browser = Browser(host.url)
        address = browser.begin(provider="entra")
        assert browser.get(browser.consent(address)).status_code == 303
        assert len(proxy.forms) == number
        verifier = proxy.forms[-1]["code_verifier"]
        assert s256(verifier) == challenge_of(address)
        assert verifier not in seen
        assert verifier not in address
        seen.add(verifier)
        evidence(cases=1)


@pytest.mark.acceptance("A3")
def test_two_tabs_of_one_browser_have_a_verifier_each(
    simulator: Simulator, host: Host, proxy: IdentityProxy, evidence: Report
) -> None:
    """Begun one after the other and finished crosswise, both succeed with the verifier of their own tab."""
    browser = Browser(host.url)
    first, second = browser.begin(provider="entra"), browser.begin("/account", provider="entra")
    assert challenge_of(first) != challenge_of(second)
    back = {address: browser.consent(address) for address in (first, second)}
    proxy.forms.clear()
    for address, wanted in ((second, "/account"), (first, "/dashboard")):
        answer = browser.get(back[address])
        assert (answer.status_code, answer.headers["Location"]) == (303, wanted)
        assert s256(proxy.forms[-1]["code_verifier"]) == challenge_of(address)
    assert len(proxy.forms) == 2
    evidence(cases=2)


@pytest.mark.acceptance("A3")
def test_a_code_that_somebody_else_asked_for_is_no_use_without_its_verifier(
    simulator: Simulator, host: Host, evidence: Report
) -> None:
    """A stolen code, put into a sign-in that another browser began: the service refuses it, nobody is signed in."""
    victim, thief = Browser(host.url), Browser(host.url)
    stolen = parse_qs(urlsplit(victim.consent(victim.begin(provider="entra"))).query)["code"][0]
    own = thief.consent(thief.begin(provider="entra"), "ada")
    answer = thief.get(own.replace(parse_qs(urlsplit(own).query)["code"][0], stolen))
    assert answer.status_code == 400
    assert thief.session_cookie is None
    assert host.events("sign_in_failed")[-1]["reason"] == "verifier"
    evidence(cases=1)


@pytest.mark.acceptance("A3")
def test_no_parameter_of_the_login_changes_the_challenge(simulator: Simulator, host: Host, evidence: Report) -> None:
    """A downgrade can't be asked for: unknown parameters are refused before anything begins."""
    for query in ("code_challenge_method=plain", "code_challenge=x", "code_verifier=x"):
        answer = Browser(host.url).get(f"/auth/login/entra?{query}")
        assert (answer.status_code, answer.headers.get("Location")) == (400, None)
        evidence(cases=1)
