"""One HTTP request as the Datum that the runtime decodes, and the Datum of an answer as an HTTP answer.

The conversions are those of the real host's gRPC messages, so that an app sees and sends the same on both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookies import Morsel
from typing import Any
from urllib.parse import parse_qsl, quote

from azure_functions_runtime.bindings.datumdef import Datum

Headers = list[tuple[bytes, bytes]]

# Kestrel writes these itself; what an app says about them would contradict the wire.
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})


class BadHeaderError(ValueError):
    """A header that is no UTF-8 (request), or no ASCII (answer)."""


@dataclass(frozen=True)
class Request:
    """A request as it stood on the wire.

    `target` is path and query, byte for byte; header names are lower case.
    """

    method: str
    scheme: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def datum(self, route_values: Mapping[str, str]) -> Datum:
        """The value of an httpTrigger parameter."""
        value = {
            "method": Datum(self.method, "string"),
            "url": Datum(f"{self.scheme}://{self.headers.get('host', '')}{self.target}", "string"),
            "headers": _strings(self.headers),
            "params": _strings(route_values),
            "query": _strings(query_values(self.query)),
            "body": Datum(self.body, "bytes"),
        }
        return Datum(value, "http")


@dataclass(frozen=True)
class Answer:
    """An answer on its way to the wire; header names are lower case, `set-cookie` may repeat."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def wire_headers(self, fill_in: Mapping[str, str]) -> Headers:
        """All header lines; `fill_in` (customHeaders) adds what the answer lacks. Raises BadHeaderError."""
        present = {name for name, _ in self.headers}
        lines = [
            *self.headers,
            *((name, value) for name, value in fill_in.items() if name.lower() not in present),
        ]
        # An answer to HEAD names the length that GET would have; these two have none.
        if self.status not in (204, 304):
            lines.append(("content-length", str(len(self.body))))
        try:
            return [(name.encode("ascii"), value.encode("ascii")) for name, value in lines]
        except UnicodeEncodeError as error:
            raise BadHeaderError("a header of the answer is not ASCII") from error


def joined_headers(lines: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name, duplicates joined by a comma as StringValues.ToString() does.

    Cookie too: Kestrel joins its lines by "; " only for HTTP/2. Raises BadHeaderError.
    """
    headers: dict[str, str] = {}
    for raw_name, raw_value in lines:
        name = raw_name.decode("ascii").lower()
        try:
            value = raw_value.decode()
        except UnicodeDecodeError as error:
            raise BadHeaderError(f"the header {name} is not UTF-8") from error
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def query_values(query: str) -> dict[str, str]:
    """Decoded query parameters: repeated ones, in any case, joined by a comma; empty ones dropped."""
    grouped: dict[str, tuple[str, list[str]]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        grouped.setdefault(name.lower(), (name, []))[1].append(value)
    return {name: joined for name, values in grouped.values() if (joined := ",".join(values))}


def answer_of(datum: Any) -> Answer:
    """The HTTP answer for the Datum of `$return`."""
    if datum.type != "http":
        return Answer(200, (("content-type", "text/plain; charset=utf-8"),), str(datum.value).encode())
    value = datum.value
    headers = [(name.lower(), field.value) for name, field in value["headers"].items() if name.lower() not in _FRAMING]
    for jar in value["cookies"] or ():
        headers.extend(("set-cookie", set_cookie(morsel)) for morsel in jar.values())
    body = value["body"].value
    status = int(value["status_code"].value)
    return Answer(status, tuple(headers), b"" if status in (204, 304) else body)


def set_cookie(morsel: "Morsel[str]") -> str:
    """One Set-Cookie value as ASP.NET writes it: value percent-encoded, attributes in its order."""
    parts = [f"{morsel.key}={quote(morsel.value, safe='')}"]
    parts += [f"{name}={morsel[name]}" for name in ("expires", "max-age", "domain", "path") if morsel[name]]
    if morsel["secure"]:
        parts.append("secure")
    if morsel["samesite"]:
        parts.append(f"samesite={morsel['samesite'].lower()}")
    if morsel["httponly"]:
        parts.append("httponly")
    return "; ".join(parts)


def _strings(values: Mapping[str, str]) -> dict[str, Datum]:
    return {name: Datum(value, "string") for name, value in values.items()}
