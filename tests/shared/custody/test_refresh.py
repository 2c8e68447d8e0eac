"""The refresh of a connection: one per expiry, stored before it is used, and no fault of ours signs anybody out."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from shared.custody import Custody, refresh
from shared.custody.refresh import fresh, fresh_token, refreshed_early, renewed_after_rejection
from shared.custody.sign_in import SessionKey
from shared.custody.sign_out import sign_out
from shared.errors import (
    AppFault,
    Busy,
    GrantEnded,
    Policy,
    ProviderError,
    RequestRefused,
    SignInAgain,
    StoreError,
    Suspect,
    Throttled,
    Unavailable,
    UnknownKey,
    Unreadable,
    VaultError,
)
from shared.models.custody import Connection, Lease, Status
from tests.fakes import World

REFRESH, SAVE, LEASE = "provider.refresh", "connections.save_tokens", "connections.take_lease"


@pytest.fixture
def ada(world: World) -> SessionKey:
    return world.sign_in("ada")


@pytest.fixture
def due(world: World, ada: SessionKey) -> str:
    """Ada's token has four minutes left: due for a request, and good enough to go on with."""
    world.advance(minutes=56)
    return ada.user_id


@pytest.fixture
def over(world: World, ada: SessionKey) -> str:
    """Ada's token is over."""
    world.advance(hours=1)
    return ada.user_id


def lose(world: World, user_id: str) -> None:
    """Another process succeeds while our call is under way, and ours is refused."""
    stored = world.connection(user_id)
    newer = dataclasses.replace(stored, access_token="theirs", generation=2, lease=None)
    world.connections.save_tokens(newer, world.keyring)
    raise Suspect("invalid_request")


def another_process_holds_the_lease(world: World, user_id: str, seconds: float = 15) -> Connection:
    until = world.clock.now() + timedelta(seconds=seconds)
    lease = Lease("another", until, "attempt")
    return world.connections.take_lease(dataclasses.replace(world.connection(user_id), lease=lease))


def another_process_refreshes(world: World, user_id: str) -> Connection:
    """What a holder elsewhere does: the token call and the save, past our journal's plans."""
    current = world.connection(user_id)
    renewed = dataclasses.replace(
        current,
        access_token="theirs",
        refresh_token="theirs too",
        generation=current.generation + 1,
        refreshed_at=world.clock.now(),
        expires_at=world.clock.now() + timedelta(hours=1),
        lease=None,
    )
    return world.connections.save_tokens(renewed, world.keyring)


