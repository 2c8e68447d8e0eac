"""A timer run that is killed, slowed down or meets damaged rows: everybody else is looked after all the same."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.data.tables import TableClient, TableServiceClient, UpdateMode

from functions.refresh_tokens import BUDGET
from shared.custody.tick import WORKERS
from shared.sealing import Keyring
from shared.storage import rows
from tests.acceptance.refreshing import assert_in_order, is_signed_out
from tests.acceptance.revoking import Fleet
from tests.acceptance.signing_in import RING
from tests.acceptance.ticking import INTERVAL, MANY, Everybody, hints_of, move_in
from tests.chaos_cases import Case
from tests.evidence import Report
from tests.site import ROOT, Host, Simulator, Site, start_timer, tick, wait_for
from tools.chaos.arming import Act, Trap
from tools.chaos.clock import MovableClock
from tools.chaos.population import Resident
from tools.chaos.volley import volley

SLOW = 5.0
"""What the token service takes for an answer, in seconds."""
ALERT = ROOT / "infra" / "modules" / "alerts" / "unreadable-rows.kql"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def fleet(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    site.simulator.settings(people_count=MANY)
    folder = tmp_path_factory.mktemp("fleet")
    return Fleet(site, folder, MovableClock(folder / "clock"))


@pytest.fixture(scope="module")
def host(fleet: Fleet) -> Host:
    """One that nobody kills."""
    return wait_for([fleet.launch().host])[0]


@contextmanager
def connections(site: Site) -> Iterator[TableClient]:
    with TableServiceClient.from_connection_string(site.storage) as service:
        yield service.get_table_client(rows.TABLE)


@dataclass(frozen=True)
class Poison:
    """One way in which rows of a person can be damaged; `told` is the reason that the timer gives."""

    name: str
    change: Callable[[Row], None]
    row: str = rows.CONNECTION
    told: str = "connection"
    replaces: bool = True


def put(**values: Any) -> Callable[[Row], None]:
    return lambda row: row.update(values)


def drop(name: str) -> Callable[[Row], None]:
    return lambda row: row.pop(name)


def spoil(name: str, change: Callable[[bytes], bytes]) -> Callable[[Row], None]:
    return lambda row: row.update({name: change(row[name])})


def seal_as_connection(row: Row, *, keys: Keyring = RING, **changes: Any) -> None:
    """Seal the row's tokens anew, with a key or with values that they should not have."""
    opened = rows.to_connection(row, RING)
    row.update(rows.token_properties(dataclasses.replace(opened, **changes), keys))


def seal_garbage_as_profile(row: Row) -> None:
    opened = rows.to_connection(row, RING)
    row["profile"] = RING.seal(b'{"display_name": ', rows._place(opened, "profile"))


def seal_for_another_person(row: Row) -> None:
    opened = rows.to_connection(row, RING)
    row.update(rows.token_properties(dataclasses.replace(opened, user_id="f" * 32), RING))


POISONS = (
    Poison("text for a number", put(generation="1")),
    Poison("text for a moment", put(expires_at="soon")),
    Poison("number for a sealed value", put(refresh_token=7)),
    Poison("no refresh token", drop("refresh_token")),
    Poison("no provider", drop("provider")),
    Poison("no envelope", spoil("access_token", lambda _: b"{}")),
    Poison("one bit of a seal", spoil("refresh_token", lambda it: it[:-1] + bytes([it[-1] ^ 1]))),
    Poison("version of an envelope", spoil("profile", lambda it: b"\x02" + it[1:])),
    Poison("sealed for another person", seal_for_another_person),
    Poison("key that nobody has", lambda row: seal_as_connection(row, keys=Keyring([b"?" * 32])), told="unknown-key"),
    Poison("garbage for JSON", seal_garbage_as_profile),
    Poison("status of another version", put(status="zombie")),
    Poison("expired in 1601", put(expires_at=datetime(1601, 1, 1, tzinfo=UTC))),
    Poison("expires in 9999", put(expires_at=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))),
    Poison(
        "leased until 9999", put(lease_until=datetime(9999, 12, 31, tzinfo=UTC), lease_holder="x", lease_intent="x")
    ),
    Poison("session begun in 9999", put(created_at=datetime(9999, 12, 31, 23, tzinfo=UTC)), "session:", "session"),
    Poison("session without an end", drop("ends_at"), "session:", "session"),
)


