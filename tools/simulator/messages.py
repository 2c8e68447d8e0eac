"""Requests and answers as the simulator's parts pass them to each other."""

from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec

type Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """One HTTP request; `target` is the raw request target, header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @cached_property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @cached_property
    def segments(self) -> list[str]:
        """The path's non-empty segments, each percent-decoded."""
        return [unquote(part) for part in self.path.split("/") if part]

    @cached_property
    def query(self) -> dict[str, str]:
        """Query parameters by lower-case name: Azure DevOps does not care about their case."""
        return {name.lower(): value for name, value in self.query_pairs}

    @cached_property
    def query_pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    @cached_property
    def form_pairs(self) -> list[tuple[str, str]]:
        """The pairs of a form body; empty when the body is not text."""
        try:
            return parse_qsl(self.body.decode(), keep_blank_values=True)
        except UnicodeDecodeError:
            return []

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def without_query(self, name: str) -> "Request":
        """The same request as if the query parameter `name` had not been sent."""
        kept = [(key, value) for key, value in self.query_pairs if key.lower() != name.lower()]
        return Request(self.method, f"{self.path}?{urlencode(kept)}", self.headers, self.body)


@dataclass(frozen=True)
class Response:
    """One answer; the server adds Date, Content-Length and Connection."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""


class DuplicatedError(ValueError):
    """A parameter was sent more than once; carries its name."""


def single_values(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The pairs as a dict. Raises DuplicatedError: repeating is an error (RFC 6749 section 3.1)."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise DuplicatedError(name)
        values[name] = value
    return values


def json_response(value: object, status: int = 200, headers: Headers | None = None) -> Response:
    """`value` as compact JSON in UTF-8, keys in the order given."""
    content_type = ("Content-Type", "application/json; charset=utf-8")
    return Response(status, [content_type, *(headers or [])], msgspec.json.encode(value))


def html_response(page: str, status: int = 200) -> Response:
    """`page` as text/html in UTF-8."""
    return Response(status, [("Content-Type", "text/html; charset=utf-8")], page.encode())


def redirect(location: str) -> Response:
    """302 to `location`."""
    return Response(302, [("Location", location), ("Cache-Control", "no-store")])
