"""The timer's run: it looks at everybody who is due, moves their hints, and nobody's trouble is another's."""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from shared.custody.pace import Pace
from shared.custody.report import TickReport
from shared.custody.rules import Limits
from shared.custody.sign_out import sign_out
from shared.custody.tick import GROUP, ROUNDS, WORKERS, grouped, tick
from shared.errors import AppFault, Fenced, StoreError, Throttled, UnknownKey, Unreadable
from shared.models.custody import Revocation, Status, UserRecord
from shared.oauth.provider import Revoked
from shared.sealing import Keyring, id_of
from shared.storage.due import Hint
from tests.fakes import FIRST_KEY, NOON, SECOND_KEY, FakeProvider, World

REFRESH = "provider.refresh"
BUDGET = timedelta(minutes=4)
SLACK = timedelta(seconds=2)
"""Hints are rounded up to whole seconds, and pacing takes milliseconds."""


def run(world: World, **changes) -> TickReport:
    custody = dataclasses.replace(world.custody, **changes) if changes else world.custody
    return tick(custody, BUDGET)


def only_hint(world: World, user_id: str) -> datetime:
    (at,) = world.due.of(user_id)
    return at


def is_about(at: datetime, expected: datetime) -> bool:
    return timedelta(0) <= at - expected <= SLACK


@pytest.fixture
def ada(world: World) -> str:
    return world.sign_in("ada").user_id


