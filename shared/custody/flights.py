"""In-process collapse: of all threads that want the same user's refresh, one flies and the others wait for it."""

import threading
from collections.abc import Callable

from shared.errors import Busy
from shared.models.custody import Connection


class _Flight:
    def __init__(self) -> None:
        self.landed = threading.Event()
        self.result: Connection | None = None
        self.error: BaseException | None = None


class Flights:
    """At most one flight per user; never more entries than threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}

    def join(
        self,
        user_id: str,
        fly: Callable[[], Connection],
        *,
        otherwise: Connection | None,
        patience_seconds: float,
    ) -> Connection:
        """Fly, or share the result of the flight that is under way.

        `otherwise` is returned at once instead of waiting; without it a flight that takes longer than
        `patience_seconds` raises Busy, and the error of a flight is raised to all who waited.
        """
        with self._lock:
            flight = self._flights.get(user_id)
            leads = flight is None
            if flight is None:
                flight = self._flights[user_id] = _Flight()
        if leads:
            return self._lead(user_id, flight, fly)
        if otherwise is not None:
            return otherwise
        if not flight.landed.wait(patience_seconds):
            raise Busy("the refresh of this process takes too long")
        if flight.error is not None:
            raise flight.error
        assert flight.result is not None
        return flight.result

    def _lead(self, user_id: str, flight: _Flight, fly: Callable[[], Connection]) -> Connection:
        try:
            flight.result = fly()
        except BaseException as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                del self._flights[user_id]
            flight.landed.set()
        return flight.result
