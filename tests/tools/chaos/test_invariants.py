"""The check after every test finds what it is there to find, and nothing where nothing is wrong."""

import dataclasses
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient

from shared.custody.rules import Limits
from tests.acceptance.signing_in import RING, stored
from tests.conftest import empty_tables
from tests.site import Browser
from tools.chaos import invariants
from tools.chaos.invariants import HEADERS, Store
from tools.chaos.volley import Reply, Shot
from tools.run import processes

Rewrite = Callable[[TableServiceClient, str, str], None]
HOUR = timedelta(hours=1)


@pytest.fixture
def store(azurite: str, browser: Browser) -> Store:
    """A store in which one person is signed in."""
    empty_tables(azurite)
    browser.sign_in()
    limits = Limits(timedelta(hours=24), timedelta(hours=8))
    return Store(azurite, RING, datetime.now(UTC), limits, timedelta(minutes=15))


def change(name: str, value: Callable[[str], object]) -> Rewrite:
    def rewrite(service: TableServiceClient, user: str, token: str) -> None:
        row = {"PartitionKey": user, "RowKey": "connection", name: value(token)}
        service.get_table_client("connections").update_entity(row)

    return rewrite


def late_hint(service: TableServiceClient, user: str, _: str) -> None:
    """The hint of a sign-in is moved past the moment at which the token is due."""
    table = service.get_table_client("due")
    for row in list(table.list_entities()):
        table.delete_entity(row)
    table.create_entity({"PartitionKey": "due", "RowKey": f"{datetime.now(UTC) + HOUR:%Y%m%d%H%M%S}:{user}"})


def no_hint(service: TableServiceClient, user: str, token: str) -> None:
    late_hint(service, "f" * 32, token)


def test_a_store_at_rest_in_order_has_no_findings(store: Store) -> None:
    assert invariants.checked(store=store) == []


@pytest.mark.parametrize(
    ("rewrite", "finding"),
    [
        pytest.param(no_hint, "hint missing", id="no-hint"),
        pytest.param(late_hint, "to be looked at", id="hint-too-late"),
        pytest.param(change("lease_until", lambda _: datetime.now(UTC) - HOUR), "a lease is left", id="lease"),
        pytest.param(change("note", lambda token: f"saw {token}"), "stands in the store", id="plaintext"),
        pytest.param(change("note", lambda token: token.encode()), "stands in the store", id="plain-bytes"),
        pytest.param(change("refresh_token", lambda _: b"broken"), "does not open", id="unreadable"),
    ],
)
def test_whatever_is_wrong_in_the_store_is_found(
    azurite: str, store: Store, browser: Browser, rewrite: Rewrite, finding: str
) -> None:
    held = stored(azurite, browser)
    assert held.connection
    with TableServiceClient.from_connection_string(azurite) as service:
        rewrite(service, held.user_id, held.connection.refresh_token)
    findings = invariants.checked(store=dataclasses.replace(store, now=datetime.now(UTC)))
    assert any(finding in each for each in findings), findings


@pytest.mark.parametrize(
    ("status", "without", "finding"),
    [
        (200, "", None),
        (503, "", None),
        (500, "", "500"),
        (504, "", "504"),
        (0, "", "no answer"),
        (404, "content-security-policy", "without content-security-policy"),
    ],
)
def test_answers_are_expected_and_carry_the_security_headers(status: int, without: str, finding: str | None) -> None:
    headers = {name: "x" for name in HEADERS if name != without} if status else {}
    reply = Reply(Shot("http://site/"), status, headers, "", 0, 0)
    findings = invariants.checked(replies=[reply])
    assert len(findings) == (finding is not None)
    assert all(finding in each for each in findings)


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "[2026-11-24T12:00:00.000Z] ERROR gatehouse: unhandled in dashboard (abc)",
        "[2026-11-24T12:00:00.000Z] CRITICAL host: over",
        "Task exception was never retrieved",
    ],
)
def test_trouble_in_a_log_and_a_dead_process_are_found(tmp_path: Path, line: str) -> None:
    child = processes.start(
        "host-9", [sys.executable, "-c", f"print({line!r})"], log=tmp_path / "log", environment=os.environ, cwd=tmp_path
    )
    child.process.wait()
    assert [each.partition(":")[0] for each in invariants.checked(children=[child])] == ["host-9 ended", "host-9"]


def test_other_checks_are_handed_in() -> None:
    assert invariants.checked(more=[lambda: ["a secret in a log"], list]) == ["a secret in a log"]
