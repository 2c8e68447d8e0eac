"""What every REST call is checked for before its API answers."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from tools.simulator.entra.claims import covers
from tools.simulator.identity.scopes import implied
from tools.simulator.identity.tokens import NotValidError
from tools.simulator.messages import Request
from tools.simulator.rest.errors import (
    insufficient_claims,
    missing_scope,
    no_such_organization,
    no_such_project,
    not_authorized,
    service_error,
    sign_in_page,
)  # fmt: skip
from tools.simulator.sample.catalogue import Catalogue, Organization
from tools.simulator.sample.people import Directory, Person
from tools.simulator.sample.projects import Project
from tools.simulator.sample.tenants import Tenant, tenant_of
from tools.simulator.settings import Json, Settings

_COMMON = "Microsoft.VisualStudio.Services.Common"
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})(-preview(?:\.\d+)?)?")
LATEST_VERSION = (7, 2)


FULL_ACCESS = "user_impersonation"


@dataclass(frozen=True)
class Bearer:
    """What an access token says. `tenant` is None for the legacy service's tokens: they know no tenants."""

    user: str
    scopes: str
    tenant: Tenant | None = None
    claims: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """What the APIs answer from."""

    catalogue: Catalogue
    directory: Directory
    bearer: Callable[[str], Bearer]  # raises NotValidError
    settings: Callable[[], Settings]
    now: Callable[[], datetime]


@dataclass(frozen=True)
class Call:
    """A checked REST call: who asks, about what. `organization` is None on the identity host only."""

    world: World
    request: Request
    person: Person
    place: Organization | None
    project: Project | None
    rest: tuple[str, ...]  # path segments after the API's own

    @property
    def organization(self) -> Organization:
        assert self.place is not None
        return self.place

    @property
    def the_project(self) -> Project:
        """The project of an API that cannot do without. Raises RestError."""
        if self.project is None:
            raise no_such_project("")
        return self.project

    def number(self, name: str, default: int, *, lowest: int = 0) -> int:
        """A whole-number query parameter. Raises RestError when it is not one or below `lowest`."""
        text = self.request.query.get(name.lower())
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= lowest):
            raise service_error(
                400,
                f"The value '{text}' is not valid for the query parameter {name}.",
                f"{_COMMON}.VssPropertyValidationException, {_COMMON}",
                event_id=0,
            )
        return int(text)


def check_bearer(world: World, request: Request) -> tuple[Person, str]:
    """The token's person, as its tenant knows them, and scopes.

    Raises RestError: the sign-in page, or 401 where 4.8 says so, or 401 with a claims challenge.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise NotValidError
        bearer = world.bearer(token.strip())
    except NotValidError:
        plain = request.method not in ("GET", "HEAD", "POST")
        suppressed = request.headers.get("x-tfs-fedauthredirect", "").lower() == "suppress"
        raise (not_authorized("") if plain or suppressed else sign_in_page()) from None
    person = world.directory.find(bearer.user)
    if person is None:
        raise sign_in_page()
    if bearer.tenant is None:
        return person, bearer.scopes
    challenge = world.settings().claims_challenge.get(bearer.user, {})
    if not covers(bearer.claims, challenge):
        raise insufficient_claims(bearer.tenant, challenge)
    return person.seen_from(bearer.tenant), bearer.scopes


def check_scope(scopes: str, accepted: frozenset[str]) -> None:
    """Raises RestError (403) unless one of `accepted` is granted, directly or through implication."""
    if (accepted | {FULL_ACCESS}).isdisjoint(implied(scopes)):
        raise missing_scope()


def check_version(request: Request) -> str:
    """The api-version asked for, in the query or the Accept header. Raises RestError (400)."""
    accept = re.search(r"api-version=([^;,\s]+)", request.headers.get("accept", ""))
    version = request.query.get("api-version") or (accept and accept[1])
    if not version:
        raise service_error(
            400,
            f'No api-version was supplied for the "{request.method}" request. The version must be supplied '
            'either as part of the Accept header (e.g. "application/json; api-version=1.0") or as a query '
            'parameter (e.g. "?api-version=1.0").',
            f"{_COMMON}.VssVersionNotSpecifiedException, {_COMMON}",
        )
    match = _VERSION.fullmatch(version)
    if match is None or not (1, 0) <= (int(match[1]), int(match[2])) <= LATEST_VERSION:
        raise service_error(
            400,
            f"The requested REST API version of {version} is out of range for this server. The latest REST "
            f"API version this server supports is {LATEST_VERSION[0]}.{LATEST_VERSION[1]}.",
            f"{_COMMON}.VssVersionOutOfRangeException, {_COMMON}",
        )
    return version


def find_place(world: World, person: Person, names: list[str]) -> tuple[Organization, Project | None]:
    """Organization and project named by the path. Raises RestError: 404, 401 TF400813, 404 TF200016."""
    organization = world.catalogue.organization(names[0])
    if organization is None:
        raise no_such_organization()
    if organization.name not in person.organizations:
        raise not_authorized(f"{person.id}\\{person.mail}", tenant_of(organization.name))
    if len(names) == 1:
        return organization, None
    project = organization.project(names[1])
    if project is None:
        raise no_such_project(names[1])
    return organization, project
