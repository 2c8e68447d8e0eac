"""`--services tools.chaos.points:services`: the application as it is, with a named point around every step.

Each call of a collaborator has four points, named `COLLABORATOR.METHOD:MOMENT`:

    before    the step has not begun
    sent      its request has left, no answer has arrived
    answered  the other side has done it and answered, but nothing here knows yet
    after     the collaborator has returned

Collaborators are `connections`, `due`, `logins` and `provider`: `connections.save_tokens:answered` is "the row is
written, its reply not seen". `arming` says what happens at which.
"""

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import urllib3.connection

from shared.services import Services, build_services
from tools.chaos.arming import Act, Trap, Tripwire

_current = threading.local()


def services(environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Services:
    """The application's own services, their collaborators watched."""
    built = build_services(environ, now=now)
    wire = Tripwire(environ, act=_befall)
    _watch_the_wire(wire)
    custody: Any = dataclasses.replace(
        built.custody,
        connections=_Watched("connections", built.custody.connections, wire),
        due=_Watched("due", built.custody.due, wire),
        logins=_Watched("logins", built.custody.logins, wire),
        providers={name: _Watched("provider", it, wire) for name, it in built.custody.providers.items()},
    )
    return dataclasses.replace(built, custody=custody)


class _Watched:
    """Whatever it wraps, with points before and after each call."""

    def __init__(self, name: str, inner: object, wire: Tripwire) -> None:
        self._name = name
        self._inner = inner
        self._wire = wire

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._inner, attribute)
        if not callable(found):
            return found
        step = f"{self._name}.{attribute}"

        def call(*arguments: Any, **options: Any) -> Any:
            outer = getattr(_current, "step", None)
            self._wire.reach(f"{step}:before")
            _current.step = step
            try:
                answer = found(*arguments, **options)
            finally:
                _current.step = outer
            self._wire.reach(f"{step}:after")
            return answer

        return call


def _watch_the_wire(wire: Tripwire) -> None:
    """Points of the step that a thread is in, around the wait for an answer of the HTTP library that all steps use."""
    wait = urllib3.connection.HTTPConnection.getresponse

    def getresponse(self: urllib3.connection.HTTPConnection) -> Any:
        step = getattr(_current, "step", None)
        if step:
            wire.reach(f"{step}:sent")
        answer = wait(self)
        if step:
            wire.reach(f"{step}:answered")
        return answer

    urllib3.connection.HTTPConnection.getresponse = getresponse  # type: ignore[method-assign]


def _befall(trap: Trap) -> None:
    match trap.act:
        case Act.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Act.STOP:
            # To this thread: one sent to the process lets the thread run on until another has taken it.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        case Act.SLEEP:
            time.sleep(trap.seconds)
        case Act.NOTE:
            pass
