"""Every path to a token is the same path: no second writer of tokens in the source, and none to be seen in a race."""

import ast
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import pytest
import requests

from tests.acceptance.refreshing import PEOPLE, arrive, assert_in_order, connection_of, held, is_signed_out, record_of
from tests.chaos_cases import Case
from tests.evidence import Report
from tests.site import Host, Simulator, Site
from tests.test_layers import APPLICATION
from tools.chaos.volley import Reply, Shot, volley

PROCESSES = 8
PER_PROCESS = 3
AHEAD = 11 * 60
"""The clock of all processes: every session of a round has been quiet for so long that its first use is written."""
LIVES = {"page and timer, over": 300, "page and timer, due": AHEAD + 200, "rejected": 3600}
"""What a round is about, and how many seconds its token is said to live at the sign-in."""


def places(attribute: str) -> set[str]:
    """The functions of the application in which something of this name is called, as `module:function`."""
    return {
        f"{module}:{function.name}"
        for module, tree in APPLICATION.items()
        for function in functions(tree)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and name_of(node.func) == attribute
    }


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@pytest.mark.acceptance("R9")
@pytest.mark.parametrize(
    ("called", "only_in"),
    [
        ("refresh", {"shared.custody.refresh:_call"}),
        ("take_lease", {"shared.custody.refresh:_lease"}),
        ("save_tokens", {"shared.custody.refresh:_save_or_yield"}),
        ("open_session", {"shared.custody.sign_in:_open"}),
        ("reseal", {"shared.custody.tick:_renew"}),
        (
            "token_properties",
            {
                "shared.storage.connections:save_tokens",
                "shared.storage.connections:reseal",
                "shared.storage.rows:connection_entity",
            },
        ),
        ("connection_entity", {"shared.storage.connections:open_session"}),
    ],
)
def test_tokens_are_asked_for_and_written_in_one_place_each(called: str, only_in: set[str]) -> None:
    """Only the refresh calls the provider; token properties are written by sign-in, save and re-seal alone."""
    assert places(called) == only_in


@pytest.fixture(scope="module")
def fleet(site: Site) -> list[Host]:
    site.simulator.settings(people_count=PEOPLE)
    return site.start_hosts(PROCESSES, clock_offset=AHEAD)


def run_timer(host: Host) -> None:
    requests.post(f"{host.url}/admin/functions/refresh_tokens", json={}, timeout=30).raise_for_status()


@pytest.mark.acceptance("R9")
def test_pages_scripts_timers_and_rejected_tokens_race_for_one_refresh(
    site: Site,
    host: Host,
    fleet: list[Host],
    simulator: Simulator,
    amount: Callable[..., int],
    evidence: Report,
    fault_case: Case,
) -> None:
    """In `strict`, with every session's first use written meanwhile: one refresh a round, one generation on."""
    each_round = PROCESSES * (PER_PROCESS + 1)
    rounds = -(-amount("R9") // each_round)
    simulator.settings(reuse="strict", token_latency=0.3)
    replies: list[Reply] = []
    people, touched, wrong = [], 0, 0
    for _, (about, life) in zip(range(rounds), cycle(LIVES.items()), strict=False):
        simulator.settings(token_lifetime=life, clock_offset=0)
        (person,) = arrive(host)
        people.append(person)
        before = record_of(site.storage, person)
        # Where tokens are rejected the provider's clock has moved on, not ours.
        simulator.settings(token_lifetime=3600, clock_offset=life + 10 if about == "rejected" else 0)
        shots: list[Shot] = [person.asks(it, json=n % 2 == 1) for it in fleet for n in range(PER_PROCESS)]
        with ThreadPoolExecutor(PROCESSES) as pool:
            timers = [pool.submit(run_timer, it) for it in fleet]
            answers = volley(shots)
            for timer in timers:
                timer.result()
        replies += answers
        wrong += sum(reply.status != 200 or is_signed_out(reply) for reply in answers)
        after = record_of(site.storage, person)
        touched += after.sessions[0].seen_at > before.sessions[0].seen_at
    settle(fleet)
    assert sum(report["looked"] for it in fleet for report in it.events("tick")) >= rounds, "the timers found nobody"
    known = held(simulator, people)
    fault_case(
        f"R9: {rounds} rounds of pages, scripts, timers and rejected tokens",
        injected=rounds,
        expected={
            "refreshes": rounds,
            "replays": 0,
            "revoked": 0,
            "generations": {2},
            "wrong answers": 0,
            "first uses written": rounds,
        },
        observed={
            "refreshes": sum(each["refreshes"] for each in known),
            "replays": sum(each["replays"] for each in known),
            "revoked": sum(family["revoked"] for each in known for family in each["families"]),
            "generations": {connection_of(site.storage, person).generation for person in people},
            "wrong answers": wrong,
            "first uses written": touched,
        },
    )
    assert_in_order(site, replies, ahead=AHEAD)
    evidence(cases=rounds * each_round, processes=[it.child.pid for it in fleet])


def settle(fleet: list[Host]) -> None:
    """Return when every timer run that was started has told its report."""
    for host in fleet:
        started = host.child.output().count("Executing 'refresh_tokens'")
        while host.child.output().count("Executed 'refresh_tokens'") < started:
            assert host.child.alive
