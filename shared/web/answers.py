"""What a handler returns, and the one place that turns it into the runtime's response."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import azure.functions as func
import msgspec

_LOCATION = re.compile(r"[!-~]+\Z")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response, as a value.

    `headers` holds one joined line per name: the runtime keeps only the last of a repeated header (facts, Runtime).
    `cookies` are complete Set-Cookie values. `cacheable` is true only of immutable assets, which bring their own
    Cache-Control; everything else leaves with `no-store`.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default=_NO_HEADERS, repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)
    cacheable: bool = False

    def with_cookies(self, *cookies: str) -> "Answer":
        """The same answer that also sets these cookies, after those it sets already."""
        return replace(self, cookies=self.cookies + cookies)

    def with_headers(self, headers: Mapping[str, str]) -> "Answer":
        """The same answer with these headers; one of the same name, in any case, is replaced."""
        new = {name.lower() for name in headers}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in new}
        return replace(self, headers=kept | dict(headers))

    def without_body(self) -> "Answer":
        """The same answer to a HEAD request (RFC 9110 section 9.3.2)."""
        return replace(self, body=b"")


def redirect(location: str) -> Answer:
    """303: the browser goes on with GET, also after a POST. `location` is a local path or the provider's URL.

    Raises ValueError for anything but printable ASCII, which could split the header.
    """
    if not _LOCATION.match(location):
        raise ValueError("a location is printable ASCII")
    return replace(plain("See other.", 303), headers={"Location": location})


def plain(text: str, status: int = 200) -> Answer:
    """A short text, for people and probes that read no HTML."""
    return Answer(status, f"{text}\n".encode(), "text/plain; charset=utf-8")


def json(model: msgspec.Struct, status: int = 200) -> Answer:
    """A model under its own field names."""
    return Answer(status, msgspec.json.encode(model), "application/json; charset=utf-8")


def to_response(answer: Answer, security: Mapping[str, str]) -> func.HttpResponse:
    """The runtime's response; `security` and `no-store` win over the answer's own headers of the same name."""
    caching = {} if answer.cacheable else {"Cache-Control": "no-store"}
    headers = answer.with_headers({**caching, **security, "Content-Type": answer.content_type}).headers
    response = func.HttpResponse(answer.body, status_code=answer.status, headers=headers)
    for cookie in answer.cookies:
        # A second line of the same name survives only through add (facts, Runtime).
        response.headers.add("Set-Cookie", cookie)
    return response
