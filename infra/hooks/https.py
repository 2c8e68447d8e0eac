"""One https request: certificates are checked, redirects are not followed, so that a key goes to the host it is for."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60
"""A cold start on Flex Consumption may take half a minute."""
LARGEST_BODY = 1 << 20


class Unreachable(Exception):
    """No answer; the text says why and holds nothing of the request."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


def ask(method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
    """Send one request. Raises Unreachable."""
    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, parts.path or "/", body=body, headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(LARGEST_BODY))
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"no answer ({type(error).__name__})") from None
    finally:
        connection.close()
