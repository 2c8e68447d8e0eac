"""Carries out a fault rule's action around the real work of a call."""

import asyncio
import gzip
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count
from typing import Any

from tools.simulator.messages import Headers, Request, Response, html_response, json_response
from tools.simulator.server import DroppedError

type Work = Callable[[Request], Response]
type Refuse = Callable[[Request, Any], Response]

_HTML = (
    "<!DOCTYPE html><html><head><title>Azure DevOps Services Unavailable</title></head>"
    "<body><h1>Services are unavailable</h1>" + "<!-- filler -->" * 900 + "</body></html>"
)
_page_numbers: Iterator[int] = count(1)


async def disturb(action: dict[str, Any], request: Request, work: Work, refuse: Refuse) -> Response:
    """The answer to `request` under the action; `refuse` answers an `aadsts` as Entra does.

    Raises DroppedError where the connection is to be cut.
    """
    await asyncio.sleep(action.get("delay", 0))
    if "drop" in action:
        raise DroppedError
    response = _outcome(action, request, work, refuse)
    await asyncio.sleep(action.get("reply_delay", 0))
    if "commit_then_drop" in action:
        raise DroppedError
    if "truncate" in action:
        raise DroppedError(response, action["truncate"])
    return response


def _outcome(action: dict[str, Any], request: Request, work: Work, refuse: Refuse) -> Response:
    if "endless_paging" in action:
        return _endless(request, work)
    instead = refuse(request, action["aadsts"]) if "aadsts" in action else _instead(action)
    done = work(request) if instead is None or action.get("commit") else None
    response = instead or done
    assert response is not None
    return _with_headers(response, list(action.get("headers", {}).items()))


def _instead(action: dict[str, Any]) -> Response | None:
    """The made-up answer, None when the real one is to be used."""
    if "html" in action:
        page = _HTML if action["html"] is True else action["html"]
        return html_response(page, action.get("status", 200))
    if "gzip_bomb" in action:
        headers = [("Content-Type", "application/json; charset=utf-8"), ("Content-Encoding", "gzip")]
        return Response(200, headers, _bomb(action["gzip_bomb"]))
    if "deep_json" in action:
        depth = action["deep_json"]
        return Response(200, [("Content-Type", "application/json")], b"[" * depth + b"]" * depth)
    if "token_error" in action:
        error = action["token_error"]
        body = {"Error": error["error"], "ErrorDescription": error.get("description", "")}
        return json_response(body, 400)
    if "status" not in action:
        return None
    if "json" in action:
        return json_response(action["json"], action["status"])
    return Response(action["status"], [], action.get("body", "").encode())


def _with_headers(response: Response, added: Headers) -> Response:
    replaced = {name.lower() for name, _ in added}
    kept = [(name, value) for name, value in response.headers if name.lower() not in replaced]
    return Response(response.status, kept + added, response.body)


def _endless(request: Request, work: Work) -> Response:
    """Page 1 again and again, each time with another continuation token."""
    response = work(request.without_query("continuationToken"))
    return _with_headers(response, [("x-ms-continuationtoken", str(next(_page_numbers)))])


@lru_cache(maxsize=4)
def _bomb(mebibytes: int) -> bytes:
    """A JSON string of so many MiB of blanks, packed about a thousand times smaller."""
    chunk = gzip.compress(b" " * 1024 * 1024, mtime=0)
    # Concatenated gzip members unpack to the concatenation of their contents (RFC 1952 section 2.2).
    return (
        gzip.compress(b'{"count":0,"value":[],"filler":"', mtime=0) + chunk * mebibytes + gzip.compress(b'"}', mtime=0)
    )