class TestOneRefresh:
    def test_a_token_with_more_than_five_minutes_left_is_not_refreshed(self, world, ada):
        world.advance(minutes=54, seconds=59)
        token = world.connection(ada.user_id).access_token
        start = len(world.journal.calls)
        assert fresh_token(world.custody, world.record(ada.user_id)) == token
        assert world.journal.calls[start:] == []

    def test_a_refresh_is_lease_call_and_save_with_nothing_between(self, world, due):
        start = len(world.journal.calls)
        token = fresh_token(world.custody, world.record(due))
        assert world.journal.calls[start:] == [LEASE, REFRESH, SAVE]
        stored = world.connection(due)
        assert (stored.access_token, stored.generation, stored.lease) == (token, 2, None)
        assert stored.expires_at == world.clock.now() + timedelta(hours=1)

    def test_it_is_told_with_who_asked_and_which_secret_and_key(self, world, due):
        fresh(world.custody, world.connection(due))
        (told,) = world.told("refreshed")
        assert (told["user"], told["by"], told["secret"]) == (due, "request", "5ec4e7ed")
        assert told["key"] == world.keyring.newest_id

    def test_the_life_of_a_token_counts_from_before_the_call(self, world, due):
        began = world.clock.now()
        world.journal.before(REFRESH, lambda: world.advance(seconds=7))
        assert fresh(world.custody, world.connection(due)).expires_at == began + timedelta(hours=1)

    def test_the_margin_is_never_more_than_half_of_the_tokens_life(self, world):
        world.provider.lifetime = timedelta(minutes=6)
        user = world.sign_in().user_id
        world.advance(minutes=2, seconds=59)
        fresh(world.custody, world.connection(user))
        assert world.journal.count(REFRESH) == 0
        world.advance(seconds=1)
        fresh(world.custody, world.connection(user))
        assert world.journal.count(REFRESH) == 1

    def test_an_omitted_refresh_token_keeps_the_stored_one(self, world, due):
        world.provider.omits_refresh_token = True
        before = world.connection(due).refresh_token
        fresh(world.custody, world.connection(due))
        assert world.connection(due).refresh_token == before
        assert world.connection(due).generation == 2

    def test_of_many_threads_one_refreshes_and_all_get_its_token(self, world, over):
        crowd = 12
        arrived = threading.Barrier(crowd)
        started = threading.Event()

        def ask(_) -> str:
            record = world.record(over)
            arrived.wait()
            return fresh_token(world.custody, record)

        world.journal.before(REFRESH, lambda: started.wait(0.3))
        with ThreadPoolExecutor(crowd) as pool:
            tokens = set(pool.map(ask, range(crowd)))
        assert tokens == {world.connection(over).access_token}
        assert world.journal.count(REFRESH) == 1
        assert world.connection(over).generation == 2

    def test_while_the_token_serves_only_the_one_that_refreshes_waits(self, world, due):
        old = world.connection(due)
        flying, land = threading.Event(), threading.Event()
        world.journal.before(REFRESH, lambda: (flying.set(), land.wait(5)))
        with ThreadPoolExecutor(1) as pool:
            leader = pool.submit(fresh, world.custody, old)
            assert flying.wait(5)
            assert fresh(world.custody, old) is old
            land.set()
            assert leader.result().generation == 2

    def test_those_who_wait_get_the_error_of_the_one_that_refreshes(self, world, over):
        record = world.record(over)
        flying, land = threading.Event(), threading.Event()

        def fail() -> None:
            flying.set()
            land.wait(5)
            raise Unavailable("no answer")

        world.journal.before(REFRESH, fail)
        with ThreadPoolExecutor(2) as pool:
            leader = pool.submit(fresh_token, world.custody, record)
            assert flying.wait(5)
            waiter = pool.submit(fresh_token, world.custody, record)
            land.set()
            for asked in (leader, waiter):
                with pytest.raises(Unavailable):
                    asked.result()

    def test_another_processs_tokens_are_adopted(self, world, due):
        stale = world.record(due)
        another_process_refreshes(world, due)
        assert fresh_token(world.custody, stale) == "theirs"
        assert world.journal.count(REFRESH) == 0
        assert world.told("refresh_adopted") == [{"provider": "azure-devops", "user": due, "by": refresh.By.REQUEST}]

    def test_a_lease_lost_to_a_mere_change_of_the_row_is_taken_again(self, world, due):
        stale = world.record(due)
        world.connections.release(world.connection(due))
        assert fresh(world.custody, stale.connection).generation == 2
        assert world.journal.count(REFRESH) == 1

    def test_a_process_that_was_paused_before_its_call_calls_no_more(self, world, over):
        """The deadline counts from the look at the lease, not from when the call gets to run."""
        world.journal.before(REFRESH, lambda: world.advance(seconds=9))
        with pytest.raises(Unavailable):
            fresh(world.custody, world.connection(over))
        assert (world.connection(over).generation, world.provider.replays) == (1, 0)

    def test_a_lease_that_took_long_to_write_is_taken_again_before_the_call(self, world, due):
        left = []
        world.journal.after(LEASE, lambda: world.advance(seconds=5.1))
        world.journal.before(REFRESH, lambda: left.append(world.connection(due).lease.until - world.clock.now()))
        fresh(world.custody, world.connection(due))
        assert world.journal.count(LEASE) == 2
        assert left == [timedelta(seconds=15)]

    def test_no_connection_means_sign_in_again(self, world):
        with pytest.raises(SignInAgain):
            fresh_token(world.custody, world.record("nobody"))


class TestLeaseOfAnother:
    def test_while_the_token_serves_nobody_waits_for_it(self, world, due):
        held = another_process_holds_the_lease(world, due)
        assert fresh(world.custody, held) == held
        assert world.clock.slept == []
        assert world.journal.count(REFRESH) == 0

    def test_with_a_minute_left_a_request_polls_and_adopts(self, world, ada):
        world.advance(minutes=59)
        held = another_process_holds_the_lease(world, ada.user_id)
        nothing = [lambda: None] * 4
        world.clock.meanwhile.extend([*nothing, lambda: another_process_refreshes(world, ada.user_id)])
        assert fresh(world.custody, held).access_token == "theirs"
        assert world.clock.slept == [0.2] * 5
        assert world.journal.count(REFRESH) == 0

    def test_a_holder_that_died_is_succeeded_after_its_lease_and_a_second_more(self, world, over):
        held = another_process_holds_the_lease(world, over)
        began = world.clock.now()
        assert fresh(world.custody, held).generation == 2
        assert world.journal.count(REFRESH) == 1
        assert timedelta(seconds=16) <= world.clock.now() - began <= timedelta(seconds=16.4)

    def test_after_thirty_seconds_of_leases_a_request_gives_up_with_a_time_to_come_back(self, world, over):
        held = another_process_holds_the_lease(world, over, seconds=60)
        began = world.clock.now()
        with pytest.raises(Busy) as caught:
            fresh(world.custody, held)
        assert world.clock.now() - began <= timedelta(seconds=30.4)
        assert caught.value.retry_after

    def test_tokens_that_are_over_when_they_come_are_not_asked_for_without_end(self, world, over):
        """The service takes longer than its tokens live: 503 after half a minute, and few calls until then."""
        world.provider.lifetime = timedelta(seconds=5)
        world.journal.before("provider.refresh", *[lambda: world.advance(seconds=6)] * 20)
        with pytest.raises(Busy) as caught:
            fresh(world.custody, world.connection(over))
        assert world.journal.count("provider.refresh") == 5
        assert caught.value.retry_after

    def test_a_connection_that_ends_while_we_wait_means_sign_in_again(self, world, over, ada):
        held = another_process_holds_the_lease(world, over)
        world.clock.meanwhile.append(lambda: sign_out(world.process(), over, ada.hash))
        with pytest.raises(SignInAgain):
            fresh(world.custody, held)


