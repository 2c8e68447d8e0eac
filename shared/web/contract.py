"""The contract of the JSON side: an OpenAPI 3.1 document made of the models, routes, parameters and errors that answer.

A function joins it by `answers=` where it is registered; nothing here names a function.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import groupby
from typing import Any

import msgspec

from shared.azure_devops import names
from shared.errors import (
    Absent,
    AccessDenied,
    ApiThrottled,
    ApiUnavailable,
    AppError,
    AppFault,
    AzureDevOpsError,
    BadParameter,
    BadRequest,
    Busy,
    ClaimsChallenge,
    NoReceipt,
    NotConfigured,
    NotSignedIn,
    Policy,
    ProviderError,
    ProviderGone,
    ScopeMissing,
    SignInAgain,
    SignInError,
    StoreError,
    TooLarge,
    Unexpected,
    UnknownKey,
    Unreadable,
    VaultError,
    WrongHost,
)
from shared.web.pages import Problem, problem_type
from shared.web.requests import Route

VERSION = "1.0.0"
"""Of the contract: the first number grows when a field or an address goes away or changes its meaning."""

type Problems = tuple[type[AppError], ...]

OF_ANY_REQUEST: Problems = (BadRequest, BadParameter, TooLarge)
OF_THE_SITE: Problems = (*OF_ANY_REQUEST, NotConfigured, WrongHost, Unexpected)
OF_A_SESSION: Problems = (*OF_THE_SITE, NotSignedIn, ProviderGone, StoreError, VaultError, Unreadable, UnknownKey)
OF_AZURE_DEVOPS: Problems = (
    *(SignInAgain, Busy, ProviderError, AppFault, Policy),
    *(AzureDevOpsError, ClaimsChallenge, AccessDenied, ScopeMissing, Absent, ApiThrottled, ApiUnavailable),
)
"""What `Visit.ask` raises on top; a rejected token is renewed, and ends as SignInAgain."""

_SCHEMAS = "#/components/schemas/"
SESSION, RECEIPT = "session", "receipt"
"""The cookies that an operation may ask for, by the problem that it ends in without: see `_COOKIES`."""
_COOKIES: Mapping[type[AppError], str] = {NotSignedIn: SESSION, NoReceipt: RECEIPT}
_WORDS_MAY_CHANGE = (SignInError, ProviderError)
"""A code of the provider may bring a better title (`errors.explained`)."""
_PATH: Mapping[str, tuple[str, Mapping[str, object], str]] = {
    "org": (
        "An organization of Azure DevOps.",
        {"type": "string", "maxLength": names.MAX_ORGANIZATION_CHARACTERS, "pattern": names.ORGANIZATION_PATTERN},
        "fabrikam",
    ),
    "project": (
        "A project by name or id.",
        {"type": "string", "maxLength": names.MAX_PROJECT_CHARACTERS, "pattern": names.PROJECT_PATTERN},
        "Payments Platform",
    ),
}
"""Description, schema and example of each parameter of a path."""
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", "string", "The scheme `Session`: sign in with a browser."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After", "integer", "Seconds to wait, where that is known."),
}


@dataclass(frozen=True, slots=True)
class Body:
    """What a function answers besides pages: a model that msgspec knows, an example of it per status.

    `problems` are those that its work may raise on top of those of every request of its kind.
    """

    model: Any
    examples: Mapping[int, object]
    problems: Problems = ()
    media_type: str = "application/json"


class Document(msgspec.Struct, frozen=True):
    """The OpenAPI document itself (spec.openapis.org, version 3.1)."""

    openapi: str
    info: dict[str, Any]
    servers: list[dict[str, str]]
    paths: dict[str, Any]
    components: dict[str, Any]


EXAMPLE = Document("3.1.0", {"title": "Gatehouse", "version": VERSION}, [], {}, {})


def document(routes: Mapping[str, Route], *, title: str, url: str, cookies: Mapping[str, str]) -> Document:
    """The contract of those routes that have a body to show, at the origin `url`; `cookies` are our two by name."""
    shown = {name: route for name, route in sorted(routes.items()) if route.answers}
    bodies = {name: route.answers for name, route in shown.items() if route.answers}
    models = [Problem, *(body.model for body in bodies.values())]
    found, schemas = msgspec.json.schema_components(models, ref_template=_SCHEMAS + "{name}")
    schema_of = dict(zip(bodies, found[1:], strict=True))
    return Document(
        openapi="3.1.0",
        info={
            "title": title,
            "version": VERSION,
            "description": "Ask with `Accept: application/json` and the cookie of a session that a browser began; "
            "else the same addresses are pages. Lists come in parts: follow `next` until it is null.",
        },
        servers=[{"url": url}],
        paths={
            f"/{route.template.strip('/')}": {"get": _operation(name, route, bodies[name], schema_of[name])}
            for name, route in shown.items()
        },
        components={
            "schemas": schemas | problem_schemas(),
            "securitySchemes": {it: {"type": "apiKey", "in": "cookie", "name": name} for it, name in cookies.items()},
        },
    )


def problem_schemas() -> dict[str, Any]:
    """A schema for each `type` of problem that the error tree knows (RFC 9457 section 3.1)."""
    return {_component(kind): _problem_schema(kind, list(errors)) for kind, errors in _by_kind()}


def _operation(name: str, route: Route, body: Body, schema: Mapping[str, Any]) -> dict[str, Any]:
    problems = (*route.problems, *body.problems)
    answered = {
        str(status): _response(status, body.media_type, {"schema": schema, "example": msgspec.to_builtins(example)})
        for status, example in body.examples.items()
    }
    return {
        "operationId": name,
        "summary": route.about,
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": _refused(problems) | answered,
        "security": [{cookie: []} for error, cookie in _COOKIES.items() if error in problems],
    }


def _path_parameters(route: Route) -> Iterator[dict[str, Any]]:
    for part in route.template.split("/"):
        if part.startswith("{"):
            name = part.strip("{}")
            description, schema, example = _PATH[name]
            yield {
                "name": name,
                "in": "path",
                "required": True,
                "description": description,
                "schema": {**schema, "pattern": f"^{schema['pattern']}$"},
                "example": example,
            }


def _query_parameters(route: Route) -> Iterator[dict[str, Any]]:
    for parameter in route.query or ():
        yield {
            "name": parameter.name,
            "in": "query",
            "description": f"It is {parameter.allowed}.",
            "schema": dict(parameter.schema),
        }


def _refused(problems: Problems) -> dict[str, Any]:
    """The responses of an operation that can end in these problems."""
    by_status: dict[int, dict[str, None]] = {}
    for error in problems:
        for status in error.statuses or (error.status,):
            by_status.setdefault(status, {})[error.kind] = None
    return {
        str(status): _response(
            status,
            "application/problem+json",
            {"schema": {"oneOf": [{"$ref": _SCHEMAS + _component(kind)} for kind in kinds]}},
        )
        for status, kinds in sorted(by_status.items())
    }


def _response(status: int, media_type: str, content: dict[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase, "content": {media_type: content}}
    if status in _HEADERS:
        name, kind, description = _HEADERS[HTTPStatus(status)]
        response["headers"] = {name: {"description": description, "schema": {"type": kind}}}
    return response


def _by_kind() -> Iterator[tuple[str, Iterator[type[AppError]]]]:
    return groupby(sorted(_tree(AppError), key=lambda error: error.kind), key=lambda error: error.kind)


def _tree(error: type[AppError]) -> Iterator[type[AppError]]:
    """The class and all below it; the classes that answer under a `kind` of their own come before their children."""
    yield error
    for child in error.__subclasses__():
        yield from _tree(child)


def _problem_schema(kind: str, errors: list[type[AppError]]) -> dict[str, Any]:
    first = errors[0]
    statuses = sorted({status for error in errors for status in error.statuses or (error.status,)})
    example = Problem(problem_type(kind), first.title, statuses[0], first.advice, "9f86d081884c7d65")
    titles = {"examples": [first.title]} if issubclass(first, _WORDS_MAY_CHANGE) else {"const": first.title}
    return {
        "title": first.title,
        "description": (first.__doc__ or "").partition("\n")[0],
        "allOf": [{"$ref": f"{_SCHEMAS}Problem"}],
        "properties": {"type": {"const": problem_type(kind)}, "title": titles, "status": {"enum": statuses}},
        "examples": [msgspec.to_builtins(example)],
    }


def _component(kind: str) -> str:
    return f"{kind.title().replace('-', '')}Problem"
