"""What a measurement runs on: an Azurite behind a proxy that counts, a simulator, and one host."""

import json
import os
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shared.sealing import Keyring
from tools.bench.crowd import crowded
from tools.bootstrap import ROOT
from tools.chaos import population
from tools.chaos.population import Resident
from tools.chaos.storage_proxy import StorageProxy
from tools.run import processes
from tools.run.plan import HOST, Plan, host_settings, kept_key
from tools.run.tick import TIMER, events
from tools.simulator import defaults

MANY = 12_000
"""Load-test people that the simulator knows."""
RUN_SECONDS = 330.0
"""A run of the timer has a budget of 240 s, and ends within a look after it."""
NEVER = "0 0 0 29 2 *"
APP = {"AZURE_DEVOPS_APP_ID": defaults.APP_ID, "AZURE_DEVOPS_CLIENT_SECRET": defaults.CLIENT_SECRET}


@dataclass(frozen=True, slots=True)
class Site:
    """Running; `storage` leads past the counting proxy, `keys` open what the host seals."""

    host: processes.Child
    url: str
    simulator: str
    proxy: StorageProxy
    storage: str
    keys: Keyring

    def due(self, names: Sequence[str]) -> list[Resident]:
        """These people with real tokens that are to be refreshed now, a second apart from oldest to youngest."""
        now = datetime.now(UTC)
        tokens = population.buy_tokens(self.simulator, names)
        residents = [
            Resident(name, given, now + timedelta(minutes=5, seconds=n % 300), now + timedelta(hours=7))
            for n, (name, given) in enumerate(zip(names, tokens, strict=True))
        ]
        population.settle(self.storage, self.keys, residents)
        return residents

    def run_timer(self) -> dict[str, Any]:
        """The report of one run. Raises ChildError when none comes."""
        seen = len(self._ticks())
        _asked("POST", f"{self.url}/admin/functions/{TIMER}", {})
        return processes.wait_for(self.host, lambda: next(iter(self._ticks()[seen:]), None), RUN_SECONDS)

    def set_simulator(self, **settings: Any) -> None:
        _asked("PUT", f"{self.simulator}/_sim/settings", settings)

    def refresh_calls(self) -> list[datetime]:
        """When each refresh reached the token service, in order; forgets them."""
        calls = json.loads(_asked("GET", f"{self.simulator}/_sim/calls"))["value"]
        _asked("DELETE", f"{self.simulator}/_sim/calls")
        return sorted(datetime.fromisoformat(call["time"]) for call in calls if call["grant"] == "refresh_token")

    def _ticks(self) -> list[dict[str, Any]]:
        return [event for event in events(self.host.output()) if event["event"] == "tick"]


@contextmanager
def started(at_rest: int = 1, **settings: str) -> Iterator[Site]:
    """A site whose host has these settings, and so many stored connections that are not due; it ends with the block.

    Raises ChildError.
    """
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="gatehouse-bench-")))
        keys = Keyring([bytes.fromhex(kept_key(folder / "key"))])
        emulator = running.enter_context(crowded(folder, at_rest, keys))
        proxy = running.enter_context(closing(StorageProxy(emulator.connection_string)))

        def start(name: str, module: str, *words: str, **environment: str) -> processes.Child:
            command = [sys.executable, "-m", module, *words]
            merged = {**os.environ, **environment}
            child = processes.start(name, command, log=folder / f"{name}.log", environment=merged, cwd=ROOT)
            running.callback(child.stop)
            return child

        simulator, port = processes.free_port(), processes.free_port()
        url = f"http://{HOST}:{port}"
        plan = Plan(url, port, simulator, own_storage=True, notes=())
        own = {"REFRESH_SCHEDULE": NEVER, **settings}
        added = host_settings(plan, own, key_file=folder / "key", storage=proxy.connection_string, app=APP)
        known = [word for uri in (defaults.REDIRECT_URI, f"{url}/auth/callback") for word in ("--redirect-uri", uri)]
        service = start("simulator", "tools.simulator", "--port", str(simulator), *known)
        host = start("host", "tools.local_host", "--port", str(port), **added, **own)
        simulator_url = processes.wait_listening(service)
        processes.wait_listening(host)
        site = Site(host, url, simulator_url, proxy, emulator.connection_string, keys)
        site.set_simulator(people_count=MANY)
        yield site


def _asked(method: str, url: str, body: object = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - both ends are on loopback
        return bytes(answer.read())
