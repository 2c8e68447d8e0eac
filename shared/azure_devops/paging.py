"""Our opaque `continuation` parameter. Pure.

A continuation is base64url of a JSON list of strings: the upstream tokens that led to a page, oldest first, so that
the page before it is the same list without its last. The empty list is the first page. Where the API has no tokens
the list holds one offset.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from shared.errors import AzureDevOpsError, BadParameter, BadRequest, CallRefused

MAX_TOP = 200
"""Ids per details call (facts/azure-devops.md 4.5); one limit for all lists."""
DEFAULT_TOP = 20
MAX_CONTINUATION = 2048
"""Characters; a whole query string is at most 4 KB (acceptance D5)."""
CONTINUATION_PATTERN = "[A-Za-z0-9_-]+"
MAX_TOKEN = 512
"""Characters of an upstream token: theirs are offsets and times (facts 4.3, 4.6)."""

_CONTINUATION = re.compile(CONTINUATION_PATTERN)
_TOKEN = re.compile(rf"[!-~]{{1,{MAX_TOKEN}}}")
_OFFSET = re.compile(r"[0-9]{1,6}")
_NOT_OURS = "“continuation” is not one that this site gave out. Start again at the first page."
_ENCODED = msgspec.json.Decoder(list[str])


@dataclass(frozen=True, slots=True)
class Page[Item]:
    """One page of a list; the continuations are values of our own parameter, None at the ends."""

    items: list[Item]
    next_continuation: str | None = None
    prev_continuation: str | None = None


def parse_tokens(continuation: str | None) -> list[str]:
    """The upstream tokens that led to this page, the last one being its own; BadRequest when we never gave this."""
    if continuation is None:
        return []
    if len(continuation) > MAX_CONTINUATION or not _CONTINUATION.fullmatch(continuation):
        raise _not_ours()
    try:
        tokens = _ENCODED.decode(base64.urlsafe_b64decode(continuation + "=" * (-len(continuation) % 4)))
    except (binascii.Error, UnicodeDecodeError, msgspec.MsgspecError):
        raise _not_ours() from None
    if not all(map(_TOKEN.fullmatch, tokens)):
        raise _not_ours()
    return tokens


def parse_offset(continuation: str | None, limit: int) -> int:
    """Where the page begins in a list that we slice ourselves, below `limit`; BadRequest when we never gave this."""
    tokens = parse_tokens(continuation)
    if not tokens:
        return 0
    if len(tokens) > 1 or not _OFFSET.fullmatch(tokens[0]) or int(tokens[0]) >= limit:
        raise _not_ours()
    return int(tokens[0])


@contextmanager
def reached_by(tokens: list[str]) -> Iterator[None]:
    """What a refused call for the page reached by `tokens` means: they are made up, unless there are none."""
    try:
        yield
    except CallRefused:
        if not tokens:
            raise
        raise BadParameter("continuation", _NOT_OURS) from None


def token_page[Item](items: list[Item], tokens: list[str], following: str | None) -> Page[Item]:
    """A page reached by `tokens`; `following` is the upstream token of the next one, None at the end.

    AzureDevOpsError: the upstream token is none that we could send back.
    """
    if following and not _TOKEN.fullmatch(following):
        raise AzureDevOpsError("continuation token out of bounds")
    return Page(
        items,
        next_continuation=_encode([*tokens, following]) if following else None,
        prev_continuation=_encode(tokens[:-1]) if tokens else None,
    )


def offset_page[Item](items: list[Item], offset: int, top: int, *, more: bool) -> Page[Item]:
    """A page that begins at `offset`; `more` tells whether anything follows it."""
    before = max(0, offset - top)
    return Page(
        items,
        next_continuation=_encode([str(offset + top)]) if more else None,
        prev_continuation=_encode([str(before)] if before else []) if offset else None,
    )


def _encode(tokens: Sequence[str]) -> str:
    """Forgets the oldest tokens where the parameter would grow too long: then going back ends at the first page."""
    while len(text := base64.urlsafe_b64encode(msgspec.json.encode(tokens)).rstrip(b"=").decode()) > MAX_CONTINUATION:
        tokens = tokens[1:]
    return text


def _not_ours() -> BadRequest:
    return BadRequest(advice=_NOT_OURS)