class TestDamagedRow:
    """A row that does not open is our fault: 503, never a word of signing in again."""

    def damage(self, world: World, user_id: str) -> Callable[[], object]:
        return lambda: world.connections.damaged.add(user_id)

    def test_while_a_request_waits_for_the_lease_of_another(self, world, over):
        held = another_process_holds_the_lease(world, over)
        world.clock.meanwhile.append(self.damage(world, over))
        with pytest.raises(Unreadable):
            fresh(world.custody, held)

    def test_during_a_call_that_is_refused(self, world, over):
        world.journal.before(REFRESH, self.damage(world, over), None)
        world.journal.after(REFRESH, GrantEnded("invalid_grant"))
        with pytest.raises(Unreadable):
            fresh(world.custody, world.connection(over))
        assert world.told("connection_ended") == []

    def test_during_a_call_that_brings_tokens(self, world, due):
        """They are nobody's to revoke: the row may be theirs."""

        def damage_and_fence() -> None:
            world.connections.release(world.connection(due))
            world.connections.damaged.add(due)

        world.journal.before(SAVE, damage_and_fence)
        with pytest.raises(Unreadable):
            fresh(world.custody, world.connection(due))
        assert world.record(due).revocations == ()

    def test_when_a_developer_asks_for_a_token(self, world, ada):
        world.connections.damaged.add(ada.user_id)
        with pytest.raises(Unreadable):
            fresh_token(world.custody, world.record(ada.user_id))


class TestExpiredLeaseWithIntent:
    @pytest.fixture
    def dead_holder(self, world, due) -> Connection:
        held = another_process_holds_the_lease(world, due)
        world.advance(seconds=15)
        return held

    def test_the_holders_late_write_is_adopted(self, world, due, dead_holder):
        world.clock.meanwhile.append(lambda: another_process_refreshes(world, due))
        assert fresh(world.custody, dead_holder).access_token == "theirs"
        assert world.clock.slept == [1.0]
        assert world.journal.count(REFRESH) == 0

    def test_it_is_taken_after_a_second_and_a_second_look_and_the_old_token_tried_once(self, world, dead_holder):
        start = len(world.journal.calls)
        assert fresh(world.custody, dead_holder).generation == 2
        assert world.clock.slept == [1.0]
        assert world.journal.calls[start:] == ["connections.load", LEASE, REFRESH, SAVE]

    def test_another_successor_that_was_faster_is_left_to_it(self, world, due, dead_holder):
        world.clock.meanwhile.append(lambda: another_process_holds_the_lease(world, due))
        assert fresh(world.custody, dead_holder).lease.holder == "another"
        assert world.journal.count(REFRESH) == 0


class TestLostResponse:
    """The provider rotated, and its answer never came."""

    @pytest.mark.parametrize("reuse", ["nonrotating", "grace30", "prev-until-used"])
    def test_where_the_old_token_still_serves_nobody_is_signed_out(self, world, due, reuse):
        world.provider.reuse = reuse
        world.journal.after(REFRESH, Unavailable("cut"))
        old = fresh(world.custody, world.connection(due))
        assert (old.generation, old.status, old.lease) == (1, Status.LIVE, None)
        world.advance(seconds=5)
        renewed = fresh(world.custody, world.connection(due))
        assert (renewed.generation, renewed.status) == (2, Status.LIVE)
        assert world.provider.use(renewed.access_token)
        assert world.provider.replays == 0

    def test_where_it_is_spent_the_access_token_serves_to_its_end(self, world, due):
        world.provider.reuse = "strict"
        world.journal.after(REFRESH, Unavailable("cut"))
        fresh(world.custody, world.connection(due))
        world.advance(seconds=5)
        kept = fresh(world.custody, world.connection(due))
        assert (kept.status, kept.generation) == (Status.RECONNECT, 1)
        world.advance(minutes=4)
        with pytest.raises(SignInAgain):
            fresh(world.custody, world.connection(due))
        assert world.provider.replays == 1


