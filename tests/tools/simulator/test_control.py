"""The control API: calls, settings and faults are accepted exactly or refused with a reason."""

import gzip
import json

import pytest

from tests.tools.simulator.driver import Driver
from tools.simulator.identity.minting import digest
from tools.simulator.server import DroppedError

PROJECTS = "/fabrikam/_apis/projects"


def inject(sim: Driver, action: dict, **rule: object) -> None:
    answer = sim.control("PUT", "faults", [{"action": action, **rule}])
    assert answer.status == 200, answer.text


def injected(sim: Driver) -> list[int]:
    return [rule["injected"] for rule in sim.control("GET", "faults").json["rules"]]


def test_every_call_is_logged_with_its_raw_target_and_no_whole_secret(sim: Driver) -> None:
    code = sim.code()
    tokens = sim.redeem(code).json
    sim.get("/fabrikam/Tools%20%28new%29%21/_apis/build/builds?%24top=1", tokens["access_token"])
    calls = sim.calls()
    assert [call["status"] for call in calls] == [302, 200, 200]
    assert [call["grant"] for call in calls] == [None, "code", None]
    assert [call["authorization"] for call in calls] == [False, False, True]
    assert [call["user"] for call in calls] == ["ada", "ada", "ada"]
    assert calls[2]["target"].startswith("/fabrikam/Tools%20%28new%29%21/_apis/build/builds?%24top=1")
    assert calls[2]["token"] == sim.tokens()["families"][0]["access_tokens"][0]["digest"]
    logged = sim.control("GET", "calls").text
    assert not any(secret in logged for secret in (code, *tokens.values()) if len(secret) > 100)


@pytest.mark.parametrize("name", ["assertion", "client_assertion", "token", "code", "Access_Token"])
def test_a_secret_in_a_target_is_logged_by_digest(sim: Driver, name: str) -> None:
    sim.call("GET", f"/oauth2/token?a=b&{name}=very-secret&c=d")
    assert sim.calls()[0]["target"] == f"/oauth2/token?a=b&{name}={digest('very-secret')}&c=d"


def test_the_log_goes_on_from_a_number_and_can_be_cleared(sim: Driver) -> None:
    for _ in range(3):
        sim.get(PROJECTS)
    later = sim.call("GET", "/_sim/calls?since=2").json
    assert ([call["n"] for call in later["value"]], later["last"]) == ([3], 3)
    assert sim.control("DELETE", "calls").json["count"] == 0
    sim.get(PROJECTS, X_Forwarded_Host="dev.azure.com")
    assert [(call["n"], call["x_forwarded_host"]) for call in sim.calls()] == [(4, "dev.azure.com")]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"nonsense": 1},
        {"reuse": "sometimes"},
        {"revoke": 1},
        {"api_latency": -1},
        {"token_lifetime": "3600"},
        {"clock_offset": True},
        {"client_secrets": "one"},
        {"client_secrets": [""]},
        {"redirect_uris": [1]},
        {"deny_style": ""},
        {"auto_consent": "nobody"},
        {"people_count": 1.5},
        {"public_url": "http://127.0.0.1:1/path"},
    ],
)
def test_wrong_settings_are_refused_and_change_nothing(sim: Driver, body: object) -> None:
    before = sim.control("GET", "settings").json
    answer = sim.control("PUT", "settings", body)
    assert (answer.status, list(answer.json)) == (400, ["error"])
    assert sim.control("GET", "settings").json == before


def test_settings_are_updated_in_part(sim: Driver) -> None:
    sim.settings(reuse="strict")
    assert sim.settings(revoke=True).json["reuse"] == "strict"


def test_what_the_settings_show_can_be_put_back(sim: Driver) -> None:
    shown = sim.control("GET", "settings").json
    assert sim.control("PUT", "settings", shown).json == shown


