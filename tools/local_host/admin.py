"""/admin/: the part of the host's own API that tools use. As in `func start`, no key is asked for.

GET  /admin/functions           all functions        GET /admin/functions/{name}  one
POST /admin/functions/{name}    202, runs in the background; header x-invocation-id
GET  /admin/host/status         GET|POST /admin/host/ping
GET  /admin/invocations/{id}    outcome of such a run: an addition of the local host
"""

import json
import os
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from tools.local_host.invocations import Invocations
from tools.local_host.messages import Answer, Request
from tools.local_host.runtime import HostedFunction

_NOT_FOUND = Answer(404)


class Admin:
    """Answers requests under /admin/."""

    def __init__(self, functions: Sequence[HostedFunction], invocations: Invocations) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._invocations = invocations
        self._started = time.monotonic()

    def answer(self, request: Request) -> Answer:
        """Answer one request; unknown paths and methods are 404."""
        parts = request.path.lower().strip("/").split("/")
        match request.method, *parts:
            case "GET", "admin", "functions":
                return _json([_description(function) for function in self._functions.values()])
            case "GET", "admin", "functions", name if name in self._functions:
                return _json(_description(self._functions[name]))
            case "POST", "admin", "functions", name if name in self._functions:
                return self._start(self._functions[name], request.body)
            case "GET", "admin", "host", "status":
                return self._status()
            case "GET" | "POST", "admin", "host", "ping":
                return Answer(200)
            case "GET", "admin", "invocations", invocation_id:
                return self._outcome(invocation_id)
        return _NOT_FOUND

    def _start(self, function: HostedFunction, body: bytes) -> Answer:
        if not _is_object(body):
            return Answer(400)
        if function.trigger_type != "timerTrigger":
            return _json({"error": "the local host starts timer functions only"}, 400)
        invocation = self._invocations.start(function, "started by /admin/")
        return Answer(202, (("x-invocation-id", invocation.id),))

    def _status(self) -> Answer:
        return _json(
            {
                "id": "localhost",
                "state": "Running",
                "version": version("azure-functions-runtime"),
                "versionDetails": "tools.local_host",
                "processId": os.getpid(),
                "processUptime": int((time.monotonic() - self._started) * 1000),
            }
        )

    def _outcome(self, invocation_id: str) -> Answer:
        invocation = self._invocations.find(invocation_id)
        if invocation is None:
            return _NOT_FOUND
        return _json({"id": invocation.id, "function": invocation.function, "state": invocation.state})


def _description(function: HostedFunction) -> dict[str, Any]:
    return {
        "name": function.name,
        "language": "python",
        "isDisabled": False,
        "config": {"bindings": list(function.bindings)},
    }


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def _json(content: object, status: int = 200) -> Answer:
    return Answer(status, (("content-type", "application/json; charset=utf-8"),), json.dumps(content).encode())