def poison(site: Site, resident: Resident, how: Poison) -> None:
    """Damage a row of theirs. Raises when the store does not hold the damage afterwards."""
    user = resident.key.user_id
    row_key = how.row + (resident.key.hash if how.row.endswith(":") else "")
    with connections(site) as table:
        row = dict(table.get_entity(user, row_key))
        before = dict(row)
        how.change(row)
        table.update_entity(row, mode=UpdateMode.REPLACE)
        assert dict(table.get_entity(user, row_key)) != before, f"{how.name}: nothing is damaged"


@pytest.mark.acceptance("F7")
def test_damaged_rows_cost_nobody_else_a_page_or_a_refresh_and_are_told(
    site: Site, host: Host, simulator: Simulator, amount: Callable[..., int], evidence: Report, fault_case: Case
) -> None:
    """Each damaged in another way, they come first in the run; they are kept, counted and told as the alert reads."""
    damaged = move_in(site, len(POISONS), lambda n: timedelta(minutes=6, seconds=n))
    others = move_in(site, amount("F7"), lambda n: timedelta(minutes=10, seconds=n))
    for resident, how in zip(damaged.residents, POISONS, strict=True):
        poison(site, resident, how)
    stored = stored_rows(site, damaged)
    pages = volley(it.asks(host) for it in others.people)
    theirs = volley(it.asks(host) for it in damaged.people)
    report = tick(host)
    told = {event["user"]: event["reason"] for event in host.events("unreadable") if event["reason"] != "page"}
    fault_case(
        f"F7: {len(POISONS)} damaged rows beside {len(others.people)} people",
        injected=len(POISONS),
        expected={
            "pages of others": {200},
            "refreshes of others": {1},
            "looked": len(others.people) + len(POISONS),
            "refreshed": len(others.people),
            "counted": len(POISONS),
            "told": {how.name: how.told for how in POISONS},
            "their pages": {how.name: 503 for how in POISONS},
            "signed out": 0,
            "kept": True,
        },
        observed={
            "pages of others": {reply.status for reply in pages},
            "refreshes of others": set(others.refreshes()),
            "looked": report["looked"],
            "refreshed": report["refreshed"],
            "counted": report["unreadable"],
            "told": {how.name: told.get(it[:12]) for it, how in zip(damaged.users, POISONS, strict=True)},
            "their pages": {how.name: reply.status for reply, how in zip(theirs, POISONS, strict=True)},
            "signed out": sum(map(is_signed_out, [*pages, *theirs])),
            "kept": stored_rows(site, damaged) == stored,
        },
    )
    assert all(hints_of(site, damaged.users).values()), "somebody damaged is never looked at again"
    assert re.search(r'tostring\(e\.event\) == "(\w+)"', ALERT.read_text("utf-8"))[1] == "unreadable"
    evidence(cases=len(others.people), faults=len(POISONS))
    remove(site, damaged)


def stored_rows(site: Site, people: Everybody) -> list[Row]:
    with connections(site) as table:
        return [dict(row) for user in people.users for row in table.query_entities(f"PartitionKey eq '{user}'")]


def remove(site: Site, people: Everybody) -> None:
    """What is damaged would disturb the tests that come."""
    with connections(site) as table:
        for row in stored_rows(site, people):
            table.delete_entity(row["PartitionKey"], row["RowKey"])