class TestGrantEnded:
    def test_it_is_written_down_and_told_once_and_the_access_token_serves_to_its_end(self, world, due):
        world.journal.before(REFRESH, GrantEnded("invalid_grant"))
        for _ in range(3):
            kept = fresh(world.custody, world.connection(due))
            assert (kept.status, kept.reason, kept.generation) == (Status.RECONNECT, "grant_ended", 1)
            assert (kept.lease, kept.refresh_token) == (None, "refresh-1")
        world.advance(minutes=4)
        for _ in range(3):
            with pytest.raises(SignInAgain):
                fresh(world.custody, world.connection(due))
        assert world.journal.count(REFRESH) == 1
        assert [told["reason"] for told in world.told("connection_ended")] == ["grant_ended"]
        assert [told["reason"] for told in world.told("refresh_failed")] == ["grant_ended"]

    def test_tokens_that_no_row_takes_end_it_too(self, world, due):
        world.provider.token_size = 61 * 1024
        for _ in range(2):
            kept = fresh(world.custody, world.connection(due))
            assert (kept.status, kept.reason, kept.generation) == (Status.RECONNECT, "token_too_large", 1)
            assert (kept.lease, kept.access_token) == (None, "access-1")
        world.advance(minutes=4)
        with pytest.raises(SignInAgain):
            fresh(world.custody, world.connection(due))
        assert world.journal.count(REFRESH) == 1
        assert [told["reason"] for told in world.told("connection_ended")] == ["token_too_large"]

    def test_the_loser_of_a_race_re_reads_and_adopts(self, world, due):
        def lose() -> None:
            another_process_refreshes(world, due)
            raise GrantEnded("the winner spent it")

        world.journal.before(REFRESH, lose)
        assert fresh(world.custody, world.connection(due)).access_token == "theirs"
        assert world.connection(due).status is Status.LIVE
        assert world.told("connection_ended") == world.told("refresh_failed") == []

    def test_a_new_sign_in_meanwhile_is_adopted(self, world, due):
        def lose() -> None:
            world.sign_in("ada")
            raise GrantEnded("replaced")

        world.journal.before(REFRESH, lose)
        current = fresh(world.custody, world.connection(due))
        assert current == world.connection(due)
        assert current.status is Status.LIVE

    def test_a_paused_holder_leaves_the_verdict_to_the_present_one(self, world, due):
        """Its lease is another's by now: that one may hold the answer to the very token that was refused here."""

        def pause() -> None:
            world.advance(seconds=40)
            another_process_holds_the_lease(world, due)
            raise GrantEnded("spent by the present holder")

        world.journal.before(REFRESH, pause)
        fresh(world.custody, world.connection(due))
        stored = world.connection(due)
        assert (stored.status, stored.lease.holder) == (Status.LIVE, "another")
        assert world.told("connection_ended") == []

    def test_a_connection_that_is_gone_means_sign_in_again(self, world, due, ada):
        def lose() -> None:
            sign_out(world.process(), due, ada.hash)
            raise GrantEnded("revoked")

        world.journal.before(REFRESH, lose)
        with pytest.raises(SignInAgain):
            fresh(world.custody, world.connection(due))
        assert world.record(due).connection is None


