"""One JSON line for each event, whatever its fields hold."""

import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import LOGGER, correlation_id, emitter, line

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Word(StrEnum):
    TIMER = "timer"


def told(**fields) -> dict:
    return json.loads(line("refreshed", NOON, "c0ffee", fields))


def test_an_event_carries_its_name_its_time_and_the_correlation_id():
    assert told() == {"event": "refreshed", "at": "2026-11-24T12:00:00.000Z", "correlation_id": "c0ffee"}


def test_its_time_is_utc_whatever_the_clock_says():
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    assert json.loads(line("tick", tokyo, "-", {}))["at"] == "2026-11-24T12:00:00.000Z"


@pytest.mark.parametrize("name", ["user", "session"])
def test_users_and_sessions_appear_with_twelve_digits(name):
    assert told(**{name: "0123456789abcdef" * 4})[name] == "0123456789ab"


def test_what_does_not_apply_is_left_out():
    assert "user" not in told(user=None, session=None)
    assert told(seconds=0)["seconds"] == 0


def test_fixed_words_appear_as_their_text():
    assert told(by=Word.TIMER)["by"] == "timer"


@pytest.mark.parametrize(
    "text",
    ["a\r\nb", '\n{"event": "forged"}', "\x1b[31mred", "\u2028", "\u0085", "x" * 10_240, '"', "\\", "\0", "\ud800"],
    ids=ascii,
)
def test_whatever_a_field_holds_it_stays_one_line(text):
    written = line("denied", NOON, "-", {"reason": text, "user": text})
    assert len(written.splitlines()) == 1
    assert written.isascii()
    assert written.isprintable()
    assert json.loads(written)["reason"] == text


@given(st.dictionaries(st.text(max_size=20), st.text() | st.integers() | st.booleans() | st.none(), max_size=5))
def test_any_fields_at_all_stay_one_line_of_json(fields):
    written = line("tick", NOON, "-", fields)
    assert len(written.splitlines()) == 1
    assert isinstance(json.loads(written), dict)


def test_an_emitter_writes_one_record_at_info_with_the_id_of_the_invocation(caplog):
    moments = iter([NOON, NOON + timedelta(seconds=1)])
    emit = emitter(lambda: next(moments))
    token = correlation_id.set("beef")
    try:
        with caplog.at_level(logging.INFO, LOGGER.name):
            emit("signed_out", user="a" * 32)
            emit("tick", failed={"app_fault": 2}, note="100%s")
    finally:
        correlation_id.reset(token)
    first, second = (json.loads(record.getMessage()) for record in caplog.records)
    assert [record.name for record in caplog.records] == ["gatehouse.events"] * 2
    assert first == {
        "event": "signed_out", "at": "2026-11-24T12:00:00.000Z", "correlation_id": "beef", "user": "a" * 12,
    }  # fmt: skip
    assert (second["failed"], second["note"], second["at"]) == ({"app_fault": 2}, "100%s", "2026-11-24T12:00:01.000Z")


def test_events_are_written_though_the_root_logger_is_quiet():
    assert LOGGER.isEnabledFor(logging.INFO)
