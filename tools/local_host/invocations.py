"""Background runs: started by /admin/ or by a schedule, awaited when the host stops."""

import asyncio
import json
import logging
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass

from azure_functions_runtime.bindings.datumdef import Datum

from tools.local_host import runtime
from tools.local_host.runtime import HostedFunction

log = logging.getLogger("host")

# Enough for every run of a test or a chaos case; a bound keeps a host that runs for days small.
_REMEMBERED = 1000


@dataclass
class Invocation:
    """One run; `state` is running, succeeded or failed."""

    id: str
    function: str
    state: str = "running"


class Invocations:
    """Starts runs on the event loop and remembers the outcome of the last thousand."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Invocation] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, invocation_id: str) -> Invocation | None:
        return self._known.get(invocation_id)

    def start(self, function: HostedFunction, reason: str) -> Invocation:
        """Begin a run of a timer function and return at once."""
        invocation, _ = self._begin(function, reason)
        return invocation

    async def run(self, function: HostedFunction, reason: str) -> Invocation:
        """Run a timer function to its end, also when the waiting task is cancelled meanwhile."""
        invocation, task = self._begin(function, reason)
        await asyncio.shield(task)
        return invocation

    async def finish(self, seconds: float) -> bool:
        """Wait for the running ones; False when some are still running after `seconds`."""
        if not self._tasks:
            return True
        _, pending = await asyncio.wait(self._tasks, timeout=seconds)
        return not pending

    def _begin(self, function: HostedFunction, reason: str) -> tuple[Invocation, asyncio.Task[None]]:
        invocation = Invocation(str(uuid.uuid4()), function.name)
        self._known[invocation.id] = invocation
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        task = asyncio.create_task(self._run(invocation, function, reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return invocation, task

    async def _run(self, invocation: Invocation, function: HostedFunction, reason: str) -> None:
        log.info("Executing '%s' (%s, Id=%s)", function.name, reason, invocation.id)
        started = time.monotonic()
        outcome = await runtime.invoke(function, invocation.id, timer_datum())
        invocation.state = "succeeded" if outcome.succeeded else "failed"
        log.info(
            "Executed '%s' (%s, Id=%s, Duration=%dms)",
            function.name,
            invocation.state,
            invocation.id,
            (time.monotonic() - started) * 1000,
        )


def timer_datum() -> Datum:
    """The value of a timerTrigger parameter; never past due: the local host keeps no schedule status."""
    return Datum(json.dumps({"IsPastDue": False, "Schedule": {}, "ScheduleStatus": {}}), "json")
