"""The entry of every function: the only place that fetches Services, loads a session and turns errors into answers.

`anyone` is for pages that strangers may see, `signed_in` for those that need a session, `bare` for what must work
without any setting, `timer` for the schedule. Each registers its handler with the blueprint, so that the host's route
and ours can't differ. Routes declare no methods to the host: it would answer 404 without our code.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import azure.functions as func

from shared import budget, events
from shared.errors import (
    AccessDenied,
    ApiThrottled,
    AppError,
    Forbidden,
    NotAllowedHere,
    NotConfigured,
    NotSignedIn,
    ScopeMissing,
    Unexpected,
    WrongHost,
)
from shared.models.custody import new_id
from shared.readiness import Readiness, Watch, look, needs
from shared.services import Services, services, static_files
from shared.web import contract, queries, requests
from shared.web.answers import Answer, redirect, to_response
from shared.web.contract import Body
from shared.web.headers import security_headers
from shared.web.negotiation import Wants, wants
from shared.web.pages import Frame, Pages
from shared.web.queries import Parameters
from shared.web.requests import Request, Route
from shared.web.visit import Visit

log = logging.getLogger("gatehouse")

Handler = Callable[[Visit], Answer]
BareHandler = Callable[[Request, dict[str, str]], Answer]
HttpFunction = Callable[[func.HttpRequest], func.HttpResponse]

ROUTES: dict[str, Route] = {}
"""What each function takes, by its name: filled as the blueprints are imported; the contract is made of it."""


def anyone(
    blueprint: func.Blueprint,
    route: str,
    *methods: str,
    max_query: int = requests.MAX_QUERY,
    query: Parameters | None = (),
    answers: Body | None = None,
) -> Callable[[Handler], HttpFunction]:
    """Register a page that needs no session; without methods it takes all, with `query` None it judges its query."""
    declared = Route(route, methods, max_query, query, answers, contract.OF_THE_SITE)
    return lambda handler: _register(blueprint, declared, handler, lambda visit: visit)


def signed_in(
    blueprint: func.Blueprint,
    route: str,
    *methods: str,
    query: Parameters = (),
    answers: Body | None = None,
    everything: bool = False,
) -> Callable[[Handler], HttpFunction]:
    """Register a page that only a live session may see; with `everything` the visit's record holds all sessions."""

    def admit(visit: Visit) -> Visit:
        return visit.require_session(everything=everything)

    declared = Route(route, methods, query=query, answers=answers, problems=contract.OF_A_SESSION)
    return lambda handler: _register(blueprint, declared, handler, admit)


def bare(
    blueprint: func.Blueprint, route: str, *methods: str, answers: Body | None = None
) -> Callable[[BareHandler], HttpFunction]:
    """Register an answer that needs no settings, no store and no host name."""
    declared = Route(route, methods, answers=answers, problems=contract.OF_ANY_REQUEST)

    def register(handler: BareHandler) -> HttpFunction:
        def entry(req: func.HttpRequest) -> func.HttpResponse:
            events.correlation_id.set(new_id())
            request = requests.read(req)
            try:
                parameters = requests.check(request, declared)
                queries.read(request.query, declared.query)
                answer = handler(request, parameters)
            except AppError as error:
                answer = _plain_error(error, request)
            except Exception:
                log.exception("unhandled in %s (%s)", handler.__name__, events.correlation_id.get())
                answer = _plain_error(Unexpected(), request)
            return _respond(answer, request, None)

        return _declare(blueprint, declared, handler.__name__, handler.__doc__, entry)

    return register


def timer(blueprint: func.Blueprint, schedule: str) -> Callable[[Callable[[Services], None]], object]:
    """Register a timer: what its run raises is the invocation's failure, so that the host marks it."""

    def register(handler: Callable[[Services], None]) -> object:
        def entry(timer: func.TimerRequest) -> None:
            events.correlation_id.set(new_id())
            if timer.past_due:
                log.warning("%s runs late (%s)", handler.__name__, events.correlation_id.get())
            handler(services())

        entry.__name__, entry.__doc__ = handler.__name__, handler.__doc__
        return blueprint.timer_trigger("timer", schedule, run_on_startup=False, use_monitor=True)(entry)

    return register


def readiness() -> Readiness:
    """The report on the parts that this process needs, as platform probes want it: short, cached, never raised."""
    return _watch.report()


