"""One model becomes HTML or JSON; one error becomes a page or an RFC 9457 problem document."""

from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from urllib.parse import quote

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.azure_devops import links
from shared.errors import (
    Absent,
    AccessDenied,
    AppError,
    AzureDevOpsError,
    BadParameter,
    ClaimsChallenge,
    MethodNotAllowed,
    NotConfigured,
    NotSignedIn,
    ProviderError,
    ProviderGone,
    ScopeMissing,
    SignInAgain,
    SignInError,
    StoreError,
    TokenRejected,
    Unexpected,
    UnknownKey,
    Unreadable,
    VaultError,
    WrongHost,
)
from shared.web import answers, formats, requests
from shared.web.answers import Answer
from shared.web.negotiation import Wants
from shared.web.statics import StaticFiles

_FOLDER = Path(__file__).parent.parent / "templates"
_VARY = {"Vary": "Accept, Cookie"}
_CURED_BY_SIGN_IN = (ClaimsChallenge, NotSignedIn, ProviderGone, SignInAgain, SignInError, TokenRejected, Unreadable)
_CURED_BY_TIME = (StoreError, VaultError, ProviderError, UnknownKey, AzureDevOpsError, Unexpected)
_CURED_BY_OTHERS = (AccessDenied, ScopeMissing, Absent)
"""Trying again changes nothing about a permission or a name."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the layout needs of a visit.

    `person` is the display name of who is signed in, `csrf` the token of the sign-out form; both None for a stranger,
    and the name alone where a session is there, but what we stored of its person does not open.
    `path` is the local address we are at, with its query: a sign-in or a retry that starts here leads back to it.
    """

    correlation_id: str
    person: str | None = None
    csrf: str | None = field(default=None, repr=False)
    path: str = "/"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a JSON error (RFC 9457).

    `problems` names the settings that are missing or wrong, `parameter` the query parameter that is not valid.
    """

    type: str
    title: str
    status: int
    detail: str
    correlation_id: str
    problems: list[str] = []
    parameter: str = ""


class Pages:
    """Renders the templates, which are compiled once. A name that a template needs and does not get is an error."""

    def __init__(
        self, *, app_name: str, support_url: str | None, statics: StaticFiles, devops_url: str = "https://dev.azure.com"
    ) -> None:
        """Links from data lead to Azure DevOps and to `devops_url` alone."""
        self._environment = Environment(
            # Everything is escaped, whatever a template is called.
            autoescape=True,
            undefined=StrictUndefined,
            loader=FileSystemLoader(_FOLDER),
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(app_name=app_name, support_url=support_url, static=statics.url)
        self._environment.tests.update(
            azure_devops=links.into(devops_url), external=formats.is_external, local=formats.is_local
        )
        self._environment.filters.update(
            branch=formats.branch,
            machine_time=formats.machine_time,
            moment=formats.moment,
            size=formats.size,
            tone=formats.tone,
            words=formats.words,
        )
        self._templates = {name: self._environment.get_template(name) for name in self._environment.list_templates()}

    def html(self, template: str, frame: Frame, *, status: int = 200, **context: object) -> Answer:
        """The page of this template; `context` is what the template names in its first comment."""
        return self._render(template, status, {"frame": frame, **context})

    def view(self, template: str, frame: Frame, wants: Wants, model: msgspec.Struct, **context: object) -> Answer:
        """The model as JSON under its own field names, or as the page of this template."""
        if wants is Wants.JSON:
            return answers.json(model).with_headers(_VARY)
        return self._render(template, 200, {"frame": frame, "model": model, **context})

    def error(self, error: AppError, frame: Frame, wants: Wants) -> Answer:
        """What may be shown of this error: title and advice of its class, never the text for the log."""
        if wants is Wants.JSON:
            body = msgspec.json.encode(_problem(error, frame))
            answer = Answer(error.status, body, "application/problem+json; charset=utf-8", _VARY)
        else:
            answer = self._render(
                "error.html", error.status, {"frame": frame, "error": error, **_ways_on(error, frame.path)}
            )
        return answer.with_headers(_error_headers(error))

    def _render(self, template: str, status: int, context: dict[str, object]) -> Answer:
        return Answer(status, self._templates[template].render(context).encode(), headers=_VARY)


def problem_type(kind: str) -> str:
    """The stable `type` of the problems of an error's kind (RFC 9457 section 3.1.1)."""
    return f"urn:gatehouse:problem:{kind}"


def _problem(error: AppError, frame: Frame) -> Problem:
    return Problem(
        type=problem_type(error.kind),
        title=error.title,
        status=error.status,
        detail=error.advice,
        correlation_id=frame.correlation_id,
        problems=list(error.problems) if isinstance(error, NotConfigured) else [],
        parameter=error.parameter if isinstance(error, BadParameter) else "",
    )


def _error_headers(error: AppError) -> dict[str, str]:
    headers = {}
    if wait := _wait(error):
        headers["Retry-After"] = str(wait)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    if error.status == 401:
        # RFC 9110 section 15.5.2 wants a challenge. No browser knows the scheme, so none shows a password dialog.
        headers["WWW-Authenticate"] = 'Session realm="Gatehouse"'
    return headers


def _wait(error: AppError) -> int | None:
    """Whole seconds after which it may work again."""
    return None if error.retry_after is None else max(1, ceil(error.retry_after))


def _ways_on(error: AppError, path: str) -> dict[str, object]:
    """The links that help after this error. An address below /auth/ is a step that is spent: none leads back there."""
    back = path if formats.is_local(path) and not path.startswith("/auth/") else None
    wanted = requests.return_address(back or "/")
    sign_in = "/auth/login" if wanted == "/" else f"/auth/login?return_to={quote(wanted, safe='/')}"
    by_sign_in = isinstance(error, _CURED_BY_SIGN_IN) and not isinstance(error, UnknownKey)
    by_time = isinstance(error, _CURED_BY_TIME) and not isinstance(error, _CURED_BY_OTHERS)
    return {
        "remedy": error.remedy,
        "wait": _wait(error),
        "sign_in": sign_in if by_sign_in and not error.remedy else None,
        "retry": back if by_time and not by_sign_in else None,
        "home": error.public_url if isinstance(error, WrongHost) else "/",
        "problems": error.problems if isinstance(error, NotConfigured) else (),
    }
