"""One call from request to answer: control API, log, faults, latency, then the host of the path."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tools.simulator.calls import CallLog
from tools.simulator.control import Control
from tools.simulator.disturbance import disturb
from tools.simulator.entra.dialect import EntraDialect, grant_and_value, is_decision, is_token_call
from tools.simulator.entra.grants import Grants
from tools.simulator.faults import Faults, Subject
from tools.simulator.identity.legacy import GRANT_NAMES, LegacyDialect
from tools.simulator.identity.minting import digest
from tools.simulator.identity.tokens import NotValidError, Tokens
from tools.simulator.ledger import Ledger
from tools.simulator.messages import Request, Response, html_response
from tools.simulator.rest.caller import Bearer, World
from tools.simulator.rest.errors import NOT_FOUND_PAGE, no_such_route
from tools.simulator.rest.routes import RestApi
from tools.simulator.sample.catalogue import Catalogue
from tools.simulator.sample.people import Directory
from tools.simulator.server import DroppedError
from tools.simulator.settings import ControlError, Json, Settings

HOSTS = {
    "app.vssps.visualstudio.com": "identity",
    "dev.azure.com": "devops",
    "login.microsoftonline.com": "entra",
}


@dataclass(frozen=True)
class Origin:
    """Who calls: known before the work is done, so that faults can choose by it."""

    user: str | None
    token: str | None
    grant: str | None


class Simulator:
    """The whole simulator as one function from request to answer."""

    def __init__(self, settings: Settings, wall_clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._wall_clock = wall_clock
        self._directory = Directory()
        self._directory.resize(settings.people_count)
        self._tokens = Tokens(self.settings, self._token_clock)
        self._faults, self._calls, self._ledger = Faults(), CallLog(), Ledger()
        self._legacy = LegacyDialect(self._tokens, self._directory, self.settings)
        self._grants = Grants(self.settings, self._token_clock)
        self._entra = EntraDialect(self._grants, self._directory, self.settings, self._token_clock)
        catalogue = Catalogue(self._now())
        self._rest = RestApi(World(catalogue, self._directory, self._bearer, self.settings, self._now))
        self._control = Control(
            self._calls, self._ledger, self._tokens, self._grants, self._faults, self.settings, self.change_settings
        )

    def settings(self) -> Settings:
        return self._settings

    def change_settings(self, changes: Json) -> None:
        """Apply a partial update. Raises ControlError and changes nothing."""
        settings = self._settings.updated(changes)
        directory = Directory()
        directory.resize(settings.people_count)
        if settings.auto_consent is not None and directory.find(settings.auto_consent) is None:
            raise ControlError(f"auto_consent: nobody is called {settings.auto_consent!r}")
        self._directory.resize(settings.people_count)
        for user in set(settings.entra_revoked_users) - set(self._settings.entra_revoked_users):
            self._grants.revoke_sign_ins(user)
        self._settings = settings

    async def __call__(self, request: Request) -> Response:
        """Answer one request. Raises DroppedError where a fault cuts the connection."""
        if request.path.startswith("/_sim/"):
            return self._control.answer(request)
        started = time.perf_counter()
        origin = self._origin(request)
        self._ledger.note_request(request)
        logged = self._calls.begin(request, user=origin.user, token=origin.token, grant=origin.grant)
        try:
            rule = self._faults.take(Subject(request.method, request.target, origin.user, origin.grant))
            if latency := self._latency(origin):
                await asyncio.sleep(latency)
            if rule is None:
                response = self._work(request)
            else:
                logged.fault = rule.name
                response = await disturb(rule.action, request, self._work, self._entra.refuse)
        except DroppedError as dropped:
            if dropped.sent:  # its beginning still goes out
                self._ledger.note_response(request, dropped.sent)
            self._calls.finish(logged, None, started)
            raise
        self._ledger.note_response(request, response)
        self._calls.finish(logged, response.status, started)
        return response

    def _work(self, request: Request) -> Response:
        first = request.segments[0].lower() if request.segments else ""
        host = "identity" if first in ("oauth2", "_apis") else "entra" if self._entra.owns(request) else "devops"
        forwarded = request.headers.get("x-forwarded-host")
        if forwarded is not None and HOSTS.get(forwarded.lower()) != host:
            return no_such_route(request.path)
        if host == "entra":
            return self._entra.answer(request)
        if first != "oauth2":
            return self._rest.answer(request)
        return self._sign_in(request)

    def _sign_in(self, request: Request) -> Response:
        path = request.path.lower().rstrip("/")
        if path == "/oauth2/authorize" and request.method in ("GET", "POST"):
            return self._legacy.authorize(request)
        if path == "/oauth2/token":
            return self._legacy.token(request)
        if path == "/oauth2/revoke" and request.method == "POST" and self._settings.revoke:
            return self._legacy.revoke(request)
        # Facts 1.8: no revoke endpoint is documented; what is not there is an HTML page.
        return html_response(NOT_FOUND_PAGE, 404)

    def _origin(self, request: Request) -> Origin:
        if request.path.lower() in ("/oauth2/token", "/oauth2/revoke"):
            form = dict(request.form_pairs)
            revoking = request.path.lower().endswith("revoke")
            token = form.get("token" if revoking else "assertion")
            grant = "revoke" if revoking else GRANT_NAMES.get(form.get("grant_type", ""))
        elif is_token_call(request):
            grant, token = grant_and_value(request)
        else:
            token, grant = request.headers.get("authorization", "").partition(" ")[2].strip() or None, None
        owner = token and (self._tokens.owner(token) or self._grants.owner(token))
        return Origin(owner or self._consenting(request), token and digest(token), grant)

    def _consenting(self, request: Request) -> str | None:
        """Who accepts on the consent page, while nobody has a token yet."""
        legacy = request.method == "POST" and request.path.lower() == "/oauth2/authorize"
        if not legacy and not is_decision(request):
            return None
        return dict(request.form_pairs).get("user")

    def _bearer(self, value: str) -> Bearer:
        """What an access token of either service says. Raises NotValidError."""
        try:
            family = self._tokens.user_of_access_token(value)
        except NotValidError:
            token = self._grants.access_token(value)
            return Bearer(token.family.user, token.scopes, token.tenant, token.family.authorization.claims)
        return Bearer(family.user, family.scopes)

    def _latency(self, origin: Origin) -> float:
        return self._settings.token_latency if origin.grant else self._settings.api_latency

    def _token_clock(self) -> float:
        return self._wall_clock() + self._settings.clock_offset

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall_clock(), UTC)
