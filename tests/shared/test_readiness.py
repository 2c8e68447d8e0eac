"""The report behind `readyz`: what each part says, and how little it may cost."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.errors import StoreError, VaultError
from shared.readiness import KEPT_SECONDS, Readiness, Watch, look, needs

GOOD = {
    "PUBLIC_URL": "https://gatehouse.example",
    "AZURE_DEVOPS_APP_ID": "11111111-2222-3333-4444-555555555555",
    "AZURE_DEVOPS_CLIENT_SECRET": "secret",
    "TOKEN_ENCRYPTION_KEY": "ab" * 32,
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}
OK = Readiness("ok", "ok", "ok")


def fine() -> None:
    pass


def failing(error: Exception):
    def probe() -> None:
        raise error

    return probe


def test_all_parts_ok_is_ready() -> None:
    assert look(GOOD, store=fine, vault=fine) == OK
    assert OK.ready


@pytest.mark.parametrize(
    ("change", "store", "vault", "found"),
    [
        ({}, failing(StoreError("probe: 403")), fine, Readiness("ok", "failing", "ok")),
        ({}, fine, failing(VaultError("unreachable")), Readiness("ok", "ok", "failing")),
        ({}, failing(RuntimeError("a bug")), fine, Readiness("ok", "failing", "ok")),
        ({"PUBLIC_URL": ""}, None, None, Readiness("failing", "failing", "failing")),
        ({"AZURE_DEVOPS_APP_ID": ""}, fine, fine, Readiness("failing", "ok", "ok")),
    ],
    ids=["store", "vault", "bug", "settings", "no-provider"],
)
def test_a_part_that_fails_is_named_and_the_site_is_not_ready(change, store, vault, found: Readiness) -> None:
    assert look(GOOD | change, store=store, vault=vault) == found
    assert not found.ready


@pytest.mark.parametrize("name", GOOD)
def test_the_settings_are_ready_exactly_where_the_set_up_page_has_only_ticks(name: str) -> None:
    for environ in (GOOD, {key: value for key, value in GOOD.items() if key != name}):
        ticked = all(need.ok for need in needs(environ))
        assert look(environ, store=fine, vault=fine).config == ("ok" if ticked else "failing")


def test_why_a_part_fails_is_told_to_the_log_by_name_and_never_by_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        look(GOOD | {"SESSION_IDLE_HOURS": "canary"}, store=failing(StoreError("probe: 403")), vault=fine)
    assert "config: SESSION_IDLE_HOURS" in caplog.text
    assert "store: probe: 403" in caplog.text
    assert "canary" not in caplog.text


class Looks:
    """Counts the looks, which take until `end` is set, and holds the clock."""

    def __init__(self) -> None:
        self.time = 0.0
        self.count = 0
        self.begun = threading.Event()
        self.end = threading.Event()
        self.found = OK
        self.end.set()
        self.watch = Watch(self.look, lambda: self.time)

    def look(self) -> Readiness:
        self.count += 1
        self.begun.set()
        assert self.end.wait(10)
        return self.found


@pytest.fixture
def looks() -> Looks:
    return Looks()


def test_a_report_is_kept_for_ten_seconds_and_no_longer(looks: Looks) -> None:
    for looks.time in (0, 1, KEPT_SECONDS - 0.1):
        looks.watch.report()
    assert looks.count == 1
    looks.time, looks.found = KEPT_SECONDS, Readiness("ok", "failing", "ok")
    assert looks.watch.report().store == "failing"


def test_a_failure_is_over_ten_seconds_later(looks: Looks) -> None:
    looks.found = Readiness("ok", "failing", "ok")
    looks.watch.report()
    looks.time, looks.found = KEPT_SECONDS, OK
    assert looks.watch.report().ready


def test_who_comes_during_a_look_gets_the_report_before_it_at_once(looks: Looks) -> None:
    looks.watch.report()
    looks.time, looks.found = KEPT_SECONDS, Readiness("ok", "failing", "ok")
    looks.begun.clear()
    looks.end.clear()
    with ThreadPoolExecutor() as pool:
        looking = pool.submit(looks.watch.report)
        assert looks.begun.wait(10)
        assert [looks.watch.report() for _ in range(100)] == [OK] * 100
        looks.end.set()
        assert looking.result().store == "failing"
    assert looks.count == 2


def test_everybody_waits_for_the_very_first_look_and_it_is_one(looks: Looks) -> None:
    looks.end.clear()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(looks.watch.report) for _ in range(8)]
        assert looks.begun.wait(10)
        looks.end.set()
        assert {one.result() for one in waiting} == {OK}
    assert looks.count == 1
