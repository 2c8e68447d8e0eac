"""Audit events: one JSON line each on logger `gatehouse.events`; alerts and the workbook query them.

An event is written on the thread of its invocation, because the Functions worker files log lines by thread: work that
runs elsewhere hands its events back (see `custody.tick`). Values are fixed words, numbers and hashes, never free text.
"""

import json
import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Protocol

LOGGER = logging.getLogger("gatehouse.events")
LOGGER.setLevel(logging.INFO)

_NOBODY = "-"
correlation_id: ContextVar[str] = ContextVar("correlation_id", default=_NOBODY)
"""Set at the start of every invocation, by its entry."""

SHORT = 12
"""Users and sessions appear as the first 12 hex digits of their id or hash."""


class Emit(Protocol):
    """Takes one event."""

    def __call__(self, event: str, /, **fields: Any) -> None: ...


def in_invocation() -> bool:
    """Whether this is the thread of an invocation, so that an event would belong to it."""
    return correlation_id.get() != _NOBODY


def emitter(now: Callable[[], datetime]) -> Emit:
    """An Emit that writes to the logger at once, with the time of `now`."""

    def emit(event: str, /, **fields: Any) -> None:
        LOGGER.info("%s", line(event, now(), correlation_id.get(), fields))

    return emit


def line(event: str, at: datetime, correlation: str, fields: Mapping[str, Any]) -> str:
    """The JSON of one event, on one line whatever the fields hold; `user` and `session` are cut to 12 digits."""
    shown = {name: value for name, value in fields.items() if value is not None}
    for name in ("user", "session"):
        if name in shown:
            shown[name] = str(shown[name])[:SHORT]
    stamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"event": event, "at": stamp, "correlation_id": correlation, **shown})