class TestSuspect:
    def test_tokens_are_kept_and_nobody_asks_again_for_thirty_seconds(self, world, due):
        world.journal.before(REFRESH, Suspect("invalid_request"))
        kept = fresh(world.custody, world.connection(due))
        assert (kept.status, kept.failures, kept.access_token) == (Status.SUSPECT, 1, "access-1")
        world.advance(seconds=29)
        fresh(world.custody, world.connection(due))
        assert world.journal.count(REFRESH) == 1
        world.advance(seconds=1)
        renewed = fresh(world.custody, world.connection(due))
        assert (renewed.status, renewed.failures, renewed.generation) == (Status.LIVE, 0, 2)

    def test_the_pause_doubles_to_an_hour_and_then_it_is_the_grant(self, world, ada):
        bob = world.sign_in("bob").user_id
        world.advance(minutes=56)
        pauses = []
        while world.connection(ada.user_id).status is not Status.RECONNECT:
            world.journal.before(REFRESH, Suspect("invalid_request"))
            refreshed_early(world.custody, world.connection(ada.user_id))
            stored = world.connection(ada.user_id)
            if stored.retry_at:
                pauses.append((stored.retry_at - world.clock.now()).total_seconds())
                world.clock.advance(stored.retry_at - world.clock.now())
            assert len(pauses) < 20
        assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600]
        assert world.connection(ada.user_id).reason == "suspect"
        assert world.connection(bob).status is Status.LIVE

    def test_three_within_five_minutes_are_a_fault_of_ours_and_the_third_row_stays_untouched(self, world):
        users = [world.sign_in(name).user_id for name in ("ada", "bob", "cleo", "dan")]
        world.advance(minutes=56)
        world.journal.before(REFRESH, *[Suspect("invalid_request")] * 3)
        for user in users:
            fresh(world.custody, world.connection(user))
        assert [world.connection(user).status for user in users] == [Status.SUSPECT] * 2 + [Status.LIVE] * 2
        assert (world.connection(users[2]).failures, world.connection(users[2]).retry_at) == (0, None)
        assert world.journal.count(REFRESH) == 3, "the breaker is open"
        assert [told["provider"] for told in world.told("app_fault")] == ["azure-devops"]

    def test_one_that_a_lost_race_explains_does_not_count(self, world):
        """Three losers adopt what the winners stored; the breaker stays closed."""
        users = [world.sign_in(name).user_id for name in ("ada", "bob", "cleo")]
        world.advance(minutes=56)
        for user in users:
            world.journal.before(REFRESH, lambda user=user: lose(world, user))
            assert fresh(world.custody, world.connection(user)).generation == 2
        assert world.told("app_fault") == []
        assert len(world.told("refresh_adopted")) == 3

    def test_a_success_between_them_makes_them_the_users(self, world):
        users = [world.sign_in(name).user_id for name in ("ada", "bob", "cleo", "dan")]
        world.advance(minutes=56)
        bad = Suspect("invalid_request")
        world.journal.before(REFRESH, bad, bad, None, bad)
        for user in users:
            fresh(world.custody, world.connection(user))
        statuses = [world.connection(user).status for user in users]
        assert statuses == [Status.SUSPECT, Status.SUSPECT, Status.LIVE, Status.SUSPECT]
        assert world.told("app_fault") == []

    def test_three_in_more_than_five_minutes_are_the_users(self, world):
        world.provider.lifetime = timedelta(hours=2)
        users = [world.sign_in(name).user_id for name in ("ada", "bob", "cleo")]
        world.advance(hours=1, minutes=45)
        for user in users:
            world.journal.before(REFRESH, Suspect("invalid_request"))
            refreshed_early(world.custody, world.connection(user))
            world.advance(minutes=2, seconds=31)
        assert [world.connection(user).status for user in users] == [Status.SUSPECT] * 3
        assert world.told("app_fault") == []


