"""A7: a token response is taken only when it is one; what is wrong with it makes no session and loses no token."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.acceptance.signing_in import (
    pending,
    rows,
    stored,
    token_calls,
    tokens_bought_elsewhere,
    under_way,
)
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site, tick

Tokens = dict[str, Any]
Action = dict[str, Any]
REFRESH = {"grant": "refresh_token"}


def with_field(name: str, value: Any) -> Callable[[Tokens], Action]:
    return lambda tokens: {"status": 200, "json": tokens | {name: value}}


def without(name: str) -> Callable[[Tokens], Action]:
    return lambda tokens: {"status": 200, "json": {key: value for key, value in tokens.items() if key != name}}


def as_text(change: Callable[[str], str], **headers: str) -> Callable[[Tokens], Action]:
    sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda tokens: {"status": 200, "body": change(json.dumps(tokens)), "headers": sent}


def with_status(status: int, **headers: str) -> Callable[[Tokens], Action]:
    sent = {"headers": headers} if headers else {}
    return lambda tokens: {"status": status, "json": tokens} | sent


# Made of a genuine token response: each would make a session if its one fault were overlooked.
MALFORMED: dict[str, Callable[[Tokens], Action]] = {
    "no access token": without("access_token"),
    "an empty access token": with_field("access_token", ""),
    "a null access token": with_field("access_token", None),
    "a number as access token": with_field("access_token", 12345),
    "a list as access token": lambda tokens: with_field("access_token", [tokens["access_token"]])(tokens),
    "an object as access token": lambda tokens: with_field("access_token", {"value": tokens["access_token"]})(tokens),
    "a line end in the access token": lambda t: with_field("access_token", t["access_token"] + "\r\nX-Evil: 1")(t),
    "a blank behind the access token": lambda t: with_field("access_token", t["access_token"] + " ")(t),
    "an access token that is not ASCII": lambda t: with_field("access_token", t["access_token"] + "ü")(t),
    "no refresh token at sign-in": without("refresh_token"),
    "a null refresh token at sign-in": with_field("refresh_token", None),
    "an empty refresh token": with_field("refresh_token", ""),
    "a number as refresh token": with_field("refresh_token", 12345),
    "a list as refresh token": lambda tokens: with_field("refresh_token", [tokens["refresh_token"]])(tokens),
    "a line end in the refresh token": lambda t: with_field("refresh_token", t["refresh_token"] + "\n")(t),
    "no token_type": without("token_type"),
    "a null token_type": with_field("token_type", None),
    "an unknown token_type": with_field("token_type", "mac"),
    "a token_type with a blank": with_field("token_type", "jwt-bearer "),
    "a list as token_type": with_field("token_type", ["jwt-bearer"]),
    "no expires_in": without("expires_in"),
    "a null expires_in": with_field("expires_in", None),
    "an empty expires_in": with_field("expires_in", ""),
    "a negative expires_in": with_field("expires_in", -1),
    "a fraction as expires_in": with_field("expires_in", 3599.5),
    "a true expires_in": with_field("expires_in", True),
    "a word as expires_in": with_field("expires_in", "soon"),
    "an exponent as expires_in": with_field("expires_in", "1e3"),
    "a signed expires_in": with_field("expires_in", "+3599"),
    "an underscore in expires_in": with_field("expires_in", "3_599"),
    "a blank in expires_in": with_field("expires_in", " 3599"),
    "Arabic digits as expires_in": with_field("expires_in", "٣٥٩٩"),
    "a list as expires_in": with_field("expires_in", [3599]),
    "201": with_status(201),
    "202": with_status(202),
    "203 with tokens": with_status(203),
    "206": with_status(206),
    "302 with tokens": with_status(302, Location="/oauth2/token"),
    "400 with tokens": with_status(400),
    "401 with tokens": with_status(401),
    "500 with tokens": with_status(500),
    "text/plain": as_text(str, Content_Type="text/plain"),
    "text/html": as_text(str, Content_Type="text/html; charset=utf-8"),
    "a type that only contains JSON": as_text(str, Content_Type="text/x-application/json"),
    "an HTML page": lambda _: {"html": True},
    "an HTML page with 203": lambda _: {"html": True, "status": 203},
    "an empty body": as_text(lambda _: ""),
    "null": as_text(lambda _: "null"),
    "a list around it": as_text(lambda text: f"[{text}]"),
    "a string around it": as_text(lambda text: json.dumps(text)),
    "one more brace": as_text(lambda text: text + "}"),
    "a second object behind it": as_text(lambda text: text + text),
    "a name given twice": as_text(lambda text: '{"access_token": "another", ' + text[1:]),
    "NaN inside": as_text(lambda text: text[:-1] + ', "x": NaN}'),
    "the last byte missing": as_text(lambda text: text[:-1]),
    "cut after 20 bytes": lambda _: {"truncate": 20},
    "more than 256 KiB": as_text(lambda text: text[:-1] + f', "x": "{"a" * 300_000}"}}'),
    "a gzip bomb": lambda _: {"gzip_bomb": 64},
    "deep JSON": lambda _: {"deep_json": 200_000},
    "an error with 200": lambda _: {"status": 200, "json": {"Error": "invalid_request", "ErrorDescription": "x"}},
    "an error object": lambda _: {"status": 400, "json": {"Error": {"code": "invalid_client"}}},
    "a cut connection": lambda _: {"drop": True},
}
GOOD: dict[str, Callable[[Tokens], Action]] = {
    "as the service sends it": lambda tokens: {"status": 200, "json": tokens},
    "token_type Bearer": with_field("token_type", "Bearer"),
    "token_type JWT": with_field("token_type", "JWT"),
    "expires_in as a number": with_field("expires_in", 3599),
    "a byte order mark": as_text(lambda text: "\ufeff" + text),
    "a charset": as_text(str, Content_Type="Application/JSON; charset=utf-8"),
    "fields that nobody knows": with_field("scope", ["vso.work"]),
}


@pytest.mark.acceptance("A7")
@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_token_response_makes_no_session(
    azurite: str, simulator: Simulator, browser: Browser, host: Host, evidence: Report, name: str
) -> None:
    """An error page that says to start again, no cookie, no row but the burnt state, and no second call."""
    attempt, tokens = under_way(browser), tokens_bought_elsewhere(simulator, host)
    before, failed = rows(azurite), len(host.events("sign_in_failed"))
    simulator.clear_calls()
    simulator.faults({"match": {"grant": "code"}, "action": MALFORMED[name](tokens)})
    answer = attempt.visit()
    assert simulator.injected() == 1
    assert token_calls(simulator) == 1
    assert answer.status_code in (400, 503)
    assert "Start the sign-in again" in answer.text
    assert "still signed in" not in answer.text
    assert browser.session_cookie is None
    assert browser.get("/dashboard").headers["Location"].startswith("/auth/login")
    assert rows(azurite) == before | {"logins": before["logins"] + 1}
    assert len(host.events("sign_in_failed")) == failed + 1
    evidence(cases=1)


@pytest.mark.acceptance("A7")
@pytest.mark.parametrize("name", GOOD)
def test_what_the_service_may_send_is_taken(
    simulator: Simulator, browser: Browser, host: Host, evidence: Report, name: str
) -> None:
    """Either spelling of the type, a number or digits as lifetime, a byte order mark, a charset, unknown fields."""
    attempt, tokens = under_way(browser), tokens_bought_elsewhere(simulator, host)
    simulator.faults({"match": {"grant": "code"}, "action": GOOD[name](tokens)})
    assert attempt.visit().status_code == 303
    assert simulator.injected() == 1
    assert len(browser.api("/dashboard").json()["items"]) == 2
    assert pending(browser) == {}
    evidence(cases=1)


@pytest.mark.acceptance("A7")
def test_tokens_that_nobody_will_store_are_withdrawn(
    simulator: Simulator, browser: Browser, host: Host, evidence: Report
) -> None:
    """Where the service offers it: the access token of an answer without a refresh token is revoked at once."""
    simulator.settings(revoke=True)
    attempt, tokens = under_way(browser), tokens_bought_elsewhere(simulator, host)
    before = simulator.tokens()["revoke_requests"]
    simulator.faults({"match": {"grant": "code"}, "action": without("refresh_token")(tokens)})
    assert attempt.visit().status_code == 400
    after = simulator.tokens()["revoke_requests"]
    assert after == before | {"access_token": before["access_token"] + 1}
    evidence(cases=1)


@pytest.mark.acceptance("A7")
def test_a_failed_sign_in_leaves_the_session_that_there_is(
    simulator: Simulator, browser: Browser, evidence: Report
) -> None:
    """Who is signed in and tries again with a service that answers nonsense stays signed in."""
    browser.sign_in()
    attempt, session = under_way(browser), browser.session_cookie
    simulator.faults({"match": {"grant": "code"}, "action": {"html": True}})
    assert attempt.visit().status_code == 503
    assert browser.session_cookie == session
    assert browser.get("/dashboard").status_code == 200
    evidence(cases=1)


@pytest.mark.acceptance("A7")
@pytest.mark.parametrize("omitted", [{}, {"refresh_token": None}], ids=["left out", "null"])
def test_an_omitted_refresh_token_keeps_the_old_one(
    azurite: str, site: Site, simulator: Simulator, host: Host, evidence: Report, omitted: Tokens
) -> None:
    """RFC 6749 section 6: after a refresh without a new refresh token the old one is stored, and used again."""
    browser = Browser(host.url)
    browser.sign_in("bjorn")
    before = stored(azurite, browser).connection
    fresh = tokens_bought_elsewhere(simulator, host, "bjorn")
    fresh = {name: value for name, value in fresh.items() if name != "refresh_token"} | omitted
    simulator.clear_calls()
    simulator.faults({"match": REFRESH, "times": 1, "action": {"status": 200, "json": fresh}})
    for hours in (1, 2):
        later = site.start_host(clock_offset=hours * 3600)
        assert Browser(later.url, browser.http).get("/dashboard").status_code == 200
        later.child.stop()
        if hours == 1:
            after = stored(azurite, browser).connection
            assert (after.access_token, after.refresh_token) == (fresh["access_token"], before.refresh_token)
            assert after.generation == before.generation + 1
    refreshes = [call for call in simulator.calls("/oauth2/token") if call["grant"] == "refresh_token"]
    assert simulator.injected() == 1
    assert [call["status"] for call in refreshes] == [200, 200]
    assert refreshes[0]["token"] == refreshes[1]["token"]
    evidence(cases=1)


CLAMPED = {0: 60, "59": 60, 3600: 3600, "86401": 86400, 999_999_999_999: 86400}


@pytest.fixture(scope="module")
def lasting_host(site: Site) -> Host:
    """A host whose sessions outlive a token of a day."""
    return site.start_host(SESSION_IDLE_HOURS="48", SESSION_LIFETIME_HOURS="48")


@pytest.mark.acceptance("A7")
@pytest.mark.parametrize("sent", CLAMPED, ids=repr)
def test_a_lifetime_is_taken_within_limits(
    azurite: str, site: Site, simulator: Simulator, lasting_host: Host, evidence: Report, sent: int | str
) -> None:
    """What is sent as expires_in counts as at least one minute and at most a day, at sign-in and at refresh."""
    wanted, browser = timedelta(seconds=CLAMPED[sent]), Browser(lasting_host.url)
    attempt, tokens = under_way(browser), tokens_bought_elsewhere(simulator, lasting_host)
    simulator.faults({"action": {"status": 200, "json": tokens | {"expires_in": sent}}, "match": {"path": "/token"}})
    assert attempt.visit().status_code == 303
    first = stored(azurite, browser).connection
    assert abs(first.expires_at - first.refreshed_at - wanted) < timedelta(seconds=1)
    later = site.start_host(clock_offset=wanted.total_seconds(), SESSION_IDLE_HOURS="48", SESSION_LIFETIME_HOURS="48")
    tick(later)
    later.child.stop()
    second = stored(azurite, browser).connection
    assert second.generation == first.generation + 1
    assert abs(second.expires_at - second.refreshed_at - wanted) < timedelta(seconds=1)
    evidence(cases=1)


@pytest.mark.acceptance("A7")
def test_a_lifetime_of_a_second_is_no_reason_to_refresh_at_each_request(
    simulator: Simulator, browser: Browser, host: Host, evidence: Report
) -> None:
    """Counted as a minute, it serves for half of that before anybody refreshes."""
    attempt, tokens = under_way(browser), tokens_bought_elsewhere(simulator, host)
    simulator.faults({"action": {"status": 200, "json": tokens | {"expires_in": 1}}, "match": {"grant": "code"}})
    attempt.visit()
    simulator.clear_calls()
    assert [browser.get("/dashboard").status_code for _ in range(3)] == [200, 200, 200]
    assert token_calls(simulator) == 0
    evidence(cases=1)
