"""The table of REST routes and what each needs, and the way from a request to its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tools.simulator.messages import Request, Response
from tools.simulator.rest.builds import BuildApi, BuildPages, get_build
from tools.simulator.rest.caller import Call, World, check_bearer, check_scope, check_version, find_place
from tools.simulator.rest.errors import RestError, no_such_route, not_authorized
from tools.simulator.rest.profile import accounts, profile
from tools.simulator.rest.projects import get_project, list_projects
from tools.simulator.rest.repositories import get_repository, list_repositories
from tools.simulator.rest.work_items import batch_work_items, get_work_item, list_work_items, query_work_items
from tools.simulator.sample.tenants import tenant_of

type Host = Literal["identity", "devops"]

PROJECTS = frozenset({"vso.profile", "vso.project"})
PROFILE, WORK, BUILD, CODE = (frozenset({scope}) for scope in ("vso.profile", "vso.work", "vso.build", "vso.code"))


@dataclass(frozen=True)
class Route:
    """`path` is what follows `_apis/`, a `*` standing for one segment; `places` is how many segments
    (organization, project, team) may precede it."""

    method: str
    path: tuple[str, ...]
    places: range
    scopes: frozenset[str]
    answer: Callable[[Call], Response]

    def fits(self, method: str, places: int, path: list[str]) -> bool:
        return (
            method == self.method
            and places in self.places
            and len(path) == len(self.path)
            and all(want in ("*", got.lower()) for want, got in zip(self.path, path, strict=True))
        )


class RestApi:
    """Answers REST requests of both hosts."""

    def __init__(self, world: World) -> None:
        self._world = world
        builds = BuildApi(BuildPages())
        self._routes = [
            Route("GET", ("profile", "profiles", "*"), range(1), PROFILE, profile),
            Route("GET", ("accounts",), range(1), PROFILE, accounts),
            Route("GET", ("projects",), range(1, 2), PROJECTS, list_projects),
            Route("GET", ("projects", "*"), range(1, 2), PROJECTS, get_project),
            Route("POST", ("wit", "wiql"), range(1, 4), WORK, query_work_items),
            Route("GET", ("wit", "workitems"), range(1, 3), WORK, list_work_items),
            Route("GET", ("wit", "workitems", "*"), range(1, 3), WORK, get_work_item),
            Route("POST", ("wit", "workitemsbatch"), range(1, 3), WORK, batch_work_items),
            Route("GET", ("build", "builds"), range(2, 3), BUILD, builds.list_builds),
            Route("GET", ("build", "builds", "*"), range(2, 3), BUILD, get_build),
            Route("GET", ("git", "repositories"), range(1, 3), CODE, list_repositories),
            Route("GET", ("git", "repositories", "*"), range(1, 3), CODE, get_repository),
        ]

    def answer(self, request: Request) -> Response:
        """The answer of the API that the path names, or the error of the first check that fails."""
        try:
            places, path = self._split(request)
            route = self._route(request.method, len(places), path)
            if route is None:
                self._name_tenant(request, places, path)
                return no_such_route(request.path)
            return self._checked(request, route, places, path)
        except RestError as error:
            return error.response

    def _split(self, request: Request) -> tuple[list[str], list[str]]:
        segments = request.segments
        lowered = [each.lower() for each in segments]
        at = lowered.index("_apis") if "_apis" in lowered else len(segments)
        return segments[:at], segments[at + 1 :]

    def _route(self, method: str, places: int, path: list[str]) -> Route | None:
        method = "GET" if method == "HEAD" else method
        return next((each for each in self._routes if each.fits(method, places, path)), None)

    def _name_tenant(self, request: Request, places: list[str], path: list[str]) -> None:
        """Without a token the page of an organization tells its tenant (facts 3.7). Raises RestError (401)."""
        if path or len(places) != 1 or request.method not in ("GET", "HEAD") or "authorization" in request.headers:
            return
        organization = self._world.catalogue.organization(places[0])
        if organization is not None:
            raise not_authorized("", tenant_of(organization.name))

    def _checked(self, request: Request, route: Route, places: list[str], path: list[str]) -> Response:
        person, scopes = check_bearer(self._world, request)
        version = check_version(request)
        place, project = find_place(self._world, person, places) if places else (None, None)
        check_scope(scopes, route.scopes)
        values = tuple(got for want, got in zip(route.path, path, strict=True) if want == "*")
        response = route.answer(Call(self._world, request, person, place, project, values))
        return _with_version(response, version)


def _with_version(response: Response, version: str) -> Response:
    """The content type of a success names the version, as recorded."""
    headers = [
        (name, f"{value}; api-version={version}" if name == "Content-Type" else value)
        for name, value in response.headers
    ]
    return Response(response.status, headers, response.body)