class TestOurOwnFaults:
    def test_an_app_fault_touches_no_user_row(self, world, due):
        before = world.connection(due)
        world.journal.before(REFRESH, AppFault("invalid_client"))
        assert fresh(world.custody, before).access_token == before.access_token
        same = {"etag": "", "change_id": "", "lease": None}
        assert dataclasses.replace(world.connection(due), **same) == dataclasses.replace(before, **same)
        assert world.connection(due).lease is None

    def test_the_breaker_stops_calls_for_thirty_seconds_and_closes_with_a_success(self, world, due):
        world.journal.before(REFRESH, AppFault("invalid_client"))
        for seconds in (0, 29):
            world.advance(seconds=seconds)
            fresh(world.custody, world.connection(due))
        assert world.journal.count(REFRESH) == 1
        world.advance(seconds=1)
        assert fresh(world.custody, world.connection(due)).generation == 2
        assert [name for name, _ in world.events if name.startswith("app_fault")] == ["app_fault", "app_fault_over"]

    def test_a_refused_request_rests_its_own_connection_and_stops_nobody_else(self, world, due):
        """The administrator of one tenant deleted the application: the others' refreshes go on."""
        bob = world.sign_in("bob").user_id
        world.advance(minutes=56)
        pauses = []
        for _ in range(3):
            world.journal.before(REFRESH, RequestRefused("unauthorized_client"))
            world.advance(hours=1)
            with pytest.raises(RequestRefused) as caught:
                fresh(world.custody, world.connection(due))
            pauses.append((world.connection(due).retry_at - world.clock.now()).total_seconds())
            assert caught.value.retry_after == pauses[-1]
        assert pauses == [30, 60, 120]
        assert world.connection(due).status is Status.LIVE
        assert world.told("app_fault") == []
        assert fresh(world.custody, world.connection(bob)).generation == 2

    def test_refused_requests_of_three_people_are_a_fault_of_ours(self, world):
        users = [world.sign_in(name).user_id for name in ("ada", "bob", "cleo", "dan")]
        world.advance(minutes=56)
        world.journal.before(REFRESH, *[RequestRefused("invalid_scope")] * 3)
        for user in users:
            fresh(world.custody, world.connection(user))
        assert {world.connection(user).status for user in users} == {Status.LIVE}
        assert world.journal.count(REFRESH) == 3, "the breaker is open"
        assert len(world.told("app_fault")) == 1

    def test_it_is_told_once_however_often_it_happens(self, world, due):
        for _ in range(4):
            world.journal.before(REFRESH, AppFault("invalid_client"))
            fresh(world.custody, world.connection(due))
            world.advance(seconds=31)
        assert world.journal.count(REFRESH) == 4
        assert len(world.told("app_fault")) == 1

    def test_the_breaker_opens_for_one_provider_alone(self, world, due):
        world.custody.faults.fault("entra", world.clock.now())
        assert fresh(world.custody, world.connection(due)).generation == 2

    @pytest.mark.parametrize(
        "error",
        [
            AppFault("invalid_client"),
            Policy("access_denied"),
            Throttled("429", retry_after=77),
            Unavailable("time-out"),
            Unavailable("503", retry_after=40),
        ],
        ids=lambda error: f"{type(error).__name__}-{error.retry_after}",
    )
    def test_without_a_token_that_serves_they_are_an_error_with_a_time_to_come_back_and_no_verdict(
        self, world, over, error
    ):
        world.journal.before(REFRESH, error)
        with pytest.raises(type(error)) as caught:
            fresh(world.custody, world.connection(over))
        assert caught.value.retry_after
        assert caught.value.retry_after > 0
        stored = world.connection(over)
        assert (stored.status, stored.lease, stored.refresh_token) == (Status.LIVE, None, "refresh-1")
        world.advance(hours=1)
        assert fresh(world.custody, world.connection(over)).generation == 2

    @pytest.mark.parametrize(
        ("error", "pause"),
        [
            (Policy("denied"), 300),
            (Throttled("429", retry_after=77), 77),
            (Throttled("429"), 30),
            (Unavailable(), 5),
            (Unavailable("503", retry_after=120), 120),
            (Unavailable("503", retry_after=1), 5),
        ],
        ids=[
            "policy",
            "throttled",
            "throttled without a time",
            "no answer",
            "503 with a time",
            "503 with too short a time",
        ],
    )
    def test_their_pause_is_kept(self, world, over, error, pause):
        world.journal.before(REFRESH, error)
        with pytest.raises(ProviderError):
            fresh(world.custody, world.connection(over))
        world.advance(seconds=pause - 1)
        with pytest.raises(ProviderError) as caught:
            fresh(world.process(), world.connection(over))
        assert type(caught.value) is type(error), "the reason is told for as long as the pause lasts, by every process"
        assert caught.value.retry_after == 1
        assert world.journal.count(REFRESH) == 1
        world.advance(seconds=1)
        fresh(world.custody, world.connection(over))
        assert world.journal.count(REFRESH) == 2

    def test_a_provider_that_was_switched_off_is_not_asked_and_its_tokens_serve_to_their_end(self, world, due):
        custody = world.process(providers={})
        before = world.connection(due)
        assert fresh(custody, before) == before == world.connection(due)
        world.advance(minutes=4)
        with pytest.raises(SignInAgain):
            fresh(custody, world.connection(due))
        assert world.connection(due) == before


