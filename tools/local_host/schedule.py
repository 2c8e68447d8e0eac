"""Runs timer functions at their times, one scheduled run at a time per function.

Times that pass while a run is still going are skipped, as in the real host. The clock is the machine's:
--clock-offset shifts the app's alone.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from tools.local_host import ncrontab
from tools.local_host.errors import HostError
from tools.local_host.invocations import Invocations
from tools.local_host.runtime import HostedFunction
from tools.local_host.settings import resolve

log = logging.getLogger("host")


@dataclass(frozen=True)
class Timer:
    """A timer function and its parsed schedule."""

    function: HostedFunction
    schedule: ncrontab.Schedule


def timers_of(functions: Iterable[HostedFunction]) -> list[Timer]:
    """Parse the schedules, `%SETTING%` resolved. Raises HostError that names the function."""
    timers = []
    for function in functions:
        if function.trigger_type == "timerTrigger":
            try:
                expression = resolve(str(function.trigger["schedule"]))
                timers.append(Timer(function, ncrontab.parse(expression)))
            except (HostError, ncrontab.BadExpressionError) as error:
                raise HostError(f"the schedule of {function.name} can't be used: {error}") from error
    return timers


async def keep(timer: Timer, invocations: Invocations) -> None:
    """Run the timer at each of its times until cancelled."""
    due = timer.schedule.next_after(datetime.now(UTC))
    while due is not None:
        await _sleep_until(due)
        await invocations.run(timer.function, "scheduled")
        # After `due` too: a wall clock set back must not run the same time twice.
        due = timer.schedule.next_after(max(due, datetime.now(UTC)))
    log.warning("The schedule of '%s' has no further time.", timer.function.name)


async def _sleep_until(due: datetime) -> None:
    # In steps of a minute at most, so that a machine that slept or a corrected clock is noticed.
    while (seconds := (due - datetime.now(UTC)).total_seconds()) > 0:
        await asyncio.sleep(min(seconds, 60))
