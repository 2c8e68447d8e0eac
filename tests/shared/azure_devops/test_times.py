from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure_devops.times import parse_time


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2017-11-20T13:18:01.1275996Z", datetime(2017, 11, 20, 13, 18, 1, 127599, UTC)),
        ("2023-01-20T19:20:51.6433333+00:00", datetime(2023, 1, 20, 19, 20, 51, 643333, UTC)),
        ("2023-12-22T12:17:46.59Z", datetime(2023, 12, 22, 12, 17, 46, 590000, UTC)),
        ("2023-12-22T01:00:00+02:00", datetime(2023, 12, 21, 23, tzinfo=UTC)),
        ("2023-12-22T01:00:00", datetime(2023, 12, 22, 1, tzinfo=UTC)),
        ("9998-12-31T23:59:59Z", datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0002-01-01T00:00:00", datetime(2, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_of_the_wire_become_utc(text, time):
    assert parse_time(text) == time
    assert parse_time(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text", [None, "", "soon", "2023-13-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_time_in_utc_is_none(text):
    assert parse_time(text) is None


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "0001-12-31T23:59:59.99Z", "9999-01-01T00:00:00Z"])
def test_never_is_no_time(text):
    """The first and the last year stand for it on the wire."""
    assert parse_time(text) is None


@given(st.text())
def test_no_text_raises(text):
    parse_time(text)
