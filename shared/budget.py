"""How long a person's request may wait for the store, all its operations together (acceptance S2).

The entry grants it, the storage spends it: waiting alone counts, for what Azure DevOps takes has limits of its own.
What nobody waits for has none: a timer's run, and the save after a token response (design, The custody rules).
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

REQUEST_SECONDS = 8.5
"""With what else a request does it ends within ten seconds."""

_left: ContextVar[list[float] | None] = ContextVar("store_budget", default=None)


@contextmanager
def granted(seconds: float | None) -> Iterator[None]:
    """The block may wait so long; None: each of its operations has its own budget."""
    before = _left.set(None if seconds is None else [seconds])
    try:
        yield
    finally:
        _left.reset(before)


@contextmanager
def granted_or_own(seconds: float) -> Iterator[None]:
    """The budget of the request; outside of any the block has so much of its own."""
    with granted(seconds) if _left.get() is None else nullcontext():
        yield


def left() -> float:
    """Seconds; infinite where there is no budget."""
    found = _left.get()
    return math.inf if found is None else max(found[0], 0.0)


def spend(seconds: float) -> None:
    """Take what was waited from the budget, if there is one."""
    found = _left.get()
    if found is not None:
        found[0] -= seconds
