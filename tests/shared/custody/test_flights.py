"""Who shares a refresh asked for a reason of their own, and what satisfied its leader may not satisfy them."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest

from shared.custody.flights import Flights
from shared.custody.refresh import fresh, refreshed_early, renewed_after_rejection
from shared.errors import AppFault, Policy, Throttled, Unavailable
from shared.models.custody import Connection, Lease
from tests.fakes import World
from tests.shared.custody.test_refresh import another_process_holds_the_lease, another_process_refreshes

type Ask = Callable[[], Connection]

CALL, LEASE = "provider.refresh", "connections.take_lease"


class Watched(Flights):
    """Tells when somebody joins a flight that is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.joined = threading.Event()

    def join(self, user_id, fly, *, otherwise, patience_seconds):
        if self._flights:
            self.joined.set()
        return super().join(user_id, fly, otherwise=otherwise, patience_seconds=patience_seconds)


class Shared:
    """A flight that `leader` leads and `follower` joins; what happens to it comes once both are there."""

    def __init__(self, world: World) -> None:
        self._pool = ThreadPoolExecutor(2)
        self._world = world
        self.flights = Watched()
        self.custody = world.process(flights=self.flights)

    def fly(
        self, leader: Ask, follower: Ask, step: str, fate: Callable[[], object]
    ) -> tuple[Future[Connection], Future[Connection]]:
        under_way, begin = threading.Event(), threading.Event()

        def meet_fate() -> None:
            under_way.set()
            begin.wait(5)
            fate()

        self._world.journal.before(step, meet_fate)
        led = self._pool.submit(leader)
        assert under_way.wait(5)
        followed = self._pool.submit(follower)
        assert self.flights.joined.wait(5)
        begin.set()
        return led, followed

    def close(self) -> None:
        self._pool.shutdown()


@pytest.fixture
def shared(world: World) -> Iterator[Shared]:
    sharing = Shared(world)
    yield sharing
    sharing.close()


def failing(error: Exception) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


ERRORS = [Policy("denied"), Unavailable("no answer"), Throttled("429", retry_after=60), AppFault("invalid_client")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("minutes", "leader", "follower"),
    [
        pytest.param(56, fresh, renewed_after_rejection, id="a page that has time, a rejected token"),
        pytest.param(61, refreshed_early, fresh, id="the timer, a page whose token is over"),
    ],
)
def test_what_satisfies_the_leader_of_a_refresh_that_fails_is_no_answer_to_who_needs_more(
    world, shared, minutes, leader, follower, error
):
    """The leader goes on with the stored token; who joined gets the error and a time, and no further call is made."""
    user = world.sign_in().user_id
    world.advance(minutes=minutes)
    stored = world.connection(user)
    led, followed = shared.fly(
        lambda: leader(shared.custody, stored), lambda: follower(shared.custody, stored), CALL, failing(error)
    )
    assert led.result(5).generation == 1
    refused = followed.exception(5)
    assert type(refused) is type(error)
    assert refused.retry_after
    assert world.journal.count(CALL) == 1


def test_a_request_waits_for_the_lease_that_the_timer_leaves_to_its_holder(world, shared):
    user = world.sign_in().user_id
    world.advance(minutes=61)
    stored = world.connection(user)
    world.clock.meanwhile.append(lambda: another_process_refreshes(world, user))
    led, followed = shared.fly(
        lambda: refreshed_early(shared.custody, stored),
        lambda: fresh(shared.custody, stored),
        LEASE,
        lambda: another_process_holds_the_lease(world, user),
    )
    assert led.result(5).generation == 1
    assert followed.result(5).access_token == "theirs"


def test_sharing_and_leading_together_take_no_longer_than_thirty_seconds(world, shared):
    user = world.sign_in().user_id
    world.advance(minutes=61)
    stored = world.connection(user)
    began = world.clock.now()

    def late_and_held() -> None:
        world.advance(seconds=20)
        lease = Lease("another", world.clock.now() + timedelta(minutes=5), "attempt")
        world.connections.take_lease(dataclasses.replace(world.connection(user), lease=lease))

    _, followed = shared.fly(
        lambda: refreshed_early(shared.custody, stored), lambda: fresh(shared.custody, stored), LEASE, late_and_held
    )
    assert followed.exception(5)
    assert world.clock.now() - began <= timedelta(seconds=30.4)
