"""Faults of this application, told from faults of a person's grant: per process and provider, closing by themselves.

The legacy service says `invalid_request` both for a dead refresh token and for a wrong request of ours, and a refused
request (`unauthorized_client`, `invalid_scope`) may be a matter of one tenant. Three people who get either within five
minutes, with no success between them, are taken for ours (design, The custody rules). People, not refusals: the retries
of one dead grant would else open the breaker, and its owner would never be told.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

SUSPECTS = 3
WITHIN = timedelta(minutes=5)
OPEN_FOR = timedelta(seconds=30)


@dataclass(slots=True)
class _State:
    suspects: dict[str, datetime] = field(default_factory=dict)
    open_until: datetime | None = None
    faulty: bool = False


class FaultWatch:
    """What this process saw of each provider."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}
        self._throttled: dict[str, datetime] = {}

    def open_for(self, provider: str, now: datetime) -> float:
        """Seconds for which no token call should be made; 0 when one may."""
        with self._lock:
            until = self._state(provider).open_until
            return max((until - now).total_seconds(), 0.0) if until else 0.0

    def suspected(self, provider: str, user_id: str, now: datetime) -> bool:
        """Note a suspect refusal; True when it makes an application fault of them all."""
        with self._lock:
            state = self._state(provider)
            recent = {user: moment for user, moment in state.suspects.items() if now - moment < WITHIN}
            state.suspects = recent | {user_id: now}
            return len(state.suspects) >= SUSPECTS

    def throttled(self, provider: str, until: datetime) -> None:
        """Note that the service wants to be left alone until then."""
        with self._lock:
            self._throttled[provider] = max(until, self._throttled.get(provider, until))

    def throttled_for(self, provider: str, now: datetime) -> float:
        """Seconds for which calls that can wait should; 0 when none."""
        with self._lock:
            until = self._throttled.get(provider, now)
            return max((until - now).total_seconds(), 0.0)

    def fault(self, provider: str, now: datetime) -> bool:
        """Note an application fault and stop calling for 30 s; True when it is news."""
        with self._lock:
            state = self._state(provider)
            news, state.faulty = not state.faulty, True
            state.open_until = now + OPEN_FOR
            return news

    def succeeded(self, provider: str) -> bool:
        """Note a success; True when it ends an application fault."""
        with self._lock:
            state = self._state(provider)
            over = state.faulty
            self._states[provider] = _State()
            return over

    def accepted(self, provider: str) -> bool:
        """Note that the service took our secret at a sign-in; True when that ends an application fault.

        It says nothing about refreshes: suspects stay, and so does a fault that is made of them.
        """
        with self._lock:
            state = self._state(provider)
            over = state.faulty and len(state.suspects) < SUSPECTS
            if over:
                state.faulty, state.open_until = False, None
            return over

    def _state(self, provider: str) -> _State:
        return self._states.setdefault(provider, _State())
