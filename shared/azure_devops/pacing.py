"""When a user's next call may go out, and how many retries a process may make."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

MAX_REMEMBERED = 5_000
"""Users; more than an instance serves at once."""


class Pauses:
    """Until when each user's next call must wait. Thread-safe."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._until: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def remember(self, user_id: str, seconds: float | None) -> None:
        """No call of this user for so many seconds, if any; a longer pause that already holds stays."""
        if not seconds:
            return
        until = self._now() + timedelta(seconds=seconds)
        with self._lock:
            if user_id not in self._until and len(self._until) >= MAX_REMEMBERED:
                self._make_room()
            self._until[user_id] = max(until, self._until.get(user_id, until))

    def rest(self, user_id: str) -> float:
        """Seconds until this user's next call may go out; 0 when it may now."""
        with self._lock:
            until = self._until.get(user_id)
            if until is None:
                return 0.0
            rest = (until - self._now()).total_seconds()
            if rest <= 0:
                del self._until[user_id]
            return max(rest, 0.0)

    def _make_room(self) -> None:
        now = self._now()
        self._until = {user_id: until for user_id, until in self._until.items() if until > now}
        if len(self._until) >= MAX_REMEMBERED:
            del self._until[min(self._until, key=self._until.__getitem__)]


class RetryBudget:
    """Retries as a share of calls, so that an outage is not met with three times the load. Thread-safe.

    A bucket of ten tokens: a call adds a tenth, a retry takes one. So the first ten retries are always allowed, and
    in the long run no more than one for ten calls (acceptance U1; Google SRE book, "Handling Overload").
    """

    CAPACITY = 100
    PER_CALL = 1
    PER_RETRY = 10

    def __init__(self) -> None:
        self._tenths = self.CAPACITY
        self._lock = threading.Lock()

    def called(self) -> None:
        """A call, not counting its retries, goes out."""
        with self._lock:
            self._tenths = min(self.CAPACITY, self._tenths + self.PER_CALL)

    def take(self) -> bool:
        """Whether one more retry is allowed; counts it if so."""
        with self._lock:
            if self._tenths < self.PER_RETRY:
                return False
            self._tenths -= self.PER_RETRY
            return True
