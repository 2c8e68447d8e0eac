"""Builds: list with filters and date-time continuation tokens, and one build (facts 4.6)."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tools.simulator.messages import Headers, Request, Response, json_response
from tools.simulator.rest.caller import Call
from tools.simulator.rest.errors import bad_argument, service_error
from tools.simulator.sample.builds import Build
from tools.simulator.sample.times import ticks

DEFAULT_PAGE, LARGEST_PAGE = 1000, 5000  # not documented (facts 4.6): folklore
_STATUSES = ("none", "inprogress", "completed", "cancelling", "postponed", "notstarted", "all")
_RESULTS = ("none", "succeeded", "partiallysucceeded", "failed", "canceled")
_REMEMBERED_PAGES = 10_000


class BuildPages:
    """Where each continuation token goes on.

    The service's token is a date-time that means something only together with the same filters and order;
    with others page 1 comes again (facts 4.6).
    """

    def __init__(self) -> None:
        self._starts: OrderedDict[tuple[str, str], int] = OrderedDict()

    def remember(self, filters: str, token: str, start: int) -> None:
        self._starts[filters, token] = start
        if len(self._starts) > _REMEMBERED_PAGES:
            self._starts.popitem(last=False)

    def start(self, filters: str, token: str | None) -> int:
        return self._starts.get((filters, token), 0) if token else 0


@dataclass(frozen=True)
class BuildApi:
    """The builds API; it remembers which continuation tokens it gave out."""

    pages: BuildPages

    def list_builds(self, call: Call) -> Response:
        """One page of a project's builds."""
        builds = _ordered(_filtered(call), call.request.query.get("queryorder", "").lower())
        filters = _signature(call.request)
        start = self.pages.start(filters, call.request.query.get("continuationtoken"))
        size = min(call.number("$top", DEFAULT_PAGE, lowest=1), LARGEST_PAGE)
        page, following = builds[start : start + size], builds[start + size : start + size + 1]
        more: Headers = []
        if following:
            token = ticks(following[0].finished_at or following[0].queued_at)
            self.pages.remember(filters, token, start + size)
            more = [("x-ms-continuationtoken", token)]
        return json_response({"count": len(page), "value": [build.data for build in page]}, headers=more)


def get_build(call: Call) -> Response:
    """One build by id."""
    builds = call.organization.builds[call.the_project.id]
    build = next((each for each in builds if str(each.id) == call.rest[0]), None)
    if build is None:
        assembly = "Microsoft.TeamFoundation.Build2.WebApi"
        raise service_error(
            404,
            f"The requested build {call.rest[0]} could not be found.",
            f"{assembly}.BuildNotFoundException, {assembly}",
        )
    return json_response(build.data)


def _signature(request: Request) -> str:
    """Path and all parameters that must be repeated with a continuation token."""
    paging = ("continuationtoken", "$top", "api-version")
    filters = sorted((name, value) for name, value in request.query.items() if name not in paging)
    return f"{request.path.lower()} {filters}"


def _filtered(call: Call) -> list[Build]:
    query = call.request.query
    kept: list[Build] = call.organization.builds[call.the_project.id]
    if status := _choice(query.get("statusfilter"), _STATUSES, "statusFilter") - {"all"}:
        kept = [each for each in kept if each.data["status"].lower() in status]
    if result := _choice(query.get("resultfilter"), _RESULTS, "resultFilter"):
        kept = [each for each in kept if each.data.get("result", "").lower() in result]
    if branch := query.get("branchname"):
        kept = [each for each in kept if each.data["sourceBranch"] == branch]
    if definitions := query.get("definitions"):
        kept = [each for each in kept if each.data["definition"]["id"] in _ids(definitions, "definitions")]
    if build_ids := query.get("buildids"):
        kept = [each for each in kept if each.id in _ids(build_ids, "buildIds")]
    return kept


def _choice(text: str | None, allowed: tuple[str, ...], name: str) -> set[str]:
    chosen = {part.strip().lower() for part in text.split(",")} if text else set()
    if wrong := chosen - set(allowed):
        raise bad_argument(f"The value '{min(wrong)}' is not valid for {name}.")
    return chosen


def _ids(text: str, name: str) -> set[int]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise bad_argument(f"The value '{text}' is not valid for {name}.")
    return {int(part) for part in parts}


_TIMES: dict[str, Callable[[Build], datetime | None]] = {
    "finishtime": lambda build: build.finished_at,
    "starttime": lambda build: build.started_at,
    "queuetime": lambda build: build.queued_at,
}


def _ordered(builds: list[Build], order: str) -> list[Build]:
    """By the time that `order` names; builds without it last, so that by default running ones are."""
    name, descending = order or "finishtimedescending", True
    for ending in ("ascending", "descending"):
        if name.endswith(ending):
            name, descending = name.removesuffix(ending), ending == "descending"
    if name not in _TIMES:
        raise bad_argument(f"The value '{order}' is not valid for queryOrder.")
    time_of = _TIMES[name]
    with_time = sorted((each for each in builds if time_of(each)), key=time_of, reverse=descending)  # type: ignore[arg-type] # None is filtered out
    return with_time + [each for each in builds if not time_of(each)]
