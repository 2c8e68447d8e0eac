"""One secret of a vault in memory: fresh for five minutes, served for a day while the vault is away, renewed beside.

Figures: facts/key-vault.md 6; the vault's owner advises to cache in memory and to back off 1, 2, 4, 8, 16 s.
"""

import random
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.errors import VaultError
from shared.events import Emit, in_invocation

FRESH_FOR = timedelta(minutes=5)
STALE_OK_FOR = timedelta(hours=24)
REREAD_EVERY = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(seconds=16)
"""While there is no value at all: the site works again within half a minute of the vault."""
PATIENCE_SECONDS = 1.0
"""How long a request that has a value waits for a newer one."""
MISSING = "404"
MALFORMED = "malformed"
EXPIRED = "expired"
DECIDED = frozenset({"403", MISSING, MALFORMED, "SecretDisabled", "ForbiddenByRbac", "ForbiddenByFirewall"})
"""Answers that asking again in a second won't change."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A secret as the vault gave it; `expires_at` is informational there, so we watch it ourselves."""

    value: str = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True)
class _Held[Value]:
    """An answer of the vault; `value` is None where it says that there is no such secret, which counts as long."""

    value: Value | None = field(repr=False)
    expires_at: datetime | None
    read_at: datetime


class CachedSecret[Value]:
    """Renewed by one caller while all go on with what is there.

    While there is no value callers wait for the read of one of them. With one, and in `prefetch`, reads run on a thread
    of their own that a caller gives a second at most; it may end after the invocation that began it, or never: nothing
    depends on it.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[str], Fetched],
        parse: Callable[[str], Value],
        now: Callable[[], datetime],
        emit: Emit,
        *,
        optional: bool = False,
    ) -> None:
        """`parse` raises VaultError for a malformed value: the one before it stays."""
        self._name = name
        self._fetch = fetch
        self._parse = parse
        self._now = now
        self._emit = emit
        self._optional = optional
        self._flight = threading.Lock()
        self._held: _Held[Value] | None = None
        self._next_try: datetime | None = None
        self._forced_at: datetime | None = None
        self._failures = 0
        self._trouble: VaultError | None = None
        self._untold: deque[VaultError] = deque()

    def value(self) -> Value:
        """The value. Raises VaultError: MISSING for an optional one that is not there, else while there is none."""
        if self._held is None:
            self._read_first()
        elif self._is_due() and self._flight.acquire(blocking=False):
            self._read_beside()
        self._tell()
        held = self._held
        if held is None:
            raise self._fresh_trouble()
        if self._now() - held.read_at > STALE_OK_FOR:
            raise VaultError(f"{self._name} was last read over a day ago")
        if held.value is None:
            raise VaultError(f"there is no {self._name}", reason=MISSING)
        return held.value

    def prefetch(self) -> None:
        """Have it at hand before it is needed; for the first read its caller waits for a second, for others nobody."""
        first = self._next_try is None
        if self._is_due() and self._flight.acquire(blocking=False):
            self._read_beside(PATIENCE_SECONDS if first else 0)
        self._tell()

    def reread(self) -> None:
        """Ask now, at most every 30 s; who comes during such a read waits for it too."""
        if not self._flight.acquire(timeout=PATIENCE_SECONDS):
            return
        now = self._now()
        if self._forced_at and now - self._forced_at < REREAD_EVERY:
            self._flight.release()
            return
        self._forced_at = now
        self._read_beside()
        self._tell()

    def check(self) -> None:
        """Raises VaultError when the last read failed, or gave what is expired."""
        try:
            self.value()
        except VaultError as error:
            if not (self._optional and error.reason == MISSING):
                raise
        if self._trouble:
            raise self._fresh_trouble()

    def expires_at(self) -> datetime | None:
        """When the value expires; None too while there is none."""
        try:
            self.value()
        except VaultError:
            return None
        return self._held.expires_at if self._held else None

    def _is_due(self) -> bool:
        return self._next_try is None or self._now() >= self._next_try

    def _read_first(self) -> None:
        """Everybody waits for it, and shares its failure until the next try is due."""
        with self._flight:
            if self._held is None and self._is_due():
                self._read()

    def _read_beside(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Read on a thread, which gives the flight back, and wait a little for it."""

        def fly() -> None:
            try:
                self._read()
            finally:
                self._flight.release()

        reader = threading.Thread(target=fly, name=f"vault {self._name}", daemon=True)
        try:
            reader.start()
        except RuntimeError:  # the process has no more threads
            self._flight.release()
            return
        reader.join(patience_seconds)

    def _read(self) -> None:
        now = self._now()
        try:
            held = self._answer(now)
        except Exception as error:  # noqa: BLE001 - whatever it was, it must not be asked for again by every request
            malformed = VaultError(f"{self._name}: {type(error).__name__}", reason=MALFORMED)
            trouble = error if isinstance(error, VaultError) else malformed
            self._next_try = now + self._pause(trouble)
            self._failures += 1
            self._in_trouble(trouble)
            return
        self._held = held
        self._failures, self._next_try, self._trouble = 0, now + FRESH_FOR, None
        if held.expires_at and held.expires_at <= now:
            self._in_trouble(VaultError(f"{self._name} has expired", reason=EXPIRED))

    def _answer(self, now: datetime) -> _Held[Value]:
        """What the vault says; that an optional secret is gone which was there within a day is trouble, no answer."""
        try:
            fetched = self._fetch(self._name)
        except VaultError as error:
            serves = self._held and self._held.value is not None and now - self._held.read_at <= STALE_OK_FOR
            if self._optional and error.reason == MISSING and not serves:
                return _Held(None, None, now)
            raise
        return _Held(self._parse(fetched.value), fetched.expires_at, now)

    def _pause(self, error: VaultError) -> timedelta:
        """Backoff with jitter, and no less than the vault asks for; both capped, for a Retry-After may be absurd."""
        if error.reason in DECIDED and self._held:
            return FRESH_FOR
        longest = FRESH_FOR if self._held else LONGEST_PAUSE
        backoff = timedelta(seconds=2.0 ** min(self._failures, 10) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        return min(max(backoff, timedelta(seconds=error.pause)), longest)

    def _in_trouble(self, error: VaultError) -> None:
        self._trouble = error
        self._untold.append(error)

    def _fresh_trouble(self) -> VaultError:
        """An error of one's own: one object raised again and again would collect the tracebacks of all callers."""
        trouble = self._trouble or VaultError(f"{self._name} could not be read")
        return VaultError(str(trouble), reason=trouble.reason)

    def _tell(self) -> None:
        """On any other thread than that of an invocation it waits for one: the worker files log lines by thread."""
        if not in_invocation():
            return
        with suppress(IndexError):
            while error := self._untold.popleft():
                self._emit("vault_stale", reason=error.reason, secret=self._name, request_id=error.request_id)
