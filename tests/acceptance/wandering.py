"""What the test of canaries walks through: each scene drives the site with one provider, well or ill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any, get_args
from urllib.parse import urlsplit

from shared.models.custody import Connection
from shared.oauth.provider import AZURE_DEVOPS, ENTRA
from tests.acceptance.failing import BUG
from tests.acceptance.refreshing import CONTOSO, OVER
from tests.acceptance.route_table import addresses
from tests.acceptance.signing_in import Attempt, stored
from tests.every_error import CLASSES
from tests.site import Browser, Host, Simulator, Site, tick
from tools.chaos.storage_proxy import Fault, LoseReply, Refuse, StorageProxy
from tools.simulator.settings import IdTokenMutation

ACCEPTS = ("text/html", "application/json", "text/csv")
_numbers = count(1)


@dataclass
class Stage:
    """A site with hosts of every kind that the scenes need."""

    site: Site
    simulator: Simulator
    storage: StorageProxy
    host: Host
    failing: Host
    provider: str = AZURE_DEVOPS

    @cached_property
    def later(self) -> Host:
        """An hour ahead, where each token is over."""
        return self.start_later()

    def start_later(self) -> Host:
        """One more, for refusals that open the breaker of a process."""
        return self.site.start_host(clock_offset=OVER, ENTRA_TENANT_ID=CONTOSO)

    def attempt(self, user: str | None = None) -> Attempt:
        """A sign-in, by default of somebody new, up to the moment before its callback."""
        browser = Browser(self.host.url)
        url = browser.begin(provider=self.provider)
        return Attempt(browser, browser.consent(url, user or newcomer()))

    def signed_in(self) -> Browser:
        attempt = self.attempt()
        assert attempt.visit().headers.get("Location") == "/dashboard"
        return attempt.browser

    def held(self, browser: Browser) -> Connection:
        """The tokens that the store holds for who is signed in there."""
        connection = stored(self.site.storage, browser).connection
        assert connection
        return connection

    def faults(self, action: dict[str, Any], path: str = "", **match: str) -> None:
        self.simulator.faults({"match": {**match, **({"path": path} if path else {})}, "action": action})


def newcomer() -> str:
    """The name of somebody who never came before."""
    return f"user{next(_numbers):04}"


def every_route(stage: Stage) -> None:
    """In every form, as oneself, as a stranger, and with a session that is none."""
    browser, other = stage.signed_in(), Browser(stage.host.url)
    forged = Browser(stage.host.url)
    forged.http.cookies.set("gatehouse-session", f"{browser.session_cookie[:-4]}AAAA")
    for path in addresses(browser).values():
        for accept in ACCEPTS:
            for each in (browser, other, forged):
                each.get(path, headers={"Accept": accept})
    for path in ("/org/contoso-labs/projects", "/account", "/dashboard"):
        assert browser.get(path).status_code == 200


def refused_callbacks(stage: Stage) -> None:
    """Each twist of a genuine callback is refused, and so is the genuine one when it comes twice."""
    for name, twist in TWISTS.items():
        attempt = stage.attempt()
        answer = attempt.browser.get(twist(attempt, stage.host.url))
        assert answer.status_code in (400, 404), name
    attempt = stage.attempt()
    assert Browser(stage.host.url).get(attempt.url).status_code == 400
    assert attempt.browser.http.head(attempt.url, timeout=30, allow_redirects=False).status_code == 405
    assert attempt.browser.http.post(attempt.url, data=attempt.query, timeout=30).status_code == 405
    again = Browser(stage.host.url)
    again.http.cookies.update(attempt.browser.http.cookies)
    assert attempt.visit().status_code == 303
    assert again.get(attempt.url, headers={"Accept": "application/json"}).status_code == 400


def to_the_other_provider(url: str) -> str:
    """The same answer, brought to the callback that it was not asked for."""
    path, _, query = url.partition("?")
    return f"{path.removesuffix('/entra') if path.endswith('/entra') else f'{path}/entra'}?{query}"


TWISTS: dict[str, Callable[[Attempt, str], str]] = {
    "another code": lambda it, _: it.url.replace(it.code[-8:], "x" * 8),
    "another state": lambda it, _: it.url.replace(it.state, it.state[::-1]),
    "two codes": lambda it, _: f"{it.url}&code={it.code}",
    "an error too": lambda it, _: f"{it.url}&error=server_error&error_description={it.code}%20{it.state}",
    "an error alone": lambda it, site: f"{site}/auth/callback?error=server_error&error_description={it.code}",
    "the other callback": lambda it, _: to_the_other_provider(it.url),
    "a provider that is none": lambda it, site: f"{site}/auth/callback/{it.code[:40]}?{urlsplit(it.url).query}",
    "a token of the implicit flow": lambda it, _: f"{it.url}&access_token={it.code}&id_token={it.code}",
}
"""What somebody with a mind to it makes of the callback's address."""