@pytest.mark.acceptance("T3")
@pytest.mark.parametrize("share", [50, 10, 90])
def test_a_run_that_dies_is_made_up_for_by_the_next_one(
    pytestconfig: pytest.Config,
    site: Site,
    fleet: Fleet,
    host: Host,
    simulator: Simulator,
    amount: Callable[..., int],
    evidence: Report,
    fault_case: Case,
    share: int,
) -> None:
    """Killed after so many percent of the due tokens, with a slow token service and a damaged row at the front.

    The slice has the slow service for one share alone.
    """
    fleet.clock.move_to(timedelta())
    healthy = -(-amount("T3") // 3)
    everybody = move_in(site, healthy, lambda n: timedelta(minutes=9, seconds=n))
    damaged = move_in(site, 1, lambda _: timedelta(minutes=8))
    poison(site, damaged.residents[0], POISONS[0])
    whole = pytestconfig.getoption("full") or pytestconfig.getoption("chaos")
    latency = SLOW if whole or share == 50 else 0.3
    simulator.settings(token_latency=latency)
    victim = fleet.launch(Trap("connections.save_tokens:after", Act.KILL, after=max(healthy * share // 100, 1) - 1))
    wait_for([victim.host])
    start_timer(victim.host)
    (hit,) = victim.traps.wait(seconds=60)
    victim.host.child.stop()
    saved = sum(record.connection.generation == 2 for record in everybody.records())
    fleet.clock.move_to(INTERVAL)
    report = tick(host, seconds=BUDGET.total_seconds())
    fault_case(
        f"T3 killed at {share} % of {healthy}, {latency} s a token",
        injected=int(hit.pid == victim.host.child.pid),
        expected={"refreshed": healthy, "generations": {2}, "by the next run": healthy - saved, "complete": True},
        observed={
            "refreshed": sum(count >= 1 for count in everybody.refreshes()),
            "generations": everybody.generations(),
            "by the next run": report["refreshed"],
            "complete": report["complete"],
        },
    )
    assert healthy * share // 100 <= saved <= healthy, "what others had sent by then is stored too"
    assert report["unreadable"] == 1
    remove(site, damaged)
    assert_in_order(site, [], ahead=INTERVAL.total_seconds(), killed=[it for it in site.hosts if not it.child.alive])
    evidence(cases=healthy, faults=2, processes=[victim.host.child.pid, host.child.pid])


@pytest.mark.acceptance("T3")
def test_a_run_ends_within_its_budget_and_the_next_one_goes_on_where_it_is_due(
    site: Site, fleet: Fleet, simulator: Simulator, evidence: Report, fault_case: Case
) -> None:
    """The budget is below the interval. While the first token is saved it goes by: nobody begins after that."""
    assert BUDGET < INTERVAL
    fleet.clock.move_to(timedelta())
    everybody = move_in(site, 2 * WORKERS, lambda n: timedelta(minutes=9, seconds=n))
    simulator.settings(token_latency=1)
    slow = fleet.launch(Trap("connections.save_tokens:before", Act.SLEEP, seconds=1, times=2 * WORKERS))
    wait_for([slow.host])
    with ThreadPoolExecutor(1) as aside:
        running = aside.submit(tick, slow.host, 60)
        hits = slow.traps.wait(seconds=60)
        fleet.clock.move_to(BUDGET)
        first = running.result()
    fleet.clock.move_to(INTERVAL)
    hints = hints_of(site, everybody.users)
    second = tick(slow.host, 60)
    fault_case(
        f"T3 the budget ends under {len(everybody.users)} due tokens",
        injected=len(hits),
        expected={"complete": (False, True), "refreshed": {1}, "hints": {1}, "begun in the first": True},
        observed={
            "complete": (first["complete"], second["complete"]),
            "refreshed": set(everybody.refreshes()),
            "hints": {len(each) for each in hints.values()},
            "begun in the first": 0 < first["refreshed"] <= WORKERS,
        },
    )
    assert first["refreshed"] + second["refreshed"] == len(everybody.users)
    assert_in_order(site, [], ahead=INTERVAL.total_seconds(), killed=[it for it in site.hosts if not it.child.alive])
    evidence(faults=1, processes=[slow.host.child.pid])
