"""The store dies right after the provider has answered: what the holder does with tokens that it cannot store."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass

import pytest

from tests.acceptance.refreshing import (
    MODES,
    OVER,
    PEOPLE,
    arrive,
    assert_in_order,
    connection_of,
    explains_sign_in,
    held,
    is_signed_out,
    token_calls,
)
from tests.chaos_cases import Case
from tests.conftest import empty_tables
from tests.evidence import Report
from tests.site import Host, Site, start_site
from tools.chaos.storage_proxy import Fault, Refuse, StorageProxy
from tools.chaos.volley import Reply, fire

OUTAGES = (5, 15, 120)
HOLDS_ON = 20
"""Seconds for which a holder tries to write."""


@dataclass
class Stage:
    """A provider of one mode, a way to the store that can fail, and two processes at whose clocks tokens are over."""

    mode: str
    site: Site
    store: StorageProxy
    home: Host
    holder: Host
    successor: Host


@dataclass
class Found:
    """What happened in one outage."""

    injected: int
    replies: list[Reply]
    facts: dict[str, object]


@pytest.fixture(scope="module")
def stages(azurite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Stage]]:
    """One for each mode, so that they can fail at the same time."""
    empty_tables(azurite)
    with ExitStack() as ending:
        found = []
        for mode in MODES:
            store = ending.enter_context(closing(StorageProxy(azurite)))
            site = start_site(tmp_path_factory.mktemp(mode), store.connection_string)
            ending.callback(site.stop)
            site.simulator.settings(people_count=PEOPLE, reuse=mode)
            hosts = [site.start_host(), *site.start_hosts(2, clock_offset=OVER)]
            found.append(Stage(mode, site, store, *hosts))
        yield found


def outage(stage: Stage, seconds: int) -> Found:
    """The write of the new tokens is refused, and everything else with it, for so many seconds."""
    (person,) = arrive(stage.home)
    fault = Fault(effect=Refuse(503), method="PATCH", table="connections", holding=b"refresh_token", lasts=seconds)
    with stage.store.injecting(fault):
        waited = fire(person.asks(stage.holder))
        after_the_holder = token_calls(stage.site.simulator, person)
        assert fault.ended_at, "nothing was written"
        time.sleep(max(fault.ended_at - time.monotonic(), 0))
    afterwards = [fire(person.asks(stage.successor)) for _ in range(2)]
    stored = connection_of(stage.site.storage, person)
    (provider,) = held(stage.site.simulator, [person])
    facts = {
        "holder": waited.status,
        "answered before the write": waited.status == 200 and waited.ended < fault.ended_at,
        "token calls of the holder": after_the_holder,
        "afterwards": [reply.status for reply in afterwards],
        "generation": stored.generation,
        "lease": stored.lease,
        "replays": provider["replays"],
        "signed out": sum(map(is_signed_out, [waited, *afterwards])),
        "told": all(map(explains_sign_in, afterwards)),
        "kept trying": fault.injected >= min(seconds, HOLDS_ON),
    }
    return Found(fault.injected, [waited, *afterwards], facts)


def expected(mode: str, seconds: int) -> dict[str, object]:
    """Only what a longer outage than the holder's patience leaves in its memory can be lost, and only to a provider
    that takes the old token no more."""
    over = seconds > HOLDS_ON
    lost = over and mode in ("grace30", "strict")
    return {
        "holder": 503 if over else 200,
        "answered before the write": False,
        "token calls of the holder": 1,
        "afterwards": [401 if lost else 200] * 2,
        "generation": 1 if lost else 2,
        "lease": None,
        "replays": int(lost),
        "signed out": 0,
        "told": lost,
        "kept trying": True,
    }


@pytest.mark.acceptance("R5")
def test_new_tokens_are_written_again_and_again_and_the_old_one_is_never_sent_again(
    stages: list[Stage], amount: Callable[..., int], evidence: Report, fault_case: Case
) -> None:
    """Outages of 5, 15 and 120 s after the token response, in every mode: no answer comes before the write."""
    for seconds in OUTAGES[: amount("R5") // len(MODES)]:
        with ThreadPoolExecutor(len(stages)) as pool:
            results = list(pool.map(lambda stage, seconds=seconds: outage(stage, seconds), stages))
        for stage, found in zip(stages, results, strict=True):
            aim = expected(stage.mode, seconds)
            name = f"R5 {stage.mode}: store gone for {seconds} s after the response"
            fault_case(name, injected=found.injected, expected=aim, observed=found.facts)
            evidence(cases=1, faults=1, processes=[stage.holder.child.pid, stage.successor.child.pid])
        for stage, found in zip(stages, results, strict=True):
            assert_in_order(stage.site, found.replies, ahead=OVER)