def declined(stage: Stage) -> None:
    browser = Browser(stage.host.url)
    answer = browser.consent(browser.begin(provider=stage.provider), decision="deny")
    assert browser.get(answer).status_code == 400


def hostile_token_answers(stage: Stage) -> None:
    """While signing in: the service fails in every way, and tells what it was told."""
    for answer in ("503", "dropped", "cut", "html", "wrong type", "refused"):
        attempt = stage.attempt()
        echo = f"{attempt.code} {attempt.state}"
        stage.faults(token_answers(echo)[answer], grant="code")
        assert attempt.visit().status_code in (400, 503), answer
        assert stage.simulator.injected() == 1
        stage.simulator.faults()


def failed_refreshes(stage: Stage) -> None:
    """An hour later: the same, with access and refresh token told back; last what opens the breaker."""
    later = stage.start_later()
    for answer in token_answers(""):
        browser = stage.signed_in()
        held = stage.held(browser)
        stage.faults(token_answers(f"{held.refresh_token} {held.access_token}")[answer], grant="refresh_token")
        for accept in ACCEPTS:
            Browser(later.url, browser.http).get("/dashboard", headers={"Accept": accept})
        assert stage.simulator.injected() >= 1, answer
        stage.simulator.faults()


def token_answers(echo: str) -> dict[str, dict[str, Any]]:
    """Answers of a token endpoint that hold what it was asked with."""

    def said(error: str) -> dict[str, Any]:
        told = {"error": error, "error_description": echo, "Error": error, "ErrorDescription": echo, "claims": echo}
        return {"status": 400, "json": told}

    return {
        "503": {"status": 503, "headers": {"X-Echo": echo}, "body": echo},
        "dropped": {"commit_then_drop": True},
        "cut": {"truncate": 1200},
        "html": {"html": f"<html><body>{echo}</body></html>"},
        "wrong type": {"status": 200, "json": {"access_token": "made up", "refresh_token": echo, "token_type": echo}},
        "unknown": said(echo or "unknown"),
        "refused": said("invalid_grant"),
        "our request": said("invalid_request"),
        "our secret": said("invalid_client"),
    }


def successful_refreshes(stage: Stage) -> None:
    """On request, after a rejection, and by the timer."""
    people = [stage.signed_in() for _ in range(3)]
    later = stage.later
    assert Browser(later.url, people[0].http).get("/dashboard").status_code == 200
    assert tick(later)["refreshed"] >= 2


def a_troubled_timer(stage: Stage) -> None:
    browser = stage.signed_in()
    echo = stage.held(browser).refresh_token
    stage.faults(token_answers(echo)["refused"], grant="refresh_token")
    assert tick(stage.later)["failed"]


def hostile_data(stage: Stage) -> None:
    """Azure DevOps answers with the token that it was shown, in every place of an answer."""
    for answer in range(len(api_answers(""))):
        browser = stage.signed_in()
        stage.faults(api_answers(stage.held(browser).access_token)[answer], path="/_apis/(accounts|projects|wit)")
        for path, accept in zip(("/dashboard", "/org/contoso-labs/projects"), ACCEPTS, strict=False):
            browser.get(path, headers={"Accept": accept})
        assert stage.simulator.injected() >= 1
        stage.simulator.faults()


