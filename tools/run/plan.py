"""What `make run` will start, and with which settings: decided before anything is started.

The environment wins over `local.settings.json`, as in the Functions host. Without the id of a real app the
simulator stands in for Azure DevOps.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tools.run import processes

# 127.0.0.1 and not localhost: it is the address that the host listens on (localhost may mean ::1 first), and
# its cookie jar is not shared with everything else a developer runs on localhost (cookies ignore ports). The
# browser must use this one name everywhere: cookies and the redirect URI are bound to it.
HOST = "127.0.0.1"
HOST_PORT = 7071
SIMULATOR_PORT = 9700
LOOPBACK = {HOST, "localhost", "[::1]", "::1"}
DEFAULT_PORTS = {"http": 80, "https": 443}
REFRESH_SCHEDULE = "0 */5 * * * *"
"""The host resolves %REFRESH_SCHEDULE% itself and knows no default."""
EMULATOR = "UseDevelopmentStorage=true"


class PlanError(Exception):
    """`make run` can't start like this. Carries one sentence with what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Ports, URL and kind of a run; `notes` are the lines that the person has to know."""

    public_url: str
    port: int
    simulator_port: int | None
    own_storage: bool
    notes: tuple[str, ...]

    @property
    def https(self) -> bool:
        """Whether the host itself speaks https; behind a tunnel the tunnel does."""
        url = urlsplit(self.public_url)
        return url.scheme == "https" and _is_loopback(url.hostname)

    @property
    def local_url(self) -> str:
        return f"{'https' if self.https else 'http'}://{HOST}:{self.port}"

    @property
    def simulator_url(self) -> str | None:
        return f"http://{HOST}:{self.simulator_port}" if self.simulator_port else None


def read_settings(root: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Set values by name, the environment's before those of `local.settings.json`. Raises PlanError."""
    file = root / "local.settings.json"
    values: dict[str, str] = {}
    if file.exists():
        try:
            values = {name: str(value) for name, value in json.loads(file.read_text("utf-8"))["Values"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PlanError(f'local.settings.json: not JSON with an object "Values" ({error})') from error
    merged = {**values, **environment}
    return {name: value for name, value in merged.items() if value}


def make_plan(settings: Mapping[str, str], is_free: Callable[[int], bool] = processes.is_free) -> Plan:
    """Choose ports: PUBLIC_URL's where it is set (taken: PlanError), else the usual ones or a free one."""
    notes: list[str] = []
    if settings.get("PUBLIC_URL"):
        public_url, port = _configured(settings["PUBLIC_URL"])
        if not is_free(port):
            raise PlanError(
                f"Port {port} of PUBLIC_URL is taken. End what listens there, or change PUBLIC_URL "
                "(the port is part of the registered redirect URI, so it is not replaced)."
            )
    else:
        port = _port(HOST_PORT, "app", is_free, notes)
        public_url = f"http://{HOST}:{port}"
    simulated = not (settings.get("AZURE_DEVOPS_APP_ID") or settings.get("ENTRA_CLIENT_ID"))
    return Plan(
        public_url=public_url,
        port=port,
        simulator_port=_port(SIMULATOR_PORT, "simulator", is_free, notes) if simulated else None,
        own_storage=_wants_own_storage(settings),
        notes=tuple(notes),
    )


def host_settings(
    plan: Plan,
    settings: Mapping[str, str],
    *,
    key_file: Path,
    storage: str | None,
    app: Mapping[str, str] | None,
) -> dict[str, str]:
    """What the host gets on top of its own settings; `app`: those of the simulator's registrations."""
    added = {"PUBLIC_URL": plan.public_url}
    if "REFRESH_SCHEDULE" not in settings:
        added["REFRESH_SCHEDULE"] = REFRESH_SCHEDULE
    vault = "KEY_VAULT_URL" in settings
    if not vault and "TOKEN_ENCRYPTION_KEY" not in settings:
        added["TOKEN_ENCRYPTION_KEY"] = kept_key(key_file)
    if storage:
        added["AzureWebJobsStorage"] = storage
    if plan.simulator_url and app:
        for name in ("AZURE_DEVOPS_URL", "AZURE_DEVOPS_IDENTITY_URL", "ENTRA_AUTHORITY_URL"):
            added[name] = plan.simulator_url
        added |= {name: value for name, value in app.items() if not (vault and name.endswith("_CLIENT_SECRET"))}
    return added


def kept_key(file: Path) -> str:
    """A token encryption key (64 hex digits), made once and readable by its owner only."""
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32))
    return file.read_text().strip()


def _configured(public_url: str) -> tuple[str, int]:
    try:
        url = urlsplit(public_url)
        port = url.port
    except ValueError as error:
        raise PlanError(f"PUBLIC_URL is not a URL: {error}") from error
    if url.scheme not in DEFAULT_PORTS or not url.hostname:
        raise PlanError("PUBLIC_URL must be an origin like http://127.0.0.1:7071 or https://example.org")
    if not _is_loopback(url.hostname):
        return public_url.rstrip("/"), HOST_PORT  # a tunnel's name: it forwards to the usual port
    return public_url.rstrip("/"), port or DEFAULT_PORTS[url.scheme]


def _port(usual: int, what: str, is_free: Callable[[int], bool], notes: list[str]) -> int:
    if is_free(usual):
        return usual
    chosen = processes.free_port()
    notes.append(f"port {usual} is taken: the {what} listens on {chosen}")
    return chosen


def _wants_own_storage(settings: Mapping[str, str]) -> bool:
    configured = settings.get("TOKEN_STORE_URL") or settings.get("AzureWebJobsStorage", EMULATOR)
    return configured == EMULATOR


def _is_loopback(hostname: str | None) -> bool:
    return hostname in LOOPBACK
