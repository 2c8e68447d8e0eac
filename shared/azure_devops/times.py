"""Times of the API as aware datetimes in UTC. Pure."""

from datetime import UTC, datetime

_NEVER = (1, 9999)


def parse_time(text: str | None) -> datetime | None:
    """A time as the API writes it: 7 fractional digits, `Z` or an offset; None when it is none or can't be in UTC.

    None too for the years that stand for "never" on the wire (facts/azure-devops.md 4.5).
    """
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None if time.year in _NEVER else time
