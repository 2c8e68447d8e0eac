"""Vault, identity endpoint and control API as functions from request to answer, with one log and one list of faults."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec

from tools.simulator.calls import CallLog
from tools.simulator.disturbance import disturb
from tools.simulator.faults import Faults, Subject
from tools.simulator.messages import Request, Response, json_response
from tools.simulator.server import DroppedError
from tools.simulator.settings import ControlError, Json
from tools.vault import identity
from tools.vault.protocol import Protocol
from tools.vault.secrets import RefusalError, Store
from tools.vault.settings import Settings

_SECRETS = "/_sim/secrets/"


class LocalVault:
    """All of it; `key` signs tokens."""

    def __init__(self, settings: Settings, key: bytes, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._key = key
        self._now = now
        self.store = Store(now, lambda: self._settings.delete_seconds)
        self._protocol = Protocol(self.store, lambda: self._settings, key)
        self._calls, self._faults = CallLog(), Faults()
        self._issued: list[str] = []

    async def vault(self, request: Request) -> Response:
        """One call of the secrets API."""
        caller = self._protocol.caller(request)
        return await self._logged(request, caller.instance if caller else None, self._protocol.answer)

    async def beside(self, request: Request) -> Response:
        """The identity endpoint and the control API, over plain http as on the platform."""
        if request.path == identity.PATH:
            caller = identity.caller_of(request, self._settings)
            return await self._logged(request, caller.instance if caller else None, self._token)
        try:
            return json_response(self._control(request))
        except ControlError as error:
            return json_response({"error": str(error)}, 400)
        except RefusalError as refusal:
            return json_response({"error": refusal.message}, refusal.status)

    def _token(self, request: Request) -> Response:
        response = identity.answer(request, self._settings, self._key, self._now)
        if response.status == 200:
            self._issued.append(msgspec.json.decode(response.body)["access_token"])
        return response

    async def _logged(self, request: Request, user: str | None, work: Callable[[Request], Response]) -> Response:
        started = time.perf_counter()
        logged = self._calls.begin(request, user=user, token=None, grant=None)
        rule = self._faults.take(Subject(request.method, request.target, user, None))
        try:
            if rule is None:
                response = work(request)
            else:
                logged.fault = rule.name
                response = await disturb(rule.action, request, work, _no_aadsts)
        except (DroppedError, asyncio.CancelledError):
            self._calls.finish(logged, None, started)
            raise
        if response.status == 429 and self._settings.retry_after:
            headers = [*response.headers, ("Retry-After", self._settings.retry_after)]
            response = Response(response.status, headers, response.body)
        self._calls.finish(logged, response.status, started)
        return response

    def _control(self, request: Request) -> Json:
        match request.method, request.path:
            case "GET", "/_sim/calls":
                return self._calls.since(int(request.query.get("since", "0")))
            case "GET", "/_sim/tokens":
                return {"value": self._issued}
            case "DELETE", "/_sim/calls":
                self._calls.clear()
                return {}
            case "PUT", "/_sim/faults":
                self._faults.replace(_body(request))
                return self._shown_faults()
            case "GET", "/_sim/faults":
                return self._shown_faults()
            case "PUT", "/_sim/settings":
                self._settings = self._settings.updated(_body(request))
                return self._settings.as_json()
            case "GET", "/_sim/settings":
                return self._settings.as_json()
        if request.path.startswith(_SECRETS):
            return self._secret(request, request.path.removeprefix(_SECRETS))
        raise ControlError(f"no {request.method} {request.path}; README.md lists what there is")

    def _secret(self, request: Request, name: str) -> Json:
        """What somebody does in the portal, at once and without a role."""
        match request.method:
            case "PUT":
                body = _body(request)
                made = self.store.set(name, body.pop("value"), **body)[1]
                return {"version": made.id}
            case "PATCH":
                return {"version": self.store.update(name, "", **_body(request))[1].id}
            case "DELETE":
                self.store.delete(name)
                return {}
            case "POST":
                return {"version": self.store.recover(name)[1].id}
        raise ControlError("PUT a new version, PATCH the current one, DELETE, or POST to recover")

    def _shown_faults(self) -> dict[str, Any]:
        return {"rules": [rule.as_json() for rule in self._faults.rules]}


def _body(request: Request) -> Json:
    try:
        return msgspec.json.decode(request.body)
    except msgspec.DecodeError as error:
        raise ControlError(f"the body is not JSON: {error}") from error


def _no_aadsts(request: Request, action: object) -> Response:
    raise ControlError(f"aadsts is of the simulator: {request.target} {action}")