def api_answers(token: str) -> list[dict[str, Any]]:
    told = {"message": f"TF400813: {token}", "typeKey": token, "$id": token}
    return [
        {"status": 401, "headers": {"WWW-Authenticate": f'Bearer realm="{token}"'}, "json": told},
        {"status": 203, "headers": {"Content-Type": "text/html"}, "body": f"<html>{token}"},
        {"status": 302, "headers": {"Location": f"https://elsewhere.example/?token={token}"}},
        {"status": 403, "json": told},
        {"status": 404, "json": told},
        {"status": 400, "json": told},
        {"status": 429, "headers": {"Retry-After": f"1 {token}"}, "json": told},
        {"status": 500, "body": token},
        {"status": 200, "json": {"value": token}},
        {"status": 200, "body": f"[{token}", "headers": {"Content-Type": "application/json"}},
        {"status": 200, "headers": {"x-ms-continuationtoken": "\x7f"}, "json": {"count": token}},
    ]


def every_error(stage: Stage) -> None:
    """Each error there is, raised below a page of somebody who is signed in, and a bug of ours."""
    browser = stage.signed_in()
    there = Browser(stage.failing.url, browser.http)
    for number, organization in enumerate([BUG, *(f"fault-{number}" for number in range(len(CLASSES)))]):
        there.get(f"/org/{organization}/projects", headers={"Accept": ACCEPTS[number % 2]})


def a_store_in_trouble(stage: Stage) -> None:
    """Gone, refusing, and losing its replies: while signing in, reading and signing out."""
    browser = stage.signed_in()
    with stage.storage.gone():
        assert stage.attempt().visit().status_code == 503
        assert browser.get("/dashboard").status_code == 503
    for effect in (Refuse(500), Refuse(412), Refuse(404), LoseReply()):
        attempt, leaving = stage.attempt(), stage.signed_in()
        token = leaving.csrf()
        with stage.storage.injecting(Fault(effect=effect, share=0.5)):
            attempt.visit()
            browser.get("/dashboard")
            leaving.post("/auth/logout", token)


def signed_out(stage: Stage) -> None:
    """From one browser, from all, with a revocation that works, that fails, and that tells the token back."""
    stage.simulator.settings(revoke=True)
    assert stage.signed_in().sign_out().status_code == 200
    stage.signed_in().post("/auth/disconnect")
    leaving = stage.signed_in()
    stage.faults({"status": 400, "json": {"error": stage.held(leaving).refresh_token}}, grant="revoke")
    leaving.sign_out()
    stage.faults({"status": 503, "body": stage.held(stage.signed_in()).refresh_token}, grant="revoke")
    leaving = stage.signed_in()
    for accept in ACCEPTS:
        leaving.post("/auth/logout", "not the token of this form")
        leaving.http.post(f"{leaving.base}/auth/logout", data={"csrf": leaving.csrf()}, headers={"Accept": accept})
    for accept in ACCEPTS:
        leaving.get("/auth/receipt", headers={"Accept": accept})
    tick(stage.later)


def spoiled_id_tokens(stage: Stage) -> None:
    for mutation in set(get_args(IdTokenMutation)) - {"other-tenant"}:  # which is that of these people
        stage.simulator.settings(id_token_mutation=mutation)
        assert stage.attempt().visit().status_code in (400, 503), mutation


def a_challenge_for_claims(stage: Stage) -> None:
    """The token is not good enough: the page leads to a sign-in that is."""
    user = newcomer()
    attempt = stage.attempt(user)
    assert attempt.visit().status_code == 303
    challenge = {"access_token": {"acrs": {"essential": True, "value": "c1"}}}
    stage.simulator.settings(claims_challenge={user: challenge})
    assert attempt.browser.get("/dashboard").status_code == 401


SCENES: dict[Callable[[Stage], None], tuple[str, ...]] = {
    **dict.fromkeys(
        (
            every_route,
            refused_callbacks,
            declined,
            hostile_token_answers,
            failed_refreshes,
            successful_refreshes,
            a_troubled_timer,
            hostile_data,
            every_error,
            a_store_in_trouble,
            signed_out,
        ),
        (AZURE_DEVOPS, ENTRA),
    ),
    spoiled_id_tokens: (ENTRA,),
    a_challenge_for_claims: (ENTRA,),
}
"""With which providers each is played."""
