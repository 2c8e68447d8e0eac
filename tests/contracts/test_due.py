"""What every implementation of Due promises."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from shared.storage.due import Hint
from tests.contracts.conftest import Stores
from tests.fakes import NOON

pytestmark = pytest.mark.acceptance("S6")


@pytest.fixture
def day(user_id: str) -> datetime:
    """A day of this test's own, so that hints of others in the same store are out of sight."""
    return datetime(2400, 1, 1, tzinfo=NOON.tzinfo) - timedelta(days=int(user_id[:16], 16))


@pytest.fixture
def due(stores: Stores, day: datetime):
    """Hints of that day, as custody would read them."""

    def read(until: datetime) -> list[Hint]:
        return [hint for page in stores.due.until(until) for hint in page if hint.at >= day]

    return read


def test_hints_come_oldest_first_whatever_the_order_of_their_writing(stores, due, day):
    hints = [Hint(day + timedelta(seconds=number), f"{number % 7:032x}") for number in range(30)]
    for hint in sorted(hints, key=lambda it: it.user_id):
        stores.due.put([hint])
    assert due(day + timedelta(hours=1)) == hints


def test_a_hint_is_due_at_its_second_and_not_before(stores, due, day, user_id):
    hint = Hint(day + timedelta(seconds=10), user_id)
    stores.due.put([hint])
    assert due(day + timedelta(seconds=9, microseconds=999_999)) == []
    assert due(hint.at) == [hint]


def test_a_hint_is_kept_to_the_second(stores, due, day, user_id):
    stores.due.put([Hint(day + timedelta(seconds=5, microseconds=700_000), user_id)])
    assert due(day + timedelta(minutes=1)) == [Hint(day + timedelta(seconds=5), user_id)]


def test_the_same_hint_twice_is_one(stores, due, day, user_id):
    hint = Hint(day, user_id)
    stores.due.put([hint])
    stores.due.put([hint])
    assert due(day) == [hint]


def test_removed_hints_are_gone_and_others_stay(stores, due, day):
    hints = [Hint(day, f"{number:032x}") for number in range(5)]
    stores.due.put(hints)
    stores.due.remove(hints[:3])
    assert due(day) == hints[3:]


def test_hints_that_are_gone_already_do_not_save_the_others(stores, due, day):
    hints = [Hint(day, f"{number:032x}") for number in range(6)]
    stores.due.put(hints)
    stores.due.remove([hints[2]])
    stores.due.remove(hints)
    assert due(day) == []


def test_more_than_a_transaction_is_written_and_removed(stores, due, day):
    hints = [Hint(day, f"{number:032x}") for number in range(250)]
    stores.due.put(hints)
    assert due(day) == hints
    stores.due.remove(hints)
    assert due(day) == []


def test_pages_lose_no_hint_while_the_pages_before_are_moved(stores, day):
    hints = [Hint(day, f"{number:032x}") for number in range(2100)]
    stores.due.put(hints)
    seen = []
    for page in stores.due.until(day):
        mine = [hint for hint in page if hint.at == day]
        seen += mine
        stores.due.put([Hint(day + timedelta(hours=1), hint.user_id) for hint in mine[:100]])
        stores.due.remove(mine)
    assert seen == hints


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_reply_changes_nothing(real, day, number, lost):
    hints = [Hint(day, f"{index:032x}") for index in range(number)]
    real.wire.to_lose = lost
    real.due.put(hints)
    read = [hint for page in real.due.until(day) for hint in page if hint.at == day]
    assert read == hints
    real.wire.to_lose = lost
    real.due.remove(hints)
    assert not [hint for page in real.due.until(day) for hint in page if hint.at == day]
