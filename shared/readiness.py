"""Whether this site can serve people: one check of its settings for the set-up page and for platform probes."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import msgspec

from shared.config import Config
from shared.errors import AppError, NotConfigured

log = logging.getLogger("gatehouse")

KEPT_SECONDS = 10
"""How long a report is good for (design, HTTP surface): anybody may ask, and asking costs the store an operation."""

PROVIDERS = ("ENTRA_CLIENT_ID", "AZURE_DEVOPS_APP_ID")

_NEEDS = (
    ("PUBLIC_URL", "The address of this site; redirect URIs are built from it.", "Set it to https://your-host."),
    (
        "ENTRA_CLIENT_ID",
        "The application that people grant access to.",
        "Register one with Microsoft Entra ID and set ENTRA_CLIENT_ID and ENTRA_TENANT_ID; or set AZURE_DEVOPS_APP_ID "
        "and AZURE_DEVOPS_CLIENT_SECRET of an existing legacy registration.",
    ),
    (
        "TOKEN_ENCRYPTION_KEY",
        "Seals every token before it is stored.",
        "Set 64 random hex digits, for example from: openssl rand -hex 32",
    ),
    (
        "TOKEN_STORE_URL",
        "The table endpoint that holds the sealed tokens.",
        "Set it, or AzureWebJobsStorage for development.",
    ),
)


class Need(NamedTuple):
    """One thing that the site needs before people can sign in."""

    ok: bool
    setting: str
    purpose: str
    remedy: str


State = Literal["ok", "failing"]
Probe = Callable[[], object]


class Readiness(msgspec.Struct, frozen=True):
    """Whether people can be served: the settings, the token store, and the keys of Key Vault or of the settings."""

    config: State
    store: State
    vault: State

    @property
    def ready(self) -> bool:
        """Whether all of it is ok."""
        return {self.config, self.store, self.vault} == {"ok"}


def problems(environ: Mapping[str, str]) -> dict[str, str]:
    """Name of each setting that is missing or wrong → what is the matter with it, without its value."""
    try:
        Config.from_env(environ)
        found: tuple[str, ...] = ()
    except NotConfigured as error:
        found = error.problems
    wrong = {problem.split(" ", 1)[0]: problem for problem in found}
    if not any(environ.get(name, "").strip() for name in PROVIDERS):
        wrong["ENTRA_CLIENT_ID"] = "ENTRA_CLIENT_ID is missing"
    return wrong


def needs(environ: Mapping[str, str]) -> list[Need]:
    """Each need with a tick or a cross, and every other setting that is wrong."""
    wrong = problems(environ)
    listed = [Need(name not in wrong, name, purpose, remedy) for name, purpose, remedy in _NEEDS]
    known = {name for name, _, _ in _NEEDS}
    others = [Need(False, name, text, "Correct this setting.") for name, text in wrong.items() if name not in known]
    return listed + others


def look(environ: Mapping[str, str], *, store: Probe | None, vault: Probe | None) -> Readiness:
    """Look at each part once; a probe raises what is wrong, which only the log learns. None: settings come first."""

    def settings() -> None:
        if wrong := problems(environ):
            raise NotConfigured(list(wrong.values()))

    return Readiness(_state("config", settings), _state("store", store), _state("vault", vault))


def _state(part: str, probe: Probe | None) -> State:
    if probe is None:
        return "failing"
    try:
        probe()
    except AppError as error:
        log.warning("not ready: %s: %s", part, error)
        return "failing"
    except Exception:
        log.exception("not ready: %s", part)
        return "failing"
    return "ok"


class Watch:
    """Keeps a report for ten seconds and makes a new one for one caller at a time.

    Who comes during a look gets the report before it, so that a store that hangs holds one thread and not all of them;
    only for the very first look everybody waits.
    """

    def __init__(self, look: Callable[[], Readiness], clock: Callable[[], float]) -> None:
        """`clock` counts seconds from anywhere, and never backwards."""
        self._look = look
        self._clock = clock
        self._looking = threading.Lock()
        self._found: tuple[float, Readiness] | None = None

    def report(self) -> Readiness:
        """The parts as they were at most ten seconds and one look ago."""
        found = self._fresh()
        before = self._found
        if found is None and self._looking.acquire(blocking=before is None):
            try:
                found = self._fresh() or self._renewed()
            finally:
                self._looking.release()
        if found is None:
            assert before is not None
            return before[1]
        return found

    def _fresh(self) -> Readiness | None:
        if self._found is None or self._clock() - self._found[0] >= KEPT_SECONDS:
            return None
        return self._found[1]

    def _renewed(self) -> Readiness:
        found = self._look()
        self._found = (self._clock(), found)
        return found
