from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure_devops.pacing import MAX_REMEMBERED, Pauses, RetryBudget
from shared.retry_after import parse_retry_after
from tests.shared.azure_devops.conftest import Clock

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("30", 30),
        (" 30 ", 30),
        ("300", 300),
        ("301", 300),
        ("9999999999", 300),
        ("Tue, 24 Nov 2026 12:01:00 GMT", 60),
        ("Tue, 24 Nov 2026 12:01:00 -0000", 60),
        ("Tuesday, 24-Nov-26 12:01:00 GMT", 60),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 300),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e9", None),
        ("٣٠", None),
        ("99999999999", None),
        ("Tue, 99 Nov 2026 12:01:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_at_most_five_minutes(text, seconds):
    assert parse_retry_after(text, NOW) == seconds


@given(st.text(st.characters(max_codepoint=255)))
def test_no_retry_after_raises_or_leaves_its_bounds(text):
    assert 0 <= (parse_retry_after(text, NOW) or 0) <= 300


def test_a_shorter_pause_does_not_end_a_longer_one():
    clock = Clock()
    pauses = Pauses(clock.now)
    pauses.remember("ada", 60)
    pauses.remember("ada", 5)
    assert pauses.rest("ada") == 60


def test_the_memory_is_bounded_and_loses_what_is_over_first_and_the_nearest_end_next():
    clock = Clock()
    pauses = Pauses(clock.now)
    pauses.remember("over", 1)
    for number in range(MAX_REMEMBERED - 1):
        pauses.remember(f"user-{number}", 100 + number / 1000)
    clock.pass_by(2)
    pauses.remember("one more", 100)
    assert pauses.rest("user-0") > 0
    pauses.remember("and another", 100)
    assert len(pauses._until) == MAX_REMEMBERED
    assert pauses.rest("user-0") == 0
    assert pauses.rest("user-1") > 0


def test_ten_retries_are_free_and_then_one_comes_with_ten_calls():
    budget = RetryBudget()
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(9):
        budget.called()
    assert not budget.take()
    budget.called()
    assert budget.take()
    assert not budget.take()