class TestSave:
    def test_a_save_that_fails_is_repeated_and_the_call_is_not(self, world, due):
        world.journal.before(SAVE, *[StoreError("down")] * 38)
        assert fresh(world.custody, world.connection(due)).generation == 2
        assert world.journal.count(REFRESH) == 1
        assert max(world.clock.slept) <= 0.5
        assert world.provider.use(world.connection(due).access_token)

    def test_after_twenty_seconds_it_is_a_store_error_and_nobody_is_signed_out(self, world, due):
        world.journal.before(SAVE, *[StoreError("down")] * 100)
        began = world.clock.now()
        with pytest.raises(StoreError):
            fresh(world.custody, world.connection(due))
        assert timedelta(seconds=20) <= world.clock.now() - began < timedelta(seconds=21)
        assert world.journal.count(REFRESH) == 1
        assert world.connection(due).status is Status.LIVE

    def test_a_save_whose_reply_was_lost_counts_once(self, world, due):
        world.journal.after(SAVE, StoreError("reply lost"))
        assert fresh(world.custody, world.connection(due)) == world.connection(due)
        assert world.connection(due).generation == 2
        assert len(world.told("refreshed")) == 1
        assert world.record(due).revocations == ()

    def test_a_save_fenced_by_a_mere_change_of_the_row_is_repeated(self, world, due):
        world.journal.before(SAVE, lambda: world.connections.reseal(world.connection(due)))
        assert fresh(world.custody, world.connection(due)).generation == 2
        assert world.journal.count(REFRESH) == 1
        assert world.provider.use(world.connection(due).access_token)

    def test_keys_that_are_gone_after_the_call_lose_no_token(self, world, due):
        """The keys were at hand before it: between answer and write the vault is not asked."""
        world.journal.after(REFRESH, lambda: setattr(world, "vault_error", VaultError("over a day ago")))
        assert fresh(world.custody, world.connection(due)).generation == 2
        world.vault_error = None
        assert world.provider.use(world.connection(due).access_token)

    def test_without_keys_there_is_no_lease_and_no_call(self, world, due):
        stale, start = world.connection(due), len(world.journal.calls)
        world.vault_error = VaultError("gone")
        with pytest.raises(VaultError):
            fresh(world.custody, stale)
        assert world.journal.calls[start:] == []

    @pytest.mark.parametrize(
        "trouble", [StoreError("down"), VaultError("gone"), UnknownKey("resealed by a newer process")], ids=repr
    )
    def test_trouble_with_the_second_look_after_a_fence_loses_no_token(self, world, due, trouble):
        """Between the fence and the re-read, the new tokens are in this process alone."""
        world.journal.before(SAVE, lambda: world.connections.release(world.connection(due)))
        world.journal.before("connections.load", trouble, trouble)
        assert fresh(world.custody, world.connection(due)).generation == 2
        assert world.provider.use(world.connection(due).access_token)
        assert world.journal.count(REFRESH) == 1

    def test_tokens_of_one_family_that_a_newer_generation_overtook_are_dropped(self, world, due):
        world.journal.before(SAVE, lambda: another_process_refreshes(world, due))
        assert fresh(world.custody, world.connection(due)).access_token == "theirs"
        assert world.record(due).revocations == ()
        assert world.told("refreshed") == []
        assert len(world.told("refresh_adopted")) == 1

    @pytest.mark.parametrize("generations", [0, 3])
    def test_tokens_that_lost_to_a_new_sign_in_are_kept_to_be_revoked(self, world, due, generations):
        def sign_in_and_refresh() -> None:
            world.sign_in("ada")
            for _ in range(generations):
                another_process_refreshes(world, due)

        before = {kept.id for kept in world.record(due).revocations}
        world.journal.before(SAVE, sign_in_and_refresh)
        start = len(world.journal.calls)
        current = fresh(world.custody, world.connection(due))
        assert current == world.connection(due)
        lost = [kept for kept in world.record(due).revocations if kept.id not in before]
        assert "refresh-2" in {kept.refresh_token for kept in lost}
        assert "access-2" in {kept.access_token for kept in lost}
        assert world.provider.use(current.access_token) or generations
        order = [call for call in world.journal.calls[start:] if call in ("due.put", "connections.add_revocation")]
        assert order[-2:] == ["due.put", "connections.add_revocation"]
        soon = world.clock.now() + timedelta(seconds=30)
        assert soon in world.due.of(due)

    def test_tokens_that_lost_to_a_sign_out_are_kept_to_be_revoked(self, world, due, ada):
        world.journal.before(SAVE, lambda: sign_out(world.process(), due, ada.hash))
        with pytest.raises(SignInAgain):
            fresh(world.custody, world.connection(due))
        record = world.record(due)
        assert record.connection is None
        assert "refresh-2" in {kept.refresh_token for kept in record.revocations}
        assert world.clock.now() + timedelta(seconds=30) in world.due.of(due)

    def test_keeping_lost_tokens_is_repeated_as_the_save_is(self, world, due, ada):
        world.journal.before(SAVE, lambda: sign_out(world.process(), due, ada.hash))
        world.journal.before("connections.add_revocation", StoreError("down"), StoreError("down"))
        with pytest.raises(SignInAgain):
            fresh(world.custody, world.connection(due))
        assert "refresh-2" in {kept.refresh_token for kept in world.record(due).revocations}

    def test_where_nothing_can_be_revoked_lost_tokens_are_not_stored(self, world, due, ada):
        world.provider.offers_revocation = False
        world.journal.before(SAVE, lambda: sign_out(world.process(), due, ada.hash))
        with pytest.raises(SignInAgain):
            fresh(world.custody, world.connection(due))
        assert world.record(due).revocations == ()