def _look() -> Readiness:
    try:
        built = services()
    except NotConfigured:
        return look(os.environ, store=None, vault=None)
    return look(os.environ, store=built.probe_store, vault=built.probe_vault)


_watch = Watch(_look, time.monotonic)


def _register(
    blueprint: func.Blueprint, route: Route, handler: Handler, admit: Callable[[Visit], Visit]
) -> HttpFunction:
    def entry(req: func.HttpRequest) -> func.HttpResponse:
        correlation_id = new_id()
        events.correlation_id.set(correlation_id)
        request = requests.read(req)
        try:
            built = services()
        except NotConfigured as error:
            return _respond(_set_up_page(error, request), request, None)
        except Exception:
            log.exception("unhandled in %s (%s)", handler.__name__, correlation_id)
            return _respond(_plain_error(Unexpected(), request), request, None)
        visit: Visit | None = None
        try:
            _check_host(request, built)
            parameters = requests.check(request, route)
            query = queries.read(request.query, route.query)
            visit = Visit(request, parameters, built, correlation_id, query)
            with budget.granted(budget.REQUEST_SECONDS):
                answer = handler(admit(visit))
        except AppError as error:
            answer = _error_answer(error, request, built, visit)
        except Exception:
            log.exception("unhandled in %s (%s)", handler.__name__, correlation_id)
            answer = _error_answer(Unexpected(), request, built, visit)
        return _respond(answer, request, built)

    return _declare(blueprint, route, handler.__name__, handler.__doc__, entry)


def _declare(blueprint: func.Blueprint, route: Route, name: str, doc: str | None, entry: HttpFunction) -> HttpFunction:
    ROUTES[name] = replace(route, about=(doc or "").partition("\n")[0])
    # functools.wraps would show the worker the handler's parameters, and it refuses those.
    entry.__name__, entry.__doc__ = name, doc
    blueprint.route(route=route.template, auth_level=func.AuthLevel.ANONYMOUS)(entry)
    return entry


def _check_host(request: Request, built: Services) -> None:
    if not built.config.answers_to(request.header("host") or ""):
        raise WrongHost(built.config.public_url)


def _error_answer(error: AppError, request: Request, built: Services, visit: Visit | None) -> Answer:
    """The page or problem document of an error; a browser without a session is sent to sign in and comes back."""
    _tell(error, built, visit)
    asked = visit.wants if visit else wants(request.header("accept"))
    frame = visit.frame if visit else _frame()
    if isinstance(error, NotSignedIn) and asked is Wants.HTML and visit and visit.request.method in ("GET", "HEAD"):
        answer = redirect(f"/auth/login?return_to={quote(visit.address, safe='/')}")
    else:
        answer = built.pages.error(error, frame, asked)
    return answer.with_cookies(built.cookies.no_session()) if visit and visit.dead_cookie else answer


def _tell(error: AppError, built: Services, visit: Visit | None) -> None:
    """The audit events that errors mean; the rest is one line in the log, without a traceback."""
    user = visit.key.user_id if visit and visit.key else None
    if isinstance(error, Forbidden | AccessDenied | ScopeMissing | NotAllowedHere):
        built.custody.emit("denied", user=user, reason=error.reason)
    elif isinstance(error, ApiThrottled):
        built.custody.emit("upstream_throttled", user=user, seconds=error.retry_after)
    if error.status >= 500:
        log.warning("%s: %s (%s)", error.kind, error, events.correlation_id.get())


def _plain_error(error: AppError, request: Request) -> Answer:
    """The answer to an error where there are no services."""
    return _fallback_pages().error(error, _frame(), wants(request.header("accept")))


def _set_up_page(error: NotConfigured, request: Request) -> Answer:
    """What is missing, for the people who set this site up; names of settings, never values."""
    if wants(request.header("accept")) is Wants.JSON:
        return _plain_error(error, request)
    return _fallback_pages().html("setup.html", _frame(), status=error.status, needs=needs(os.environ))


def _fallback_pages() -> Pages:
    return Pages(app_name="Gatehouse", support_url=None, statics=static_files())


def _frame() -> Frame:
    return Frame(correlation_id=events.correlation_id.get())


def _respond(answer: Answer, request: Request, built: Services | None) -> func.HttpResponse:
    if request.method == "HEAD":
        answer = answer.without_body()
    return to_response(answer, built.security if built else security_headers(""))
