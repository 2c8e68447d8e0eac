"""The custody of tokens: the flows that may touch them, and what they need.

`rules` decides, `sign_in` begins, `refresh` renews, `sign_out` ends, `tick` looks after everybody. `Custody` carries
the collaborators, all of them Protocols or functions, so that tools and tests can wrap each.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.custody.faults import FaultWatch
from shared.custody.flights import Flights
from shared.custody.rules import Limits
from shared.errors import AppFault
from shared.events import Emit
from shared.oauth.provider import Providers
from shared.sealing import Keyring

if TYPE_CHECKING:  # the Protocols live beside the classes that fulfil them
    from shared.storage.connections import Connections
    from shared.storage.due import Due
    from shared.storage.logins import Logins


@dataclass(frozen=True, slots=True)
class Custody:
    """What the flows work with; built once per process."""

    connections: "Connections"
    due: "Due"
    logins: "Logins"
    providers: Providers
    keys: Callable[[], Keyring]
    secrets_end: Callable[[], datetime | None]
    """When the first of our own secrets expires, as the vault says."""
    limits: Limits
    margin: timedelta
    calls_per_second: int
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    emit: Emit
    flights: Flights = field(default_factory=Flights)
    faults: FaultWatch = field(default_factory=FaultWatch)

    def note_app_fault(self, provider: str, error: AppFault) -> None:
        """Stop calling for a while, which `error` then tells; the event comes once, until the fault is over."""
        now = self.now()
        if self.faults.fault(provider, now):
            self.emit("app_fault", provider=provider, reason=error.reason)
        error.retry_after = self.faults.open_for(provider, now)

    def was_taken_away(self, provider: str) -> bool:
        """Whether this provider was switched off in favour of another.

        Without any provider the settings are at fault, and our own faults never sign anybody out.
        """
        return bool(self.providers) and provider not in self.providers
