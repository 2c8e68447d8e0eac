"""The Retry-After header (RFC 9110 section 10.2.3), as the REST API and the token service send it. Pure."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_PAUSE = 300.0
"""Seconds; a longer Retry-After is cut (acceptance U2)."""

_SECONDS = re.compile(r"[0-9]{1,10}")


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110 section 10.2.3), at most 300; None when absent or malformed."""
    if text is None:
        return None
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_PAUSE)
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max((at - now).total_seconds(), 0.0), MAX_PAUSE)
    except (ValueError, OverflowError):
        return None
