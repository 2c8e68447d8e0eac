"""A sign-in that one browser began never ends in another, in either direction (acceptance C3)."""

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

import pytest

from tests.acceptance.signing_in import Attempt, pending, rows, token_calls
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site

CALLBACK = {"azure-devops": "/auth/callback", "entra": "/auth/callback/entra"}
PEOPLE = {"azure-devops": ("ada", "bjorn"), "entra": ("ada", "ada")}
"""Attacker and victim; at Entra the tenant takes one of them, and who it is makes no difference here."""


def begun(host: Host, provider: str, user: str) -> Attempt:
    browser = Browser(host.url)
    return Attempt(browser, browser.consent(browser.begin(provider=provider), user))


def crossed(provider: str, code: Attempt, state: Attempt) -> str:
    query = urlencode({"code": code.code, "state": state.state})
    return f"{urlsplit(code.url).scheme}://{urlsplit(code.url).netloc}{CALLBACK[provider]}?{query}"


Swap = Callable[[str, Attempt, Attempt], str]
SWAPS: dict[str, Swap] = {
    "the other's whole callback": lambda provider, mine, other: other.url,
    "my code with the other's state": lambda provider, mine, other: crossed(provider, mine, other),
    "the other's code and state again": lambda provider, mine, other: crossed(provider, other, other),
}


@pytest.mark.acceptance("C3")
@pytest.mark.parametrize("provider", CALLBACK)
@pytest.mark.parametrize("direction", ["attacker to victim", "victim to attacker"])
@pytest.mark.parametrize("swap", SWAPS)
def test_what_another_browser_began_makes_no_session_here(
    site: Site, host: Host, simulator: Simulator, provider: str, direction: str, swap: str, evidence: Report
) -> None:
    """No token call, no row, and both can still finish what they began themselves: nobody's state was burnt."""
    mine, other = (begun(host, provider, user) for user in PEOPLE[provider])
    if direction == "victim to attacker":
        mine, other = other, mine
    before = rows(site.storage)
    simulator.clear_calls()
    answer = mine.browser.get(SWAPS[swap](provider, mine, other))
    assert answer.status_code == 400
    assert mine.browser.session_cookie is None
    assert token_calls(simulator) == 0
    assert [call for call in simulator.calls() if call["grant"]] == []
    assert rows(site.storage) == before
    for attempt in (mine, other):
        assert attempt.visit().status_code == 303
        assert attempt.browser.session_cookie
    evidence(cases=1)


@pytest.mark.acceptance("C3")
@pytest.mark.parametrize("provider", CALLBACK)
@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "signed in"])
def test_an_authorization_url_of_the_attacker_does_not_sign_the_victim_in(
    host: Host, simulator: Simulator, provider: str, signed_in: bool, evidence: Report
) -> None:
    """The victim consents as themselves; who is signed in already stays who they are, with the session they had."""
    attacker, victim = Browser(host.url), Browser(host.url)
    _, user = PEOPLE[provider]
    if signed_in:
        victim.sign_in(user, provider=provider)
    held = victim.session_cookie
    callback = victim.consent(attacker.begin(provider=provider), user)
    simulator.clear_calls()
    answer = victim.get(callback)
    assert answer.status_code == (303 if signed_in else 400)
    assert not signed_in or answer.headers["Location"] == "/"
    assert victim.session_cookie == held
    assert attacker.session_cookie is None
    assert len(pending(attacker)) == 1
    assert [call for call in simulator.calls() if call["grant"]] == []
    evidence(cases=1)
