"""What an answer of a token service means: only a verdict on the grant ends a connection, and only after a re-read."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.models.custody import Status
from shared.oauth.provider import ENTRA
from tests.acceptance.refreshing import (
    CONTOSO,
    OVER,
    PAST_THE_LEASE,
    PEOPLE,
    SERVES,
    arrive,
    assert_in_order,
    connection_of,
    explains_sign_in,
    held,
    is_signed_out,
    summary,
    token_calls,
)
from tests.chaos_cases import Case
from tests.evidence import Report
from tests.site import Host, Simulator, Site, wait_for
from tools.chaos.volley import volley

ENDED, SUSPECT, LIVE = Status.RECONNECT, Status.SUSPECT, Status.LIVE
AFTERWARDS = OVER + 700
"""Past every pause that a refusal of this module sets."""
BROKEN_USERS = 100


def worded(body: str, kind: str = "application/json", status: int = 400) -> dict[str, Any]:
    return {"status": status, "body": body, "headers": {"Content-Type": kind}}


VERDICTS: dict[str, tuple[dict[str, Any], Status]] = {
    "invalid_grant": ({"token_error": {"error": "invalid_grant"}}, ENDED),
    "interaction_required": ({"token_error": {"error": "interaction_required"}}, ENDED),
    "RFC 6749 invalid_grant": ({"status": 400, "json": {"error": "invalid_grant"}}, ENDED),
    "invalid_request": ({"token_error": {"error": "invalid_request"}}, SUSPECT),
    "access_denied": ({"token_error": {"error": "access_denied"}}, LIVE),
    "temporarily_unavailable": ({"token_error": {"error": "temporarily_unavailable"}}, LIVE),
    "server_error": ({"token_error": {"error": "server_error"}}, LIVE),
    "an unknown error": ({"token_error": {"error": "nonsense"}}, LIVE),
    "a description that mentions it": (
        {"token_error": {"error": "server_error", "description": "invalid_grant: the grant is over"}},
        LIVE,
    ),
    "HTML that mentions it": ({"html": "<h1>invalid_grant</h1>", "status": 400}, LIVE),
    "text that mentions it": (worded('{"error": "invalid_grant"}', "text/plain"), LIVE),
    "broken JSON": (worded('{"error": "invalid_grant"'), LIVE),
    "a list": (worded('["invalid_grant"]'), LIVE),
    "a list as error": (worded('{"error": ["invalid_grant"]}'), LIVE),
    "in capitals": (worded('{"error": "INVALID_GRANT"}'), LIVE),
    "with a blank": (worded('{"error": "invalid_grant "}'), LIVE),
    "named twice": (worded('{"error": "invalid_grant", "error": "invalid_grant"}'), LIVE),
    "429": ({"status": 429, "headers": {"Retry-After": "600"}}, LIVE),
    "429 with a verdict": ({"status": 429, "json": {"error": "invalid_grant"}}, LIVE),
    "500": ({"status": 500}, LIVE),
    "503 with a verdict": ({"status": 503, "json": {"error": "invalid_grant"}}, LIVE),
    "502 as HTML": ({"html": True, "status": 502}, LIVE),
    "408": ({"status": 408}, LIVE),
    "302": ({"status": 302, "headers": {"Location": "/"}}, LIVE),
    "nothing": ({"drop": True}, LIVE),
    "nothing after the commit": ({"commit_then_drop": True}, LIVE),
    "half an answer": ({"truncate": 20}, LIVE),
    "200 without tokens": ({"status": 200, "json": {}}, LIVE),
    "200 as HTML": ({"html": True}, LIVE),
    "200 with a verdict": ({"status": 200, "json": {"error": "invalid_grant"}}, LIVE),
    "after the deadline": ({"delay": 9}, LIVE),
}
FAULTS_OF_OURS = ("invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope")
"""The first opens the breaker of its process, the others count as suspects: each gets a process of its own."""
RESTS = {"invalid_request", "access_denied", "429", "429 with a verdict", *FAULTS_OF_OURS, "AADSTS7000215"}
"""Whoever got these causes no further call for half a minute at least; others are tried again after 5 s."""
AADSTS = {700082: ENDED, 50173: ENDED, 50076: ENDED, 70043: ENDED}


@pytest.fixture(scope="module")
def host(site: Site) -> Host:
    site.simulator.settings(people_count=PEOPLE)
    return site.start_host(ENTRA_TENANT_ID=CONTOSO)


@pytest.fixture(scope="module")
def at(site: Site) -> Callable[[float], Host]:
    """A host at a clock, started once."""
    started: dict[float, Host] = {}

    def host_at(clock: float) -> Host:
        if clock not in started:
            started[clock] = site.start_host(clock_offset=clock, ENTRA_TENANT_ID=CONTOSO)
        return started[clock]

    return host_at


@pytest.mark.acceptance("R7")
def test_the_loser_of_a_race_re_reads_before_it_believes_a_verdict(
    site: Site,
    host: Host,
    at: Callable[[float], Host],
    simulator: Simulator,
    amount: Callable[..., int],
    evidence: Report,
    fault_case: Case,
) -> None:
    """The verdict on its old token comes when another process has stored a new one: it adopts that and ends nothing."""
    people = arrive(host, amount("R7"))
    clocks = [(SERVES, OVER)[n % 2] for n in range(len(people))]
    errors = ["invalid_grant" if n % 4 < 2 else "invalid_request" for n in range(len(people))]
    simulator.faults(
        *(
            {
                "match": {"user": person.name, "grant": "refresh_token"},
                "times": 1,
                "action": {"delay": 6, "token_error": {"error": error}},
            }
            for person, error in zip(people, errors, strict=True)
        )
    )
    losers = [at(clock) for clock in clocks]
    winners = [at(clock + PAST_THE_LEASE) for clock in clocks]
    simulator.clear_calls()
    with ThreadPoolExecutor(1) as aside:
        late = aside.submit(volley, [person.asks(loser) for person, loser in zip(people, losers, strict=True)])
        while len(simulator.calls("/oauth2/token")) < len(people):
            assert not late.done()
        replies = volley(person.asks(winner) for person, winner in zip(people, winners, strict=True))
        assert not late.done(), "the verdicts came first"
        replies += late.result()
    replies += volley(person.asks(loser) for person, loser in zip(people, losers, strict=True))
    stored = [connection_of(site.storage, person) for person in people]
    fault_case(
        "R7: verdicts on the tokens of losers",
        injected=simulator.injected(),
        expected={"200": 3 * len(people), "signed out": 0, "rows": {(LIVE, 2)}, "faults": 0},
        observed={
            **summary(replies),
            "rows": {(connection.status, connection.generation) for connection in stored},
            "faults": sum(len(loser.events("app_fault")) for loser in losers),
        },
    )
    assert_in_order(site, replies, ahead=OVER + PAST_THE_LEASE)
    pids = [each.child.pid for each in (*losers, *winners)]
    evidence(cases=len(people), faults=simulator.injected(), processes=pids)


@pytest.mark.acceptance("R8")
def test_only_a_parsed_verdict_on_the_grant_ends_a_connection(
    site: Site,
    host: Host,
    at: Callable[[float], Host],
    simulator: Simulator,
    evidence: Report,
    fault_case: Case,
) -> None:
    """Every kind of answer, to somebody of its own: classified exactly, served meanwhile, mended where it can be."""
    legacy = {**VERDICTS, **{word: ({"token_error": {"error": word}}, LIVE) for word in FAULTS_OF_OURS}}
    entra = {f"AADSTS{code}": ({"aadsts": code}, status) for code, status in AADSTS.items()}
    entra["AADSTS7000215"] = ({"aadsts": 7000215}, LIVE)
    entra["AADSTS90033"] = ({"aadsts": {"code": 90033, "error": "temporarily_unavailable"}}, LIVE)
    answers = {**legacy, **entra}
    people = [*arrive(host, len(legacy)), *arrive(host, len(entra), ENTRA)]
    own = [*FAULTS_OF_OURS, "AADSTS7000215"]
    launched = [site.launch_host(clock_offset=SERVES, ENTRA_TENANT_ID=CONTOSO) for _ in own]
    asked = dict(zip(own, wait_for(launched), strict=True))
    simulator.faults(
        *(
            {"name": name, "match": {"user": person.name, "grant": "refresh_token"}, "times": 1, "action": action}
            for person, (name, (action, _)) in zip(people, answers.items(), strict=True)
        )
    )
    hosts = [asked.get(name, at(SERVES)) for name in answers]
    moment = datetime.now(UTC) + timedelta(seconds=SERVES)
    served = volley(person.asks(each) for person, each in zip(people, hosts, strict=True))
    found = {name: connection_of(site.storage, person) for name, person in zip(answers, people, strict=True)}
    assert [(name, reply.status) for name, reply in zip(answers, served, strict=True) if reply.status != 200] == []
    calls = [token_calls(simulator, person) for person in people]
    again = volley(person.asks(each) for person, each in zip(people, hosts, strict=True))
    repeated = {
        name
        for name, person, before in zip(answers, people, calls, strict=True)
        if token_calls(simulator, person) != before
    }
    assert repeated & {name for name in answers if name in RESTS or answers[name][1] is ENDED} == set()
    injected = simulator.injected()
    simulator.faults()
    afterwards = volley(person.asks(at(AFTERWARDS)) for person in people)
    pause = found["invalid_request"].retry_at
    assert pause
    fault_case(
        "R8: answers of the token service",
        injected=injected,
        expected={name: (status, "told" if status is ENDED else 200) for name, (_, status) in answers.items()},
        observed={
            name: (found[name].status, "told" if explains_sign_in(reply) else reply.status)
            for name, reply in zip(answers, afterwards, strict=True)
        },
    )
    assert 20 <= (pause - moment).total_seconds() <= 45
    assert not any(map(is_signed_out, [*served, *again, *afterwards]))
    assert_in_order(site, [*served, *again, *afterwards], ahead=AFTERWARDS)
    evidence(cases=len(answers), faults=injected)


@pytest.mark.acceptance("R8")
def test_a_redirect_uri_that_is_broken_in_our_settings_costs_nobody_the_connection(
    site: Site, host: Host, at: Callable[[float], Host], simulator: Simulator, evidence: Report, fault_case: Case
) -> None:
    """A hundred people meet the fault: two are suspects for 30 s, the rest is known to be ours; mended, all go on."""
    people = arrive(host, BROKEN_USERS)
    broken = site.start_host(clock_offset=SERVES)
    known = simulator.settings()["redirect_uris"]
    simulator.settings(redirect_uris=[uri for uri in known if not uri.startswith(broken.url + "/")])
    simulator.clear_calls()
    replies = volley(person.asks(broken) for person in people)
    refused = sum(call["status"] == 400 for call in simulator.calls("/oauth2/token"))
    replies += volley(person.asks(broken) for person in people)
    waits = Counter(connection_of(site.storage, person).status for person in people)
    simulator.settings(redirect_uris=known)
    replies += volley(person.asks(at(AFTERWARDS)) for person in people)
    fault_case(
        "R8: a redirect URI that is not registered",
        injected=refused,
        expected={"200": 3 * BROKEN_USERS, "signed out": 0, "rows": {(LIVE, 2)}, "suspects": 2, "told": 1},
        observed={
            **summary(replies),
            "rows": {(it.status, it.generation) for it in (connection_of(site.storage, person) for person in people)},
            "suspects": waits[SUSPECT],
            "told": len(broken.events("app_fault")),
        },
    )
    assert sum(each["replays"] for each in held(simulator, people)) == 0
    assert_in_order(site, replies, ahead=AFTERWARDS)
    evidence(cases=1, faults=refused)
