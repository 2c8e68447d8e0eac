"""The Retry-After header (RFC 9110 section 10.2.3): seconds or an HTTP date."""

from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 300.0
"""Absurd values are capped: five minutes (acceptance U2)."""


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """How long to wait, in seconds from `now`, at most five minutes; None when absent or malformed."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), LONGEST_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_SECONDS)
