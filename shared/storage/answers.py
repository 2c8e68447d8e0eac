"""What an answer of the table service means.

A write whose reply is lost is neither failed nor done. An empty 200, or `null`, is no partition without rows, for which
the SDK takes it: to us that would mean that a session is over and hints are done.
"""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from azure.core.exceptions import DecodeError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableErrorCode

from shared.errors import Fenced, StoreError
from shared.retry_after import parse_retry_after


class OutcomeUnknownError(Exception):
    """A write whose reply was lost: it may have happened. `retry_after`: the seconds that the service asks to wait."""

    def __init__(self, log: str = "", *, retry_after: float = 0) -> None:
        super().__init__(log)
        self.retry_after = retry_after


class Conflict(Exception):
    """The service refused a conditional write: 404 gone, 409 there already, 412 changed. Known not to have happened."""

    def __init__(self, status: int, index: int = 0) -> None:
        super().__init__(f"{status} at operation {index}")
        self.status = status
        self.index = index


def refuse_what_is_no_page(response: Any) -> None:
    """For the SDK's `raw_response_hook`. Raises DecodeError for a 200 that is no JSON page of rows with keys."""
    answer = response.http_response
    if answer.status_code != 200:
        return
    try:
        rows = json.loads(answer.text("utf-8-sig"))["value"]
        whole = isinstance(rows, list) and all(isinstance(row["RowKey"], str) for row in rows)
    except (ValueError, LookupError, TypeError):
        whole = False
    if not whole:
        raise DecodeError("table service: 200 without a page of rows")


def refused(error: Exception, index: int = 0) -> Exception:
    """What a failed write means: a refusal that the service spoke out, or an unknown outcome."""
    status = getattr(error, "status_code", None)
    if getattr(error, "error_code", None) == TableErrorCode.TABLE_NOT_FOUND:
        return StoreError(f"table service: {status}, no such table")
    if isinstance(error, ResourceExistsError):
        status = 409
    elif isinstance(error, ResourceNotFoundError):
        status = 404
    if status in (404, 409, 412):
        return Conflict(status, index)
    if status in (400, 401, 403, 413):
        return StoreError(f"table service: {status}")
    return OutcomeUnknownError(type(error).__name__, retry_after=asked_to_wait(error))


def asked_to_wait(error: Exception) -> float:
    """Seconds by the Retry-After of an answer, 0 without; a date in it counts from the answer's own."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        sent = parsedate_to_datetime(headers.get("Date", ""))
    except ValueError:
        sent = datetime.max.replace(tzinfo=UTC)
    return parse_retry_after(headers.get("Retry-After"), sent) or 0.0


def fenced(conflict: Conflict) -> Fenced:
    """The error that callers of the store see for a lost race."""
    return Fenced(f"conditional write: {conflict.status}")
