"""What an answer to a query must look like before anybody believes it.

The SDK takes an empty 200, or `null`, for a partition without rows. To us that would mean: session over, hints done.
"""

import json
from typing import Any

from azure.core.exceptions import DecodeError


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
