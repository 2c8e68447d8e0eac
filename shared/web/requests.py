"""A request as it came: what the host has already decoded or folded is not trusted, the raw target is read again.

The Functions host ignores case and a trailing slash and decodes `%2F` differently locally and deployed, so the path is
matched here once more, exactly, and each parameter is decoded exactly once (acceptance D1).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import azure.functions as func

from shared.azure_devops import names
from shared.errors import BadRequest, Forbidden, MethodNotAllowed, NotFound, TooLarge

if TYPE_CHECKING:
    from shared.web.contract import Body, Problems
    from shared.web.queries import Parameters

MAX_PATH = 2048
MAX_QUERY = 4096
MAX_HEADERS = 32 * 1024
MAX_BODY = 64 * 1024
MAX_PARAMETERS = 50
MAX_LOCAL_PATH = 800
"""It travels in a sealed cookie: five pending sign-ins and a session must fit in a Cookie header of 8 KB (B6)."""

_NAMES = {"org": names.organization, "project": names.project}
"""What the names in a path must be, wherever a route has them: they are judged before a session is looked up."""
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Request:
    """Method, raw path and query, headers with lower-case names, body."""

    method: str
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """A header by its lower-case name."""
        return self.headers.get(name)


@dataclass(frozen=True, slots=True)
class Route:
    """A route template as the host knows it, with what its function accepts; `query` None: it judges that itself.

    `answers`, `problems` and `about` are what the contract tells of it.
    """

    template: str
    methods: Sequence[str]
    max_query: int = MAX_QUERY
    query: "Parameters | None" = ()
    answers: "Body | None" = None
    problems: "Problems" = ()
    about: str = ""

    def match(self, path: str) -> dict[str, str]:
        """The parameters, each decoded once; NotFound unless the path is exactly canonical."""
        if self.template == "{*path}":
            return {}
        wanted, given = self.template.strip("/").split("/"), path.removeprefix("/").split("/")
        if wanted[-1].endswith("?}") and len(given) == len(wanted) - 1:
            wanted = wanted[:-1]
        if len(wanted) != len(given):
            raise NotFound(self.template)
        found: dict[str, str] = {}
        for part, raw in zip(wanted, given, strict=True):
            if part.startswith("{"):
                if not raw:
                    raise NotFound(self.template)
                found[part.strip("{?}")] = names.decode_segment(raw)
            elif part != raw:
                raise NotFound(self.template)
        return found


def read(req: func.HttpRequest) -> Request:
    """The parts of the host's request, its URL split by hand: a library would normalise it."""
    target = req.url.partition("://")[2]
    at = target.find("/")
    path, _, query = target[at:].partition("?") if at >= 0 else ("/", "", "")
    headers = {name.lower(): value for name, value in req.headers.items()}
    return Request(req.method.upper(), path, query.partition("#")[0], headers, req.get_body())


def check(request: Request, route: Route) -> dict[str, str]:
    """Size limits, path, method, names, in this order; the parameters of the route, or the error that fits."""
    if len(request.path) > MAX_PATH:
        raise TooLarge(414, f"The address is longer than {MAX_PATH} characters. Start again from the home page.")
    if len(request.query) > route.max_query:
        raise TooLarge(
            414,
            f"The address has more than {route.max_query} characters after its “?”. Start again from the home page.",
        )
    if sum(len(name) + len(value) + 4 for name, value in request.headers.items()) > MAX_HEADERS:
        raise TooLarge(431, "The headers are too large. Delete this site's cookies and try again.")
    if len(request.body) > MAX_BODY:
        raise TooLarge(413, f"The body is longer than {MAX_BODY} bytes.")
    parameters = route.match(request.path)
    if route.methods and request.method not in route.methods:
        raise MethodNotAllowed(route.methods)
    for name, rule in _NAMES.items():
        if name in parameters:
            rule(parameters[name])
    return parameters


def decoded_pairs(text: str) -> Iterator[tuple[str, str]]:
    """Name and value pairs of a query or form (WHATWG URL section 5.1); BadRequest for broken percent or UTF-8."""
    for pair in filter(None, text.split("&")):
        name, _, value = pair.partition("=")
        yield _decode(name), _decode(value)


def parse_form(text: str) -> list[tuple[str, str]]:
    """All pairs, at most 50 of them. Raises BadRequest."""
    if sum(map(bool, text.split("&"))) > MAX_PARAMETERS:
        raise BadRequest(advice=f"There are more than {MAX_PARAMETERS} parameters.")
    return list(decoded_pairs(text))


def form(request: Request) -> dict[str, str]:
    """The fields of an urlencoded form, each once; Forbidden for any other type of body."""
    content_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise Forbidden(f"body of type {content_type[:40]!r}")
    try:
        pairs = parse_form(request.body.decode("ascii"))
    except UnicodeDecodeError:
        raise BadRequest(advice="The form is not encoded as forms are.") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise BadRequest(advice="A field of the form is given more than once.")
    return dict(pairs)


def local_path(text: str | None, otherwise: str) -> str:
    """`text` if it is a path of this site, else `otherwise`: nobody is sent elsewhere after signing in."""
    if not text or len(text) > MAX_LOCAL_PATH or not re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", text):
        return otherwise
    return text


def return_address(path: str) -> str:
    """Where a sign-in that begins at a local path leads back to: where that is too long, without its query, else "/".

    So the first page of a list stands for one deep inside, whose continuation is long.
    """
    return local_path(path, local_path(path.partition("?")[0], "/"))


def _decode(text: str) -> str:
    text = text.replace("+", " ")
    if _BROKEN_PERCENT.search(text) or not text.isascii():
        raise BadRequest(advice="The address is not encoded as addresses are.")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest(advice="The address is not encoded in UTF-8.") from None