class TestLooks:
    def test_who_is_due_is_refreshed_early_and_looked_at_again_when_due_again(self, world, ada):
        world.advance(minutes=45)
        report = run(world)
        assert (report.looked, report.refreshed, report.complete) == (1, 1, True)
        stored = world.connection(ada)
        assert stored.generation == 2
        assert is_about(only_hint(world, ada), stored.expires_at - timedelta(minutes=15))

    def test_who_is_not_due_is_not_looked_at(self, world, ada):
        world.advance(minutes=44)
        start = len(world.journal.calls)
        assert run(world).looked == 0
        assert world.journal.calls[start:] == ["due.until", "logins.purge"]

    def test_a_user_whom_a_request_refreshed_meanwhile_costs_one_load(self, world, ada):
        world.advance(minutes=44)
        world.due.put([Hint(world.clock.now(), ada)])
        start = len(world.journal.calls)
        run(world)
        assert world.journal.since(start, "connections") == ["connections.load"]
        assert world.journal.since(start, "provider") == []
        assert is_about(max(world.due.of(ada)), NOON + timedelta(minutes=45))

    def test_due_users_cost_three_operations_each_and_their_hints_two_in_all(self, world):
        for number in range(GROUP):
            world.sign_in(f"user {number}")
        world.advance(minutes=45)
        start = len(world.journal.calls)
        assert run(world).refreshed == GROUP
        calls = world.journal.calls[start:]
        table = [call for call in calls if not call.startswith(("provider", "logins"))]
        assert len(table) == 3 * GROUP + 3
        assert [call for call in calls if call.startswith("due")] == ["due.until", "due.put", "due.remove"]

    def test_a_user_with_many_hints_is_looked_at_once_and_gets_one(self, world, ada):
        world.due.put([Hint(NOON + timedelta(minutes=minutes), ada) for minutes in range(10)])
        world.advance(minutes=45)
        assert run(world).looked == 1
        only_hint(world, ada)

    def test_a_later_hint_of_the_same_user_is_left_alone(self, world, ada):
        later = NOON + timedelta(hours=5)
        world.due.put([Hint(later, ada)])
        world.advance(minutes=45)
        run(world)
        assert later in world.due.of(ada)

    def test_in_reconnect_nobody_is_refreshed_and_the_look_is_hourly(self, world, ada):
        connection = world.connection(ada)
        world.connections.release(dataclasses.replace(connection, status=Status.RECONNECT))
        world.advance(minutes=45)
        run(world)
        assert world.journal.count(REFRESH) == 0
        assert is_about(only_hint(world, ada), world.clock.now() + timedelta(hours=1))

    def test_a_refusal_is_counted_by_its_class_and_looked_at_after_its_pause(self, world, ada):
        world.advance(minutes=45)
        world.journal.before(REFRESH, AppFault("invalid_client"))
        assert run(world).failed == {"app_fault": 1}
        assert is_about(only_hint(world, ada), world.clock.now() + timedelta(seconds=30))

    def test_another_instance_at_the_same_time_refreshes_nobody_twice(self, world):
        world.provider.reuse = "strict"
        users = [world.sign_in(f"user {number}").user_id for number in range(20)]
        world.advance(minutes=45)
        with ThreadPoolExecutor(3) as pool:
            reports = list(pool.map(lambda custody: tick(custody, BUDGET), [world.process() for _ in range(3)]))
        assert world.journal.count(REFRESH) == 20
        assert sum(report.refreshed for report in reports) == 20
        assert {world.connection(user).generation for user in users} == {2}
        assert world.provider.replays == 0

    def test_a_budget_that_is_over_leaves_the_rest_to_the_next_run(self, world):
        for number in range(2 * GROUP):
            world.sign_in(f"user {number}")
        world.advance(minutes=45)
        world.journal.after("due.remove", lambda: world.clock.advance(BUDGET))
        report = run(world)
        assert (report.complete, report.looked) == (False, GROUP)
        assert run(world).looked == GROUP

    def test_a_budget_that_ends_within_a_group_leaves_the_rest_and_their_hints(self, world):
        """One user takes the whole budget: nobody begins after that, and the next run goes on where they are due."""
        users = [world.sign_in(f"user {number}").user_id for number in range(GROUP)]
        world.advance(minutes=45)
        hints = {user: world.due.of(user) for user in users}
        world.journal.after("connections.save_tokens", lambda: world.clock.advance(BUDGET))
        report = run(world)
        assert not report.complete
        assert 1 <= report.refreshed <= WORKERS
        left = [user for user in users if world.connection(user).generation == 1]
        assert len(left) == GROUP - report.refreshed
        assert all(world.due.of(user) == hints[user] for user in left)
        assert run(world).refreshed == len(left)

    @pytest.mark.parametrize("answer", [Revoked.LATER, Revoked.DONE])
    def test_a_budget_that_ends_among_the_revocations_of_one_user_leaves_the_rest(self, world, ada, answer):
        """A hundred rows and a service that takes its five seconds for each would outlive the invocation."""
        rows = [
            Revocation(id=f"{n:016x}", provider="azure-devops", refresh_token=str(n), retry_at=NOON) for n in range(100)
        ]
        for row in rows:
            world.connections.add_revocation(ada, row)
        world.due.put([Hint(NOON, ada)])
        hints = world.due.of(ada)
        world.journal.before("provider.revoke", *[lambda: world.advance(seconds=5)] * 60)
        world.provider.revocation_answers.extend([answer] * 100)
        report = run(world)
        assert world.clock.now() - NOON <= BUDGET + timedelta(seconds=5)
        assert not report.complete
        assert report.revoked + len(world.told("revocation_delayed")) == BUDGET / timedelta(seconds=5)
        assert world.due.of(ada) == hints
        assert run(world).complete

    def test_a_budget_that_is_over_before_a_connection_can_end_leaves_it_to_the_next_run(self, world, ada):
        world.advance(hours=8)
        world.journal.after("connections.load", lambda: world.clock.advance(BUDGET))
        report = run(world)
        assert (report.complete, report.ended, world.provider.revoked) == (False, 0, [])
        assert run(world).ended == 1

    def test_users_come_in_groups_of_a_hundred_in_the_order_of_their_hints(self):
        groups = list(grouped(Hint(NOON, str(number // 2)) for number in range(500)))
        assert [len(group) for group in groups] == [100, 100, 50]
        assert [user for group in groups for user in group] == [str(number) for number in range(250)]
        assert all(len(hints) == 2 for group in groups for hints in group.values())


class TestHints:
    def test_new_ones_are_written_before_old_ones_are_deleted(self, world, ada):
        world.advance(minutes=45)
        start = len(world.journal.calls)
        run(world)
        calls = world.journal.calls[start:]
        assert calls.index("connections.save_tokens") < calls.index("due.put") < calls.index("due.remove")

    @pytest.mark.parametrize("step", ["due.put", "due.remove"])
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_run_that_dies_at_a_step_leaves_a_hint(self, world, ada, step, when):
        world.advance(minutes=45)
        getattr(world.journal, when)(step, StoreError("killed"))
        with pytest.raises(StoreError):
            run(world)
        assert world.due.of(ada)
        run(world)
        assert is_about(max(world.due.of(ada)), world.connection(ada).expires_at - timedelta(minutes=15))

    def test_an_empty_partitions_hint_stays_for_fifteen_minutes_after_its_time(self, world):
        world.due.put([Hint(NOON, "nobody")])
        world.advance(minutes=14, seconds=59)
        assert run(world).looked == 1
        assert world.due.of("nobody") == [NOON]
        world.advance(seconds=1)
        run(world)
        assert world.due.of("nobody") == []

    def test_a_sign_in_between_its_hint_and_its_rows_is_not_lost(self, world):
        """The timer looks at the empty partition, then the rows come: their hint must still be there."""
        soon = Limits(timedelta(seconds=30), timedelta(seconds=30))
        world.custody = world.process(limits=soon)

        def look_first() -> None:
            world.advance(minutes=2)
            run(world)

        world.journal.before("connections.open_session", look_first)
        ada = world.sign_in("ada").user_id
        assert min(world.due.of(ada)) <= world.clock.now() + timedelta(seconds=30)

    def test_a_sign_out_between_its_hint_and_its_end_is_not_lost(self, world):
        """The timer moves the hint to the next refresh; the revocation must not wait for that."""
        key = world.sign_in("ada")
        world.provider.revocation_answers.extend([Revoked.LATER] * 2)
        world.journal.before("connections.end_connection", lambda: run(world))
        sign_out(world.custody, key.user_id, key.hash)
        assert min(world.due.of(key.user_id)) <= world.clock.now() + timedelta(seconds=30)


class TestIsolation:
    @pytest.mark.parametrize("error", [StoreError("down"), UnknownKey("k2"), Unreadable("bad"), RuntimeError("bug")])
    def test_one_poisoned_user_stops_nobody_else_and_is_looked_at_again(self, world, error):
        users = [world.sign_in(f"user {number}").user_id for number in range(10)]
        world.connections.poisoned[users[4]] = error
        world.advance(minutes=45)
        report = run(world)
        assert (report.looked, report.refreshed, sum(report.failed.values())) == (10, 9, 1)
        assert is_about(only_hint(world, users[4]), world.clock.now() + timedelta(minutes=5))

    def test_a_row_that_does_not_open_is_kept_counted_and_told(self, world):
        users = [world.sign_in(f"user {number}").user_id for number in range(5)]
        world.connections.damaged.add(users[0])
        world.advance(minutes=45)
        report = run(world)
        assert (report.refreshed, report.unreadable) == (4, 1)
        assert [told["user"] for told in world.told("unreadable")] == [users[0]]
        assert world.record(users[0]).connection_etag
        assert only_hint(world, users[0])

    def test_rows_that_cannot_be_read_are_told_each(self, world):
        users = [world.sign_in(f"user {number}").user_id for number in range(2)]
        world.connections.poisoned[users[0]] = UnknownKey("k2")
        world.connections.damaged.add(users[1])
        world.advance(minutes=45)
        assert run(world).unreadable == 2
        assert {told["user"]: told["reason"] for told in world.told("unreadable")} == {
            users[0]: "unknown-key",
            users[1]: "connection",
        }

    def test_a_session_that_does_not_open_ends_no_connection_and_refreshes_none(self, world, ada, monkeypatch):
        """It may be live, or long over: nothing is guessed at."""
        load = world.connections.load

        def damaged(user_id: str) -> UserRecord:
            record = load(user_id)
            return dataclasses.replace(record, sessions=(), unreadable=("session:" + record.sessions[0].hash,))

        monkeypatch.setattr(world.connections, "load", damaged)
        world.advance(hours=8)
        report = run(world)
        assert (report.ended, report.refreshed, report.unreadable) == (0, 0, 1)
        assert world.record(ada).connection

    def test_a_store_that_fails_for_one_save_loses_no_token(self, world, ada):
        world.advance(minutes=45)
        world.journal.before("connections.save_tokens", *[StoreError("down")] * 10)
        assert run(world).refreshed == 1
        assert world.provider.use(world.connection(ada).access_token)


class TestPace:
    def test_no_more_calls_a_second_than_allowed(self, world):
        users = 20
        for number in range(users):
            world.sign_in(f"user {number}")
        world.advance(minutes=45)
        called: list[float] = []
        world.journal.before(REFRESH, *[lambda: called.append(time.monotonic())] * users)
        started = time.monotonic()
        assert run(world, calls_per_second=50, sleep=time.sleep).refreshed == users
        assert all(moment - started >= number / 50 for number, moment in enumerate(sorted(called)))

    def test_threads_get_turns_of_their_own(self):
        pace = Pace(100, time.sleep)
        started = time.monotonic()

        def turn(_) -> float:
            pace.wait()
            return time.monotonic() - started

        with ThreadPoolExecutor(8) as pool:
            turns = sorted(pool.map(turn, range(40)))
        assert all(after >= number / 100 for number, after in enumerate(turns))

    def test_who_needs_no_call_waits_for_no_turn(self, world, ada):
        world.due.put([Hint(NOON, ada)])
        run(world, calls_per_second=1)
        assert world.clock.slept == []

    def test_revocations_wait_for_their_turns_too(self, world):
        for number in range(10):
            world.sign_in(f"user {number}")
        world.advance(hours=8)
        assert run(world, calls_per_second=10).ended == 10
        assert sum(world.clock.slept) >= 9 * 2 / 10

    def test_a_service_that_asks_to_wait_is_left_alone_by_the_whole_run(self, world):
        """Whoever is due meanwhile stays due, under the same hint: the oldest are first again."""
        users = [world.sign_in(f"user {number}").user_id for number in range(GROUP + WORKERS)]
        world.advance(minutes=45)
        world.journal.before(REFRESH, *[Throttled("429", retry_after=60)] * WORKERS)
        hints = {user: world.due.of(user) for user in users}
        report = run(world, sleep=time.sleep)
        asked = world.journal.count(REFRESH)
        assert asked <= WORKERS
        assert report.failed == {"throttled": asked}
        assert not report.complete
        assert sum(world.due.of(user) == hints[user] for user in users) == len(users) - asked
        world.advance(seconds=50)
        run(world, sleep=time.sleep)
        assert world.journal.count(REFRESH) == asked
        world.journal._before.clear()
        world.advance(seconds=11)
        assert run(world, sleep=time.sleep).refreshed == len(users)


class TestKeys:
    def test_a_look_reseals_what_is_not_under_the_newest_key(self, world, ada):
        world.keyring = Keyring([SECOND_KEY, FIRST_KEY])
        world.due.put([Hint(NOON, ada)])
        before = world.connection(ada)
        report = run(world)
        after = world.connection(ada)
        assert (before.key_id, after.key_id) == (id_of(FIRST_KEY), id_of(SECOND_KEY))
        assert (after.generation, after.access_token) == (before.generation, before.access_token)
        assert (report.old_key, world.journal.count(REFRESH)) == (0, 0)

    def test_refreshes_are_counted_by_key_and_by_client_secret(self, world, ada):
        world.sign_in("björn")
        world.keyring = Keyring([SECOND_KEY, FIRST_KEY])
        world.provider.secret_id = "0fa11ba1"
        world.advance(minutes=45)
        report = run(world)
        assert report.fields()["refreshed_by_key"] == {id_of(SECOND_KEY): 2}
        assert report.fields()["refreshed_by_secret"] == {"0fa11ba1": 2}

    def test_connections_of_a_replaced_client_secret_are_counted_until_they_are_refreshed(self, world, ada):
        world.provider.secret_id = "0fa11ba1"
        world.due.put([Hint(world.clock.now(), ada)])
        assert run(world).old_secret == 1
        world.advance(minutes=45)
        assert run(world).old_secret == 0
        world.provider.secret_id = None
        world.due.put([Hint(world.clock.now(), ada)])
        assert run(world).old_secret == 0, "without a secret there is no newest one"

    @pytest.mark.parametrize(
        ("left", "days"), [(timedelta(days=14, minutes=-1), 13), (timedelta(days=60), 60), (timedelta(hours=-1), -1)]
    )
    def test_the_days_that_our_secrets_have_left_are_told(self, world, left, days):
        assert run(world).secret_days_left is None
        world.secrets_end = world.clock.now() + left
        assert run(world).secret_days_left == days

    def test_a_refresh_reseals_by_itself(self, world, ada):
        world.keyring = Keyring([SECOND_KEY, FIRST_KEY])
        world.advance(minutes=45)
        run(world)
        assert world.connection(ada).key_id == id_of(SECOND_KEY)
        assert world.journal.count("connections.reseal") == 0

    def test_a_row_whose_reseal_lost_a_race_is_looked_at_again_soon(self, world, ada):
        world.keyring = Keyring([SECOND_KEY, FIRST_KEY])
        world.due.put([Hint(NOON, ada)])
        world.journal.before("connections.reseal", lambda: world.connections.release(world.connection(ada)))
        run(world)
        assert min(world.due.of(ada)) <= world.clock.now() + timedelta(minutes=5) + SLACK

    def test_a_look_reseals_what_waits_to_be_revoked_though_it_is_not_tried_yet(self, world, ada):
        later = world.clock.now() + timedelta(hours=24)
        rows = [
            Revocation(id=f"{n:016x}", provider="azure-devops", refresh_token="old", retry_at=later) for n in range(2)
        ]
        world.connections.add_revocation(ada, rows[0])
        world.connections.add_revocation(ada, dataclasses.replace(rows[1], outcome="revoked", created_at=NOON))
        world.keyring = Keyring([SECOND_KEY, FIRST_KEY])
        world.due.put([Hint(NOON, ada)])
        report = run(world)
        kept, settled = world.record(ada).revocations
        assert (kept.key_id, kept.refresh_token, kept.retry_at) == (id_of(SECOND_KEY), "old", later)
        assert (settled.outcome, world.journal.count("connections.update_revocation")) == ("revoked", 1)
        assert (report.old_key, world.provider.revoked) == (0, [])
        world.keyring = Keyring([SECOND_KEY])
        assert world.record(ada)

    def test_rows_that_a_look_had_to_leave_under_an_old_key_are_counted(self, world):
        world.sign_in("ada")
        world.advance(hours=7)
        user = world.sign_in("ada").user_id
        world.keyring = Keyring([SECOND_KEY, FIRST_KEY])
        world.advance(hours=1)
        world.journal.before("connections.end_sessions", *[Fenced("a rival")] * ROUNDS)
        assert run(world).old_key == 2, "the connection, and the tokens that the second sign-in replaced"
        world.due.put([Hint(world.clock.now(), user)])
        assert run(world).old_key == 0

    def test_a_key_is_gone_from_all_rows_after_an_hour(self, world):
        users = [world.sign_in(f"user {number}").user_id for number in range(5)]
        revoked = Revocation(id="1" * 16, provider="azure-devops", refresh_token="old", retry_at=NOON, created_at=NOON)
        world.connections.add_revocation(users[0], revoked)
        world.keyring = Keyring([SECOND_KEY, FIRST_KEY])
        world.provider.revocation_answers.extend([Revoked.LATER] * 100)
        for _ in range(13):
            world.advance(minutes=5)
            run(world)
        assert {world.connection(user).key_id for user in users} == {id_of(SECOND_KEY)}
        assert world.record(users[0]).revocations[0].key_id == id_of(SECOND_KEY)


class TestProviders:
    """Taking a provider away ends its connections; settings that are missing altogether end nobody's."""

    def test_a_provider_that_gave_way_to_another_ends_its_connections(self, world, ada):
        world.advance(hours=1)
        other = FakeProvider(world.clock, name="entra")
        report = run(world, providers={"entra": other})
        assert report.ended == 1
        assert world.record(ada).connection is None
        assert world.record(ada).sessions == ()

    def test_without_any_provider_everybody_stays(self, world, ada):
        world.advance(hours=1)
        report = run(world, providers={})
        assert report.ended == 0
        assert world.record(ada).connection is not None
        assert len(world.record(ada).sessions) == 1
        assert only_hint(world, ada) > world.clock.now()


class TestSessions:
    def test_those_that_are_over_end_and_others_stay(self, world):
        old = world.sign_in("ada")
        world.advance(hours=7)
        new = world.sign_in("ada")
        world.advance(hours=1)
        report = run(world)
        assert [session.hash for session in world.record(new.user_id).sessions] == [new.hash]
        assert [told["session"] for told in world.told("session_expired")] == [old.hash]
        assert (report.ended, report.refreshed) == (0, 1)

    def test_the_end_of_the_last_one_ends_the_connection_without_a_refresh_and_revokes(self, world, ada):
        world.advance(hours=8)
        report = run(world)
        record = world.record(ada)
        assert (record.connection, record.sessions, report.ended, report.revoked) == (None, (), 1, 1)
        assert world.journal.count(REFRESH) == 0
        assert world.provider.revoked == ["refresh-1", "access-1"]
        assert world.told("connection_ended")[0]["reason"] == "sessions_over"

    def test_one_that_ends_between_the_look_and_its_hint_is_ended_by_the_next_run(self, world, ada):
        world.advance(hours=8, seconds=-1)
        world.journal.after("connections.save_tokens", lambda: world.advance(seconds=1))
        assert run(world).ended == 0
        assert is_about(only_hint(world, ada), world.clock.now() + timedelta(seconds=30))

    def test_the_incident_switch_ends_all_at_their_next_look(self, world, ada):
        world.advance(minutes=45)
        limits = dataclasses.replace(world.custody.limits, not_before=NOON + timedelta(minutes=1))
        run(world, limits=limits)
        assert world.record(ada).connection is None
        assert world.journal.count(REFRESH) == 0

    def test_a_session_that_began_while_the_last_one_ended_keeps_the_connection(self, world, ada):
        world.advance(hours=8)
        world.journal.before("connections.end_connection", lambda: world.sign_in("ada"))
        run(world)
        record = world.record(ada)
        assert record.connection
        assert len(record.sessions) == 1

    def test_everything_of_a_user_is_gone_a_day_after_the_end(self, world, ada):
        world.advance(hours=8)
        for _ in range(27):
            run(world)
            world.advance(hours=1)
        record = world.record(ada)
        assert (record.connection_etag, record.sessions, record.sessions_etag, record.revocations) == (
            None,
            (),
            None,
            (),
        )
        assert world.due.all() == []


class TestRevocations:
    @pytest.fixture
    def waiting(self, world) -> str:
        """Ada signed out, and the provider did not answer."""
        key = world.sign_in("ada")
        world.provider.revocation_answers.append(Revoked.LATER)
        sign_out(world.custody, key.user_id, key.hash)
        world.provider.revoked.clear()
        return key.user_id

    def only(self, world: World, user_id: str) -> Revocation:
        (found,) = world.record(user_id).revocations
        return found

    def test_one_is_tried_again_after_thirty_seconds_with_both_tokens(self, world, waiting):
        world.advance(seconds=29)
        run(world)
        assert world.provider.revoked == []
        world.advance(seconds=1)
        report = run(world)
        assert world.provider.revoked == ["refresh-1", "access-1"]
        assert (report.revoked, report.revocations_waiting) == (1, 0)

    def test_its_pauses_double_to_an_hour_and_it_is_not_given_up(self, world, waiting):
        world.provider.revocation_answers.extend([Revoked.LATER] * 100)
        pauses = []
        for _ in range(9):
            world.clock.advance(self.only(world, waiting).retry_at - world.clock.now() + SLACK)
            run(world)
            pauses.append(round((self.only(world, waiting).retry_at - world.clock.now()).total_seconds()))
        assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
        assert self.only(world, waiting).refresh_token == "refresh-1"

    def test_it_waits_for_as_long_as_the_service_asks(self, world, waiting):
        """Never for less than its own pause."""
        world.provider.revocation_answers.extend([Revoked.LATER] * 4)
        for asked, waited in ((200, 200), (10, 60)):
            world.provider.revocation_pause = asked
            world.clock.advance(self.only(world, waiting).retry_at - world.clock.now() + SLACK)
            run(world)
            pause = self.only(world, waiting).retry_at - world.clock.now()
            assert round(pause.total_seconds()) == waited

    def test_it_is_counted_while_it_waits_with_its_age(self, world, waiting):
        world.provider.revocation_answers.extend([Revoked.LATER] * 2)
        world.advance(seconds=95)
        report = run(world)
        assert (report.revocations_waiting, report.oldest_revocation_seconds) == (1, 95)
        assert len(world.told("revocation_delayed")) == 1

    def test_a_settled_one_keeps_its_outcome_for_a_day_and_no_token(self, world, waiting):
        world.advance(seconds=30)
        run(world)
        kept = self.only(world, waiting)
        assert (kept.outcome, kept.access_token, kept.refresh_token) == ("revoked", "", "")
        world.advance(hours=23, minutes=59)
        run(world)
        assert self.only(world, waiting) == kept
        world.advance(minutes=2)
        run(world)
        assert world.record(waiting).revocations == ()

    def test_one_that_turns_out_not_to_be_offered_is_settled_as_that(self, world, waiting):
        world.provider.revocation_answers.append(Revoked.NOT_OFFERED)
        world.advance(seconds=30)
        run(world)
        assert self.only(world, waiting).outcome == "not_offered"
        assert len(world.told("revocation_not_offered")) == 1

    def test_after_ninety_days_it_is_given_up_and_the_tokens_are_gone(self, world, waiting):
        world.provider.revocation_answers.extend([Revoked.LATER] * 100)
        world.advance(days=89, hours=23)
        run(world)
        assert self.only(world, waiting).refresh_token
        world.advance(hours=1)
        run(world)
        assert world.record(waiting).revocations == ()
        assert len(world.told("revocation_given_up")) == 1

    def test_the_tokens_that_a_sign_in_replaced_are_revoked_and_the_new_ones_live(self, world):
        world.sign_in("ada")
        user = world.sign_in("ada").user_id
        world.advance(seconds=30)
        run(world)
        assert world.provider.revoked == ["refresh-1", "access-1"]
        assert world.provider.use(world.connection(user).access_token)

    def test_another_instances_attempt_is_not_an_error_of_the_run(self, world, waiting):
        world.advance(seconds=30)

        def theirs() -> None:
            found = self.only(world, waiting)
            world.connections.update_revocation(waiting, dataclasses.replace(found, attempts=1))

        world.provider.revocation_answers.append(Revoked.LATER)
        world.journal.before("connections.update_revocation", theirs)
        run(world)
        assert self.only(world, waiting).refresh_token == "refresh-1"
        assert world.due.of(waiting)


class TestReport:
    def test_it_is_told_as_one_event_with_every_field(self, world, ada):
        world.advance(minutes=46)
        report = run(world)
        (told,) = world.told("tick")
        assert told == report.fields()
        assert set(told) >= {
            "looked", "refreshed", "adopted", "failed", "ended", "revoked", "revocations_waiting",
            "oldest_revocation_seconds", "old_key", "old_secret", "behind_seconds", "by_provider",
        }  # fmt: skip
        assert (told["behind_seconds"], told["by_provider"]) == (60, {"azure-devops": 1})

    @pytest.mark.parametrize("revokes", [True, False])
    def test_nobody_is_behind_for_a_sign_out(self, world, revokes):
        """The hints of an empty partition are kept for fifteen minutes on purpose."""
        world.provider.offers_revocation = revokes
        key = world.sign_in("ada")
        sign_out(world.custody, key.user_id, key.hash)
        behind = []
        for _ in range(20):
            world.advance(minutes=5)
            behind.append(run(world).behind_seconds)
        assert max(behind) <= 300

    @pytest.mark.parametrize("late", ["due", "over", "poisoned", "left"])
    def test_who_waits_for_a_look_is_behind_whatever_comes_of_it(self, world, ada, late):
        world.provider.offers_revocation = False
        world.advance(hours=8 if late == "over" else 1)
        waited = world.clock.now() - min(world.due.of(ada))
        if late == "poisoned":
            world.connections.poisoned[ada] = StoreError("down")
        if late == "left":
            world.custody.faults.throttled("azure-devops", world.clock.now() + timedelta(minutes=5))
        assert run(world).behind_seconds == waited.total_seconds()

    def test_every_event_is_written_on_the_thread_of_the_run(self, world):
        for number in range(10):
            world.sign_in(f"user {number}")
        world.advance(minutes=45)
        threads = set()

        def emit(event: str, /, **fields) -> None:
            threads.add((threading.get_ident(), event))

        run(world, emit=emit)
        assert threads == {(threading.get_ident(), "refreshed"), (threading.get_ident(), "tick")}

    def test_a_purge_that_fails_is_the_runs_error_and_hides_nothing_that_was_done(self, world, ada):
        world.advance(hours=1)
        world.journal.before("logins.purge", StoreError("down"))
        with pytest.raises(StoreError):
            run(world)
        assert [told["refreshed"] for told in world.told("tick")] == [1]

    def test_burnt_states_are_purged(self, world, ada):
        world.advance(hours=2)
        assert run(world).purged_logins == 1
