"""After a deployment: does it answer, are all functions there, does the timer take a run?

Run by `azd deploy` and `azd up`. A deployment can be reported as succeeded and have indexed no function at all
(Azure/azure-functions-host#11915), so a route is asked, not the status.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import environment
from commands import CommandFailed, az
from console import HookError, run, say, warn
from https import Answer, Unreachable, ask

if TYPE_CHECKING:
    from collections.abc import Callable

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
TIMER = "refresh_tokens"
WAIT_SECONDS = 300
"""A cold start on a new plan, and the host's own start after a deployment; SMOKE_TEST_SECONDS replaces it."""
PAUSE_SECONDS = 3


def work() -> None:
    """The smoke test, from the outside to the inside."""
    group, app, public_url = environment.values("AZURE_RESOURCE_GROUP", "AZURE_FUNCTION_APP_NAME", "PUBLIC_URL")
    # The Azure CLI nests the answer for Flex Consumption in some versions.
    query = "defaultHostName || properties.defaultHostName"
    host = az("functionapp", "show", "--resource-group", group, "--name", app, "--query", query)
    patience = Patience(environment.seconds("SMOKE_TEST_SECONDS", WAIT_SECONDS))
    _is_alive(host, patience)
    _is_ready(host, patience)
    _has_a_home_page(public_url, host, patience)
    _has_all_functions(group, app, patience)
    _takes_a_timer_run(group, app, host)
    say(f"smoke test passed: {public_url}")


class Patience:
    """One deadline for everything that a fresh deployment may be late with."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def until(self, problem: Callable[[], str | None], what: str) -> None:
        """Ask again until there is no `problem`. Raises HookError with the last one."""
        while True:
            found = problem()
            if found is None:
                say(f"{what}: ok")
                return
            if time.monotonic() >= self._ends:
                raise HookError(f"{what}: {found}")
            say(f"{what}: {found}; again in {PAUSE_SECONDS} s")
            time.sleep(PAUSE_SECONDS)


def _is_alive(host: str, patience: Patience) -> None:
    patience.until(lambda: _unless_ok(f"https://{host}/healthz"), "healthz")


def _is_ready(host: str, patience: Patience) -> None:
    def problem() -> str | None:
        answer = _get(f"https://{host}/readyz")
        if isinstance(answer, str):
            return answer
        return None if answer.status == 200 else f"answered {answer.status} ({_failing(answer.body)})"

    patience.until(problem, "readyz")


def _has_a_home_page(public_url: str, host: str, patience: Patience) -> None:
    """A name of one's own may not lead here yet; the app's own name must."""
    if urlsplit(public_url).netloc.lower() == host.lower():
        patience.until(lambda: _unless_ok(public_url + "/"), "home page")
        return
    problem = _unless_ok(public_url + "/")
    if problem:
        warn(f"{public_url} is not the app's own name ({host}) and {problem}: point its DNS here")


def _has_all_functions(group: str, app: str, patience: Patience) -> None:
    expected = {path.stem for path in FUNCTIONS.glob("[!_]*.py")}

    def problem() -> str | None:
        listed = az("functionapp", "function", "list", "--resource-group", group, "--name", app, "--query", "[].name")
        found = {str(name).rpartition("/")[2] for name in listed or []}
        if found == expected:
            return None
        parts = [("missing", expected - found), ("unexpected", found - expected)]
        named = "; ".join(f"{word} {' '.join(sorted(names))}" for word, names in parts if names)
        return f"{len(found)} of {len(expected)} ({named})"

    patience.until(problem, f"functions ({len(expected)})")


def _takes_a_timer_run(group: str, app: str, host: str) -> None:
    """The admin endpoint must refuse strangers, and start a run for the master key, which is shown to nobody."""
    url = f"https://{host}/admin/functions/{TIMER}"
    stranger = _post(url, {})
    if stranger.status not in (401, 403, 404):
        raise HookError(f"the admin endpoint answers {stranger.status} without a key")
    try:
        key = az("functionapp", "keys", "list", "--resource-group", group, "--name", app, "--query", "masterKey")
    except CommandFailed as error:
        if not error.says("AuthorizationFailed", "Forbidden", "LinkedAuthorizationFailed"):
            raise
        warn("timer run: skipped, this principal may not read the host keys; the first run is due within 5 minutes")
        return
    started = _post(url, {"x-functions-key": key})
    if started.status != 202:
        raise HookError(f"timer run: the host answered {started.status}")
    say("timer run: accepted; what it did is the next `tick` event")


def _unless_ok(url: str) -> str | None:
    answer = _get(url)
    if isinstance(answer, str):
        return answer
    return None if answer.status == 200 else f"answered {answer.status}"


def _get(url: str) -> Answer | str:
    try:
        return ask("GET", url)
    except Unreachable as error:
        return str(error)


def _post(url: str, headers: dict[str, str]) -> Answer:
    try:
        return ask("POST", url, {"Content-Type": "application/json", **headers}, b"{}")
    except Unreachable as error:
        raise HookError(f"timer run: {error}") from None


def _failing(body: bytes) -> str:
    """The parts that are not ready; their reasons are in the application's log alone."""
    try:
        found = json.loads(body)
        parts = [name for name in ("config", "store", "vault") if found.get(name) == "failing"]
    except (ValueError, AttributeError):
        parts = []
    return f"failing: {', '.join(parts)}" if parts else "it does not say why"


if __name__ == "__main__":
    run(work)
