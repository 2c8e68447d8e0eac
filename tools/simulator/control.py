"""The control API `/_sim/`: watch calls and tokens, set faults and settings (README.md has the bodies)."""

from collections.abc import Callable

import msgspec

from tools.simulator.calls import CallLog
from tools.simulator.entra.grants import Grants
from tools.simulator.faults import Faults
from tools.simulator.identity.tokens import Tokens
from tools.simulator.ledger import Ledger
from tools.simulator.messages import Request, Response, json_response
from tools.simulator.settings import ControlError, Json, Settings
from tools.simulator.shown_tokens import shown_users

type Handler = Callable[[Request], Json]


class Control:
    """Answers the control API. `change_settings` raises ControlError for settings it does not accept."""

    def __init__(
        self,
        calls: CallLog,
        ledger: Ledger,
        tokens: Tokens,
        grants: Grants,
        faults: Faults,
        settings: Callable[[], Settings],
        change_settings: Callable[[Json], None],
    ) -> None:
        self._calls, self._faults = calls, faults
        self._tokens, self._grants = tokens, grants
        self._settings, self._change_settings = settings, change_settings
        self._handlers: dict[tuple[str, str], Handler] = {
            ("GET", "/_sim/calls"): self._show_calls,
            ("DELETE", "/_sim/calls"): self._clear_calls,
            ("GET", "/_sim/tokens"): self._show_tokens,
            ("GET", "/_sim/secrets"): lambda _: ledger.as_json(),
            ("GET", "/_sim/faults"): self._show_faults,
            ("PUT", "/_sim/faults"): self._set_faults,
            ("DELETE", "/_sim/faults"): self._clear_faults,
            ("GET", "/_sim/settings"): lambda _: self._settings().as_json(),
            ("PUT", "/_sim/settings"): self._set_settings,
        }

    def answer(self, request: Request) -> Response:
        """JSON; 404 names the paths there are, 400 says what is wrong with a body."""
        handler = self._handlers.get((request.method, request.path))
        if handler is None:
            known = sorted(f"{method} {path}" for method, path in self._handlers)
            return json_response({"error": f"no {request.method} {request.path}", "known": known}, 404)
        try:
            return json_response(handler(request))
        except ControlError as error:
            return json_response({"error": str(error)}, 400)

    def _show_calls(self, request: Request) -> Json:
        since = request.query.get("since", "0")
        if not since.isdigit():
            raise ControlError("since must be the number of a call")
        return self._calls.since(int(since))

    def _clear_calls(self, request: Request) -> Json:
        self._calls.clear()
        return self._show_calls(request)

    def _show_tokens(self, request: Request) -> Json:
        users = shown_users(self._tokens, self._grants, request.query.get("user"))
        return {"users": users, "revoke_requests": self._tokens.revoke_requests}

    def _show_faults(self, _: Request) -> Json:
        return {"rules": [rule.as_json() for rule in self._faults.rules]}

    def _set_faults(self, request: Request) -> Json:
        self._faults.replace(_body(request))
        return self._show_faults(request)

    def _clear_faults(self, request: Request) -> Json:
        self._faults.replace([])
        return self._show_faults(request)

    def _set_settings(self, request: Request) -> Json:
        self._change_settings(_body(request))
        return self._settings().as_json()


def _body(request: Request) -> Json:
    try:
        return msgspec.json.decode(request.body)
    except msgspec.DecodeError as error:
        raise ControlError(f"the body is not JSON: {error}") from error
