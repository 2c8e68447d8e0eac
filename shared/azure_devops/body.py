"""Reading the body of an answer within limits, and decoding it strictly.

Decompression is done here and not by urllib3: the limit holds while it unpacks, so that a small body can't become a
large one in memory.
"""

import codecs
import re
import zlib
from collections.abc import Callable
from itertools import accumulate, count
from operator import sub

import msgspec
import requests

from shared.errors import AzureDevOpsError

MAX_BODY = 10 * 1024 * 1024
"""Bytes after decompression (acceptance U4)."""
MAX_DEPTH = 64
"""Levels of arrays and objects (acceptance U4)."""

_CHUNK = 64 * 1024
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, ended by the body too: else each quote of one that never ends would be tried for the start of another."""
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes.maketrans(b"[{]}", b"\x02\x02\x00\x00")
"""Two up for an opening bracket and none for a closing one; every bracket takes one away again."""


class Truncated(Exception):
    """The connection or the compressed stream ended before the body did."""


def read_body(response: requests.Response, limit: int, before_read: Callable[[], None]) -> bytes:
    """The decompressed body; `before_read` runs before each piece and may raise to give up.

    AzureDevOpsError: more than `limit` bytes, an unknown coding or a damaged one. Truncated: it ends too early.
    """
    unpack = _unpacker(response.headers.get("Content-Encoding", "identity"))
    body, received = bytearray(), 0
    while True:
        before_read()
        piece = response.raw.read1(_CHUNK, decode_content=False)
        if not piece:
            break
        body += unpack(piece, limit + 1 - len(body))
        received += len(piece)
        if max(len(body), received) > limit:  # a stream can also go on for ever and unpack to nothing
            raise AzureDevOpsError(f"body over {limit} bytes")
    unpack(b"", 0)
    return bytes(body)


def decode[T](body: bytes, shape: msgspec.json.Decoder[T]) -> T:
    """The body as this shape; AzureDevOpsError for anything that is not strict JSON of it."""
    body = body.removeprefix(codecs.BOM_UTF8)
    if nests_deeper(body, MAX_DEPTH):
        raise AzureDevOpsError("body nested too deeply")
    try:
        return shape.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise AzureDevOpsError(f"body is not of the expected shape: {type(error).__name__}") from None


def nests_deeper(body: bytes, depth: int) -> bool:
    """Whether arrays and objects nest deeper at any point; brackets inside strings don't count.

    One pass that ends where the depth is passed: the depth after n brackets is the sum of their steps less n.
    """
    if body.count(b"[") + body.count(b"{") <= depth:
        return False
    steps = _STRING.sub(b"", body).translate(_STEPS, _NOT_BRACKETS)
    return any(map(depth.__lt__, map(sub, accumulate(steps), count(1))))


def _unpacker(coding: str) -> Callable[[bytes, int], bytes]:
    """A function of (piece, most bytes wanted); an empty piece tells that the body is over."""
    match coding.strip().lower():
        case "identity" | "":
            return lambda piece, _: piece
        case "gzip" | "x-gzip":
            return _gunzipper()
    raise AzureDevOpsError("unknown content coding")


def _gunzipper() -> Callable[[bytes, int], bytes]:
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    def unpack(piece: bytes, most: int) -> bytes:
        if not piece and not stream.eof:
            raise Truncated
        try:
            return stream.decompress(piece, most)
        except zlib.error:
            raise AzureDevOpsError("damaged gzip stream") from None

    return unpack
