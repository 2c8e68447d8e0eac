"""One upstream refresh per expiry, however many processes and callers, and who waits for it."""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from shared.oauth.provider import AZURE_DEVOPS, ENTRA
from tests.acceptance.refreshing import (
    CONTOSO,
    OVER,
    PEOPLE,
    SERVES,
    Person,
    arrive,
    assert_in_order,
    connection_of,
    held,
    summary,
)
from tests.chaos_cases import Case
from tests.evidence import Report
from tests.site import Host, Simulator, Site, wait_for
from tools.chaos.volley import Reply, Shot, volley

PROCESSES = 8
PER_PROCESS = 25
SKEW = (-3, -2, -1, 0, 0, 1, 2, 3)
LATENCY = 0.3
SLOW = 2.5
"""Longer than a successor waits for the write of a holder: here only the lease itself keeps others away."""


@pytest.fixture(scope="module")
def host(site: Site) -> Host:
    """Where people sign in, also those of the other tenant."""
    site.simulator.settings(people_count=PEOPLE)
    return site.start_host(ENTRA_TENANT_ID=CONTOSO)


@pytest.fixture(scope="module")
def late(site: Site) -> list[Host]:
    """Eight processes at whose clocks every token is over; three seconds apart at most, as clocks are."""
    return fleet(site, OVER)


@pytest.fixture(scope="module")
def early(site: Site) -> list[Host]:
    """Eight processes at whose clocks tokens are due, but serve for four minutes more."""
    return fleet(site, SERVES)


def fleet(site: Site, offset: float) -> list[Host]:
    return wait_for([site.launch_host(clock_offset=offset + skew, ENTRA_TENANT_ID=CONTOSO) for skew in SKEW])


def everybody(person: Person, hosts: Sequence[Host], each: int = PER_PROCESS) -> list[Shot]:
    return [person.asks(host) for host in hosts for _ in range(each)]


@pytest.mark.acceptance("R1")
@pytest.mark.parametrize("provider", [AZURE_DEVOPS, ENTRA])
def test_eight_processes_refresh_an_expired_token_once(
    site: Site,
    host: Host,
    late: list[Host],
    simulator: Simulator,
    amount: Callable[..., int],
    evidence: Report,
    fault_case: Case,
    provider: str,
) -> None:
    """Two hundred requests at once for each expired token: one refresh, two hundred good answers, the family lives."""
    rounds = amount("R1") // (PROCESSES * PER_PROCESS)
    rounds = rounds if provider == AZURE_DEVOPS else max(rounds // 5, 1)
    simulator.settings(reuse="strict", token_latency=LATENCY)
    replies: list[Reply] = []
    people = arrive(host, rounds, provider)
    simulator.settings(clock_offset=OVER)
    for person in people[:-1]:
        replies += volley(everybody(person, late))
    simulator.settings(token_latency=SLOW)
    replies += volley(everybody(people[-1], late))
    known = held(simulator, people)
    fault_case(
        f"R1 {provider}: {PROCESSES} processes × {PER_PROCESS} requests, {rounds} expired tokens",
        injected=rounds,
        expected={
            "refreshes": rounds,
            "replays": 0,
            "revoked": 0,
            "generations": {2},
            "200": rounds * PROCESSES * PER_PROCESS,
            "signed out": 0,
        },
        observed={
            "refreshes": sum(each["refreshes"] for each in known),
            "replays": sum(each["replays"] for each in known),
            "revoked": sum(family["revoked"] for each in known for family in each["families"]),
            "generations": {connection_of(site.storage, person).generation for person in people},
            **summary(replies),
        },
    )
    assert_in_order(site, replies, ahead=OVER + 3)
    evidence(cases=len(replies), processes=[each.child.pid for each in late])


@pytest.mark.acceptance("R2")
@pytest.mark.parametrize("state", ["serves", "over"])
def test_others_go_on_while_the_token_serves_and_adopt_the_new_one_when_it_is_over(
    request: pytest.FixtureRequest,
    site: Site,
    host: Host,
    simulator: Simulator,
    amount: Callable[..., int],
    evidence: Report,
    fault_case: Case,
    state: str,
) -> None:
    """More than a minute left: one waits for the provider, nobody else. Less: all wait, none a second longer than it.

    Counted, not timed: who was answered before the provider had answered, and who more than a second after it.
    The provider answers its latency after the first request at the earliest, whenever the others set out.
    """
    hosts: list[Host] = request.getfixturevalue("early" if state == "serves" else "late")
    latency, each = 3.0, 7
    rounds = -(-amount("R2") // (2 * PROCESSES * each))
    people = arrive(host, rounds)
    simulator.settings(token_latency=latency, clock_offset=OVER if state == "over" else 0)
    replies: list[Reply] = []
    waited: Counter[str] = Counter()
    added, middle = list[float](), list[float]()
    for person in people:
        round_of = volley(everybody(person, hosts, each))
        calm = volley(everybody(person, hosts, each))
        usual = percentile(calm)
        first = min(reply.began for reply in round_of)
        slowest = max(reply.seconds for reply in round_of)
        for reply in round_of:
            waited["before the provider answered" if reply.ended - first < latency else "after it"] += 1
            waited["a second too long"] += reply.seconds > latency + 1 + usual
        others = sorted(reply.seconds for reply in round_of)[:-1]
        added.append(statistics.quantiles(others, n=100)[98] - usual)
        middle.append(statistics.median(others) - statistics.median(reply.seconds for reply in calm))
        assert slowest >= latency
        replies += round_of
    asked = len(replies)
    expected = {"before the provider answered": asked - rounds, "after it": rounds}
    fault_case(
        f"R2 token {state}: {asked} requests of {PROCESSES} processes; waiting added "
        f"{statistics.median(middle) * 1000:.0f} ms in the middle, {max(added) * 1000:.0f} ms at p99",
        injected=rounds,
        expected={
            **(expected if state == "serves" else {"after it": asked}),
            "a second too long": 0,
            "refreshes": rounds,
            "200": asked,
            "signed out": 0,
        },
        observed={
            **waited,
            "refreshes": sum(each["refreshes"] for each in held(simulator, people)),
            **summary(replies),
        },
    )
    assert_in_order(site, replies, ahead=OVER + 3)
    evidence(cases=asked, processes=[each.child.pid for each in hosts])


def percentile(replies: Sequence[Reply]) -> float:
    """The 99th of the seconds."""
    return statistics.quantiles([reply.seconds for reply in replies], n=100)[98]
