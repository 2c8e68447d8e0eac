"""Six-field NCRONTAB: what matches when."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.local_host.ncrontab import BadExpressionError, parse


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 */5 * * * *", "2026-11-24T10:01:00", "2026-11-24T10:05:00"),
        ("0 */5 * * * *", "2026-11-24T10:05:00", "2026-11-24T10:10:00"),
        ("0 */5 * * * *", "2026-11-24T23:59:59", "2026-11-25T00:00:00"),
        ("*/2 * * * * *", "2026-11-24T10:00:00.900", "2026-11-24T10:00:02"),
        ("30 7/20 * * * *", "2026-11-24T10:00:00", "2026-11-24T10:07:30"),
        ("30 7/20 * * * *", "2026-11-24T10:47:30", "2026-11-24T11:07:30"),
        ("0 0 9-17/4 * * *", "2026-11-24T13:00:00", "2026-11-24T17:00:00"),
        ("0 0 9-17/4 * * *", "2026-11-24T17:00:00", "2026-11-25T09:00:00"),
        ("5,1,9 0 0 * * *", "2026-11-24T00:00:05", "2026-11-24T00:00:09"),
        ("0 0 0 * * Mon-Fri", "2026-11-27T12:00:00", "2026-11-30T00:00:00"),
        ("0 0 0 * * 0", "2026-11-24T00:00:00", "2026-11-29T00:00:00"),
        ("0 0 0 * * sunday", "2026-11-24T00:00:00", "2026-11-29T00:00:00"),
        ("0 0 0 1 Jan,JUL *", "2026-11-24T00:00:00", "2027-01-01T00:00:00"),
        ("0 0 0 31 * *", "2026-11-24T00:00:00", "2026-12-31T00:00:00"),
        ("0 0 0 29 2 *", "2026-11-24T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 29 2 *", "2096-02-29T00:00:00", "2104-02-29T00:00:00"),
        ("59 59 23 31 12 *", "2026-12-31T23:59:58", "2026-12-31T23:59:59"),
        # Day and day of week must both match, unlike cron.
        ("0 0 0 13 * Fri", "2026-11-24T00:00:00", "2027-08-13T00:00:00"),
    ],
)
def test_next_occurrence(expression: str, after: str, expected: str) -> None:
    assert at(expected) == parse(expression).next_after(at(after))


def test_other_time_zones_are_converted_to_utc() -> None:
    moment = datetime(2026, 11, 24, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert at("2026-11-24T00:00:00") == parse("0 0 0 * * *").next_after(moment)


def test_a_date_that_never_comes_has_no_occurrence() -> None:
    assert parse("0 0 0 30 2 *").next_after(at("2026-11-24T00:00:00")) is None


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "*/5 * * * *",
        "* * * * * * *",
        "00:05:00",
        "60 * * * * *",
        "* 60 * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * 32 * *",
        "* * * * 13 *",
        "* * * * * 7",
        "-1 * * * * *",
        "*/0 * * * * *",
        "*/x * * * * *",
        "*/ * * * * *",
        "5-1 * * * * *",
        "1- * * * * *",
        "1,,2 * * * * *",
        "* * * * * Foo",
        "* * * * Ja *",
        "Mon * * * * *",
        "² * * * * *",
    ],
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(BadExpressionError):
        parse(expression)


def test_the_error_names_the_field() -> None:
    with pytest.raises(BadExpressionError, match="hour '24'"):
        parse("0 0 24 * * *")


@given(
    moment=st.integers(946_684_800, 3_786_912_000),
    seconds=st.sampled_from(["*", "0", "*/7", "3-50/5"]),
    minutes=st.sampled_from(["*", "*/15", "59", "1,2,40"]),
    hours=st.sampled_from(["*", "0", "23", "8-17"]),
    days=st.sampled_from(["*", "1", "31", "*/10"]),
)
def test_the_next_occurrence_is_later_and_nothing_lies_between(
    moment: int, seconds: str, minutes: str, hours: str, days: str
) -> None:
    schedule = parse(f"{seconds} {minutes} {hours} {days} * *")
    start = datetime.fromtimestamp(moment, UTC)
    found = schedule.next_after(start)
    assert found is not None
    assert found > start
    assert schedule.next_after(found - timedelta(seconds=1)) == found
    halfway = start + (found - start) / 2
    assert schedule.next_after(halfway) == found