@pytest.mark.parametrize(
    "rules",
    [
        {},
        ["rule"],
        [{}],
        [{"action": {}}],
        [{"action": {"nonsense": 1}}],
        [{"action": {"drop": False}}],
        [{"action": {"drop": True, "status": 503}}],
        [{"action": {"status": 700}}],
        [{"action": {"delay": "1"}}],
        [{"action": {"headers": {"a": 1}, "status": 200}}],
        [{"action": {"token_error": {"description": "no error"}}}],
        [{"action": {"body": "without an outcome"}}],
        [{"action": {"status": 503}, "times": -1}],
        [{"action": {"status": 503}, "probability": 2}],
        [{"action": {"status": 503}, "after": None}],
        [{"action": {"status": 503}, "name": 1}],
        [{"action": {"status": 503}, "match": {"path": "("}}],
        [{"action": {"status": 503}, "match": {"grant": "password"}}],
        [{"action": {"status": 503}, "match": {"host": "x"}}],
        [{"action": {"status": 503}, "extra": 1}],
    ],
)
def test_wrong_faults_are_refused_and_change_nothing(sim: Driver, rules: object) -> None:
    inject(sim, {"status": 503}, name="kept")
    answer = sim.control("PUT", "faults", rules)
    assert (answer.status, list(answer.json)) == (400, ["error"])
    assert [rule["name"] for rule in sim.control("GET", "faults").json["rules"]] == ["kept"]


def test_a_body_that_is_not_json_and_a_path_that_is_not_there_are_said(sim: Driver) -> None:
    assert sim.call("PUT", "/_sim/faults", b"{").status == 400
    unknown = sim.call("GET", "/_sim/nothing")
    assert unknown.status == 404
    assert "PUT /_sim/faults" in unknown.json["known"]


def test_a_fault_hits_so_many_calls_after_the_first_and_is_counted(sim: Driver) -> None:
    inject(sim, {"status": 503, "headers": {"Retry-After": "7"}}, after=1, times=2)
    assert [sim.get(PROJECTS).status for _ in range(5)] == [203, 503, 503, 203, 203]
    assert injected(sim) == [2]
    assert [call["fault"] for call in sim.calls()] == [None, "rule 0", "rule 0", None, None]
    sim.control("DELETE", "faults")
    assert injected(sim) == []


def test_the_first_rule_that_fits_is_applied(sim: Driver) -> None:
    rules = [{"times": 1, "action": {"status": 500}}, {"action": {"status": 502}}]
    sim.control("PUT", "faults", rules)
    assert [sim.get(PROJECTS).status for _ in range(3)] == [500, 502, 502]
    assert injected(sim) == [1, 2]


@pytest.mark.parametrize(
    ("match", "hits"),
    [
        ({"method": "GET"}, [True, False, False]),
        ({"path": "^/fabrikam/_apis/projects"}, [True, False, False]),
        ({"user": "ada"}, [True, True, False]),
        ({"user": "bjorn"}, [False, False, True]),
        ({"grant": "refresh_token"}, [False, True, True]),
        ({"grant": "refresh_token", "user": "ada"}, [False, True, False]),
        ({}, [True, True, True]),
    ],
)
def test_rules_match_by_method_path_user_and_grant(sim: Driver, match: dict, hits: list[bool]) -> None:
    ada, bjorn = sim.sign_in("ada"), sim.sign_in("bjorn")
    inject(sim, {"status": 599}, match=match)
    answers = (
        sim.get(PROJECTS, ada["access_token"]),
        sim.refresh(ada["refresh_token"]),
        sim.refresh(bjorn["refresh_token"]),
    )
    assert [answer.status == 599 for answer in answers] == hits


def test_probability_is_respected(sim: Driver) -> None:
    inject(sim, {"status": 503}, probability=0)
    assert sim.get(PROJECTS).status == 203
    inject(sim, {"status": 503}, probability=0.5)
    statuses = [sim.get(PROJECTS).status for _ in range(200)]
    assert 40 < statuses.count(503) < 160


def test_commit_then_drop_does_the_work_and_gives_no_answer(sim: Driver) -> None:
    old = sim.sign_in()["refresh_token"]
    inject(sim, {"commit_then_drop": True}, times=1, match={"grant": "refresh_token"})
    with pytest.raises(DroppedError) as dropped:
        sim.refresh(old)
    assert dropped.value.sent is None
    assert sim.tokens()["refreshes"] == 1
    assert (sim.calls()[-1]["status"], sim.calls()[-1]["done"]) == (None, True)


def test_drop_does_no_work(sim: Driver) -> None:
    old = sim.sign_in()["refresh_token"]
    inject(sim, {"drop": True})
    with pytest.raises(DroppedError):
        sim.refresh(old)
    assert sim.tokens()["refreshes"] == 0


def test_an_error_may_come_although_the_work_is_done(sim: Driver) -> None:
    old = sim.sign_in()["refresh_token"]
    inject(sim, {"status": 500, "body": "sorry"}, times=1)
    assert (sim.refresh(old).text, sim.tokens()["refreshes"]) == ("sorry", 0)
    inject(sim, {"status": 500, "commit": True}, times=1)
    assert (sim.refresh(old).status, sim.tokens()["refreshes"]) == (500, 1)


