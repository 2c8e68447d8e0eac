"""NCRONTAB expressions with six fields: second minute hour day month day-of-week.

A field is a comma list of `*`, `5`, `1-5`, each with an optional step (`*/10`, `3-50/5`, `7/2` from 7 to the
end). Months and days have names (Jan, Monday); Sunday is 0. Day and day-of-week must both match, as in the
NCrontab library that the real host uses, unlike cron. Times are UTC.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAY_NAMES = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

# 29 February can be eight years away: 1896 to 1904, 2096 to 2104.
_HORIZON_DAYS = 366 * 9


class BadExpressionError(ValueError):
    """Not a six-field NCRONTAB expression; the message names the field."""


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def parse(self, text: str) -> tuple[int, ...]:
        values: set[int] = set()
        for item in text.split(","):
            values.update(self._item(item, text))
        return tuple(sorted(values))

    def _item(self, item: str, text: str) -> range:
        span, slash, step_text = item.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = self.low, self.high
        else:
            start = self._value(first, text)
            end = self._value(last, text) if dash else (self.high if slash else start)
        if slash and (not _is_number(step_text) or int(step_text) < 1):
            raise self._bad(text)
        if start > end:
            raise self._bad(text)
        return range(start, end + 1, int(step_text) if slash else 1)

    def _value(self, text: str, whole: str) -> int:
        if _is_number(text) and self.low <= int(text) <= self.high:
            return int(text)
        wanted = text.lower()
        if len(wanted) >= 3:
            for index, name in enumerate(self.names):
                if name.startswith(wanted):
                    return index + self.low
        raise self._bad(whole)

    def _bad(self, text: str) -> BadExpressionError:
        return BadExpressionError(f"{self.name} {text!r}: values from {self.low} to {self.high} are possible")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTH_NAMES),
    _Field("day of week", 0, 6, _DAY_NAMES),
)


@dataclass(frozen=True)
class Schedule:
    """The times at which an expression matches."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def next_after(self, moment: datetime) -> datetime | None:
        """The first match strictly after `moment` (aware), in UTC; None when there is none in nine years."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        for offset in range(_HORIZON_DAYS):
            day = start.date() + timedelta(days=offset)
            if self._matches_day(day):
                floor = (start.hour, start.minute, start.second) if offset == 0 else (0, 0, 0)
                found = next(self._times_from(floor), None)
                if found is not None:
                    return datetime(day.year, day.month, day.day, *found, tzinfo=UTC)
        return None

    def _matches_day(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _times_from(self, floor: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
        for hour in self.hours:
            for minute in self.minutes:
                # Whole minutes before the floor are skipped without a look at their seconds.
                if (hour, minute) < floor[:2]:
                    continue
                for second in self.seconds:
                    if (hour, minute, second) >= floor:
                        yield hour, minute, second


def parse(expression: str) -> Schedule:
    """Parse a six-field expression; raises BadExpressionError."""
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise BadExpressionError(f"{expression!r} has {len(parts)} fields; six are needed, seconds first")
    return Schedule(*(field.parse(part) for field, part in zip(_FIELDS, parts, strict=True)))
