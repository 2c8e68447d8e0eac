"""How fast the timer may call the token services."""

import random
import threading
import time
from collections.abc import Callable


class Pace:
    """At most so many calls per second from this process, spread with jitter."""

    def __init__(self, per_second: int, sleep: Callable[[float], None]) -> None:
        self._gap = 1 / per_second
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self, calls: int = 1) -> None:
        """Return when it is this caller's turn to make so many calls."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + calls * self._gap * random.uniform(1.0, 1.2)  # noqa: S311 - jitter, not a secret
        if turn > now:
            self._sleep(turn - now)
