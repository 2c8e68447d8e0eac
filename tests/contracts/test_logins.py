"""What every implementation of Logins promises."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from shared.models.custody import new_id
from tests.fakes import NOON

pytestmark = pytest.mark.acceptance("S6")


@pytest.fixture
def day(user_id: str) -> datetime:
    """A day of this test's own, earlier with every test: a purge takes only what is older."""
    return datetime(2000, 1, 1, tzinfo=NOON.tzinfo) - timedelta(days=int(user_id[:16], 16))


def test_a_state_burns_once(stores):
    state = new_id(256)
    assert stores.logins.burn(state, NOON) is True
    assert stores.logins.burn(state, NOON) is False
    assert stores.logins.burn(state, NOON) is False


def test_states_do_not_burn_each_other(stores):
    assert all(stores.logins.burn(new_id(256), NOON) for _ in range(5))


def test_of_many_at_once_one_burns_it(stores):
    state = new_id(256)
    with ThreadPoolExecutor(8) as pool:
        burnt = list(pool.map(lambda _: stores.logins.burn(state, NOON), range(16)))
    assert burnt.count(True) == 1


def test_burnt_states_are_kept_for_an_hour_and_purged_after_it(stores, day):
    start = day + timedelta(hours=12)
    states = [new_id(256) for _ in range(3)]
    assert all(stores.logins.burn(state, start) for state in states)
    stores.logins.purge(start + timedelta(minutes=60))
    assert not any(stores.logins.burn(state, start) for state in states)
    assert stores.logins.purge(start + timedelta(minutes=80)) >= 3
    assert stores.logins.purge(start + timedelta(minutes=80)) == 0


def test_a_purge_takes_more_than_a_transaction_and_several_buckets(stores, day):
    for number in range(120):
        stores.logins.burn(new_id(256), day + timedelta(minutes=10 * (number % 2)))
    assert stores.logins.purge(day + timedelta(hours=2)) >= 120
    assert stores.logins.purge(day + timedelta(hours=2)) == 0


@pytest.mark.parametrize("lost", [1, 2])
def test_a_burn_whose_reply_was_lost_is_ours(real, lost):
    state = new_id(256)
    real.wire.to_lose = lost
    assert real.logins.burn(state, NOON) is True
    assert real.logins.burn(state, NOON) is False


def test_a_replay_whose_reply_was_lost_is_a_replay(real):
    state = new_id(256)
    assert real.logins.burn(state, NOON) is True
    real.wire.to_lose = 1
    assert real.logins.burn(state, NOON) is False