def test_a_token_error_has_the_services_shape(sim: Driver) -> None:
    inject(sim, {"token_error": {"error": "invalid_grant", "description": "revoked"}})
    answer = sim.refresh("any")
    assert (answer.status, answer.json) == (400, {"Error": "invalid_grant", "ErrorDescription": "revoked"})


def test_html_comes_with_200_or_the_status_asked_for(sim: Driver) -> None:
    inject(sim, {"html": True})
    assert (sim.get(PROJECTS).status, sim.get(PROJECTS).text[:15]) == (200, "<!DOCTYPE html>")
    inject(sim, {"html": "<p>down", "status": 503})
    assert (sim.get(PROJECTS).status, sim.get(PROJECTS).text) == (503, "<p>down")


def test_json_of_ones_own_is_answered(sim: Driver) -> None:
    inject(sim, {"status": 429, "json": {"message": "TF400733: slow down"}})
    assert sim.get(PROJECTS).json == {"message": "TF400733: slow down"}


def test_headers_alone_are_added_to_the_real_answer(sim: Driver) -> None:
    token = sim.sign_in()["access_token"]
    inject(sim, {"headers": {"Retry-After": "3", "Content-Type": "text/plain"}})
    answer = sim.get(PROJECTS, token)
    assert (answer.status, answer.json["count"]) == (200, 4)
    assert (answer.headers["retry-after"], answer.headers["content-type"]) == ("3", "text/plain")


def test_a_gzip_bomb_unpacks_to_far_more_than_it_weighs(sim: Driver) -> None:
    inject(sim, {"gzip_bomb": 3})
    answer = sim.get(PROJECTS)
    unpacked = gzip.decompress(answer.body)
    assert len(answer.body) < 10_000 < 3 * 1024 * 1024 < len(unpacked)
    assert json.loads(unpacked)["count"] == 0


def test_deep_json_is_as_deep_as_asked(sim: Driver) -> None:
    inject(sim, {"deep_json": 1000})
    assert sim.get(PROJECTS).body == b"[" * 1000 + b"]" * 1000


def test_endless_paging_never_ends_and_never_repeats_a_token(sim: Driver) -> None:
    token = sim.sign_in()["access_token"]
    inject(sim, {"endless_paging": True})
    more, seen = "", set()
    for _ in range(5):
        answer = sim.get(f"{PROJECTS}?$top=2{more}", token)
        assert answer.json["count"] == 2
        seen.add(answer.headers["x-ms-continuationtoken"])
        more = f"&continuationToken={answer.headers['x-ms-continuationtoken']}"
    assert len(seen) == 5


def test_a_truncated_answer_is_the_real_one_cut_short(sim: Driver) -> None:
    token = sim.sign_in()["access_token"]
    inject(sim, {"truncate": 10})
    with pytest.raises(DroppedError) as dropped:
        sim.get(PROJECTS, token)
    assert dropped.value.keep_bytes == 10
    assert dropped.value.sent is not None
    assert dropped.value.sent.body.startswith(b'{"count":4')


def test_every_secret_that_went_over_the_wire_is_told_whole(sim: Driver) -> None:
    """Codes, tokens, what clients show; and where a caller put something that does not belong there."""
    code = sim.code()
    tokens = sim.redeem(code).json
    inject(sim, {"status": 200, "json": {"access_token": "made-up-by-a-fault"}}, match={"path": "^/oauth2/token"})
    sim.call("GET", "/oauth2/token?code=in-a-target")
    told = sim.control("GET", "secrets").json
    assert told["secrets"]["authorization code"] == [code]
    assert told["secrets"]["access token"] == sorted([tokens["access_token"], "made-up-by-a-fault"])
    assert told["secrets"]["refresh token"] == [tokens["refresh_token"]]
    assert told["secrets"].keys() >= {"client assertion"}
    assert any("in-a-target" in target for target in told["received"]["target of calls to another endpoint"])


def test_what_nobody_was_given_is_no_secret(sim: Driver) -> None:
    """A token whose answer was dropped is known to nobody; of one that was cut short the beginning is."""
    code = sim.code()
    inject(sim, {"commit_then_drop": True})
    with pytest.raises(DroppedError):
        sim.redeem(code)
    assert "access token" not in sim.control("GET", "secrets").json["secrets"]
