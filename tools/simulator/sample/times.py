"""Times as the service writes them (facts 4.2, 4.5, 4.6)."""

from datetime import UTC, datetime


def ticks(moment: datetime) -> str:
    """With the seven fractional digits of .NET ticks; the last one is made up and never 0."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}{moment.microsecond % 9 + 1}Z"


def milliseconds(moment: datetime) -> str:
    """To the millisecond without trailing zeros, as work items and projects have it."""
    fraction = f".{moment.microsecond // 1000:03d}".rstrip("0").rstrip(".")
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def parse_time(text: str) -> datetime:
    """An ISO 8601 date or date-time; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
