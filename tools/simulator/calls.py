"""The log of all calls outside `/_sim/`: enough to count and order them, never a whole secret."""

import re
import time
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from tools.simulator.identity.minting import digest
from tools.simulator.messages import Request
from tools.simulator.settings import Json

KEPT = 200_000


@dataclass
class LoggedCall:
    """One call; `status` is None while it runs and when its connection was dropped."""

    n: int
    time: str
    method: str
    target: str
    host: str
    x_forwarded_host: str | None
    user: str | None
    authorization: bool
    token: str | None  # digest of the bearer, or of the assertion or token in the form
    grant: str | None
    status: int | None = None
    done: bool = False
    milliseconds: float | None = None
    fault: str | None = None


# Secrets belong in bodies and headers; a client that puts one into the target must not find it here.
_SECRET = re.compile(
    r"([?&](?:client_(?:assertion|secret)|code_verifier|(?:access_|refresh_)?token|id_token_hint|assertion|code)=)"
    r"([^&]+)",
    re.IGNORECASE,
)


def _without_secrets(target: str) -> str:
    return _SECRET.sub(lambda found: found[1] + digest(found[2]), target)


class CallLog:
    """The newest calls, by number."""

    def __init__(self) -> None:
        self._calls: deque[LoggedCall] = deque(maxlen=KEPT)
        self._n = 0

    def begin(self, request: Request, *, user: str | None, token: str | None, grant: str | None) -> LoggedCall:
        """Log a call when it arrives; `finish` completes it."""
        self._n += 1
        call = LoggedCall(
            n=self._n,
            time=datetime.now(UTC).isoformat(),
            method=request.method,
            target=_without_secrets(request.target),
            host=request.headers.get("host", ""),
            x_forwarded_host=request.headers.get("x-forwarded-host"),
            user=user,
            authorization="authorization" in request.headers,
            token=token,
            grant=grant,
        )
        self._calls.append(call)
        return call

    @staticmethod
    def finish(call: LoggedCall, status: int | None, started: float) -> None:
        call.status, call.done = status, True
        call.milliseconds = round((time.perf_counter() - started) * 1000, 3)

    def since(self, n: int) -> dict[str, Json]:
        """All logged calls with a number above `n`, oldest first."""
        found = [asdict(each) for each in self._calls if each.n > n]
        return {"count": len(found), "last": self._n, "value": found}

    def clear(self) -> None:
        """Forget all calls; numbers go on, so that `since` stays right."""
        self._calls.clear()
