"""Which function answers a request, by the rules of the ASP.NET router inside the real host.

Functions are tried in the order of their names and the first match wins, whatever is more specific: hence
a catch-all is called `zz_…`. Case and one trailing slash don't matter. `{name}` takes one segment, `{name?}`
at the end may be absent, `{*name}` takes the rest, also nothing. `methods` restricts a function to them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from tools.local_host.errors import HostError
from tools.local_host.runtime import HostedFunction

_PARAMETER = re.compile(r"\{(\*{0,2})([A-Za-z_]\w*)(\??)\}\Z")
_ENCODED_SLASH = re.compile(r"(%2F)", re.IGNORECASE)


@dataclass(frozen=True)
class _Segment:
    text: str
    is_parameter: bool = False
    is_optional: bool = False
    is_catch_all: bool = False


@dataclass(frozen=True)
class Match:
    """A function and the decoded values of its route's parameters."""

    function: HostedFunction
    parameters: dict[str, str]


@dataclass(frozen=True)
class _Route:
    function: HostedFunction
    segments: tuple[_Segment, ...]
    methods: frozenset[str]

    def match(self, method: str, parts: Sequence[str], ends_open: bool) -> dict[str, str] | None:
        if self.methods and method not in self.methods:
            return None
        values: dict[str, str] = {}
        for index, segment in enumerate(self.segments):
            if segment.is_catch_all:
                rest = "/".join([*parts[index:], ""] if ends_open else parts[index:])
                if rest and len(parts) > index:
                    values[segment.text] = rest
                return values
            if index >= len(parts):
                return values if segment.is_optional else None
            part = parts[index]
            if segment.is_parameter and part:
                values[segment.text] = part
            elif segment.is_parameter or part.lower() != segment.text:
                return None
        return values if len(parts) == len(self.segments) else None


class Router:
    """The routes of all HTTP functions."""

    def __init__(self, functions: Iterable[HostedFunction], prefix: str) -> None:
        """Raises HostError for a template that the router does not know or that is reserved."""
        self._routes = [
            _Route(function, parse_template(_full_template(function, prefix)), function.methods)
            for function in sorted(functions, key=lambda function: function.name.lower())
            if function.is_http
        ]

    def match(self, method: str, raw_path: str) -> Match | None:
        """The function for a path as it stood in the request line."""
        path = raw_path.removeprefix("/")
        parts = [decode_segment(part) for part in path.split("/")]
        if not parts[-1]:
            parts.pop()
        for route in self._routes:
            values = route.match(method, parts, path.endswith("/"))
            if values is not None:
                return Match(route.function, values)
        return None


def parse_template(template: str) -> tuple[_Segment, ...]:
    """Split a route template; raises HostError for what the real router refuses or this one lacks."""
    path = template.strip("/")
    segments = tuple(_parse_segment(part, template) for part in path.split("/")) if path else ()
    if any(segment.is_optional or segment.is_catch_all for segment in segments[:-1]):
        raise HostError(f"the route {template} has an optional or a catch-all parameter before its end.")
    if segments and segments[0].text == "admin":
        raise HostError(f"the route {template} conflicts with the host's own routes under admin/.")
    return segments


def decode_segment(raw: str) -> str:
    """Decode percent escapes once but leave `%2F`, as Kestrel does before the host matches routes.

    A piece that is no UTF-8 stays encoded. In Azure a front end may have decoded `%2F` before that
    (azure-functions-host issues 3998 and 9290): the path then has one segment more.
    """
    if "%" not in raw:
        return raw
    return "".join(
        piece if _ENCODED_SLASH.fullmatch(piece) else _decode_piece(piece) for piece in _ENCODED_SLASH.split(raw)
    )


def _decode_piece(piece: str) -> str:
    try:
        return unquote_to_bytes(piece).decode()
    except UnicodeDecodeError:
        return piece


def _full_template(function: HostedFunction, prefix: str) -> str:
    route = function.route.strip("/") if function.route is not None else function.name
    return f"{prefix}/{route}" if prefix else route


def _parse_segment(part: str, template: str) -> _Segment:
    if "{" not in part and "}" not in part:
        return _Segment(part.lower())
    found = _PARAMETER.match(part)
    if found is None:
        raise HostError(f"the route {template}: the segment {part} is not supported by the local host.")
    stars, name, question = found.groups()
    return _Segment(name, is_parameter=True, is_optional=bool(question), is_catch_all=bool(stars))