class TestTimer:
    @pytest.mark.parametrize(("minutes", "generation"), [(44, 1), (45, 2)])
    def test_it_refreshes_at_its_own_margin(self, world, ada, minutes, generation):
        world.advance(minutes=minutes)
        assert refreshed_early(world.custody, world.connection(ada.user_id)).generation == generation

    def test_it_never_waits_for_the_lease_of_another(self, world, over):
        held = another_process_holds_the_lease(world, over)
        assert refreshed_early(world.custody, held) == held
        assert world.clock.slept == []

    def test_it_never_waits_for_a_thread_of_its_process(self, world, over):
        old = world.connection(over)
        flying, land = threading.Event(), threading.Event()
        world.journal.before(REFRESH, lambda: (flying.set(), land.wait(5)))
        with ThreadPoolExecutor(1) as pool:
            leader = pool.submit(fresh, world.custody, old)
            assert flying.wait(5)
            assert refreshed_early(world.custody, old) is old
            land.set()
            leader.result()

    def test_it_says_that_it_was_the_timer(self, world, over):
        refreshed_early(world.custody, world.connection(over))
        assert [told["by"] for told in world.told("refreshed")] == [refresh.By.TIMER]

    @pytest.mark.parametrize("error", [Unavailable(), AppFault(), Suspect(), GrantEnded(), Policy(), Throttled()])
    def test_a_refusal_is_no_error_of_its_run(self, world, over, error):
        world.journal.before(REFRESH, error)
        assert refreshed_early(world.custody, world.connection(over)) == world.connection(over)


class TestRejectedToken:
    """The API does not take the access token, although it should live on."""

    @pytest.fixture
    def rejected(self, world, ada) -> Connection:
        world.advance(minutes=5)
        return world.connection(ada.user_id)

    def test_it_is_refreshed_though_not_due(self, world, rejected):
        renewed = renewed_after_rejection(world.custody, rejected)
        assert renewed.generation == 2
        assert renewed.access_token != rejected.access_token

    def test_the_next_look_comes_soon_whatever_the_next_token_lives(self, world, rejected):
        """It may be due before the rejected one would have been: the hint is there before the lease."""
        start, at = len(world.journal.calls), world.clock.now()
        renewed_after_rejection(world.custody, rejected)
        assert world.journal.calls[start : start + 2] == ["due.put", "connections.take_lease"]
        assert at + timedelta(seconds=30) in world.due.of(rejected.user_id)

    def test_a_newer_token_of_another_is_adopted(self, world, rejected):
        another_process_refreshes(world, rejected.user_id)
        assert renewed_after_rejection(world.custody, rejected).access_token == "theirs"
        assert world.journal.count(REFRESH) == 0

    def test_right_after_a_refresh_it_is_not_tried_again(self, world, rejected):
        renewed = renewed_after_rejection(world.custody, rejected)
        world.advance(seconds=59)
        with pytest.raises(SignInAgain):
            renewed_after_rejection(world.custody, renewed)
        assert world.journal.count(REFRESH) == 1

    def test_the_rejected_token_is_never_given_back(self, world, rejected):
        world.journal.before(REFRESH, Unavailable())
        with pytest.raises(ProviderError):
            renewed_after_rejection(world.custody, rejected)

    def test_the_rejected_token_is_not_what_one_waits_with(self, world, rejected):
        held = another_process_holds_the_lease(world, rejected.user_id)
        world.clock.meanwhile.append(lambda: another_process_refreshes(world, rejected.user_id))
        assert renewed_after_rejection(world.custody, held).access_token == "theirs"

    @pytest.mark.parametrize(
        "refusal", [Suspect("invalid_request"), Throttled("429", retry_after=60), Unavailable(), GrantEnded()]
    )
    def test_a_pause_or_an_end_holds_for_it_too(self, world, rejected, refusal):
        """Or every page view with a rejected token would be another token call."""
        world.journal.before(REFRESH, refusal)
        for _ in range(4):
            with pytest.raises((ProviderError, SignInAgain)):
                renewed_after_rejection(world.custody, world.connection(rejected.user_id))
            world.advance(seconds=1)
        assert world.journal.count(REFRESH) == 1


def test_two_processes_under_a_strict_provider_never_spend_a_token_twice(world, due):
    """Both read the same row; whoever loses adopts."""
    world.provider.reuse = "strict"
    stale = world.connection(due)
    processes: list[Custody] = [world.process() for _ in range(5)]
    asks: list[Callable[[], Connection]] = [lambda custody=custody: fresh(custody, stale) for custody in processes]
    with ThreadPoolExecutor(len(asks)) as pool:
        answers = [future.result() for future in [pool.submit(ask) for ask in asks]]
    assert world.provider.replays == 0
    assert world.journal.count(REFRESH) == 1
    assert {answer.generation for answer in answers} <= {1, 2}
    assert world.connection(due).generation == 2
