"""The site to look at, on loopback: a host that is set up, one that is not, and the simulator behind them."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from tools.bootstrap import ROOT
from tools.run import processes
from tools.run.plan import HOST, Plan, host_settings
from tools.simulator import defaults


@dataclass(frozen=True, slots=True)
class Stage:
    """Origins: the `site`, an `unset` one that has no app registration yet, and the `simulator`."""

    site: str
    unset: str
    simulator: str

    @property
    def misnamed(self) -> str:
        """The site under a name that it does not go by."""
        return self.site.replace(HOST, "localhost")

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Put these fault rules of the simulator in place of all others; none clears them."""
        with requests.Session() as http:
            http.trust_env = False
            http.put(f"{self.simulator}/_sim/faults", json=rules, timeout=10).raise_for_status()


@contextmanager
def staged(folder: Path, storage: str) -> Iterator[Stage]:
    """Start everything on this table store, logs in `folder`; it ends with the block. Raises processes.ChildError."""
    with ExitStack() as running:

        def start(name: str, *words: str, **settings: str) -> str:
            command = [sys.executable, "-m", *words]
            environment = {**os.environ, **settings}
            child = processes.start(name, command, log=folder / f"{name}.log", environment=environment, cwd=ROOT)
            running.callback(child.stop)
            return processes.wait_listening(child)

        def start_host(name: str, plan: Plan, app: tuple[str, str]) -> str:
            settings = host_settings(plan, {}, key_file=folder / "key", storage=storage, app=app)
            return start(name, "tools.local_host", "--port", str(plan.port), **settings)

        port = processes.free_port()
        callback = f"http://{HOST}:{port}/auth/callback"
        simulator = start("simulator", "tools.simulator", "--port", "0", "--redirect-uri", callback)
        site = start_host("site", _plan(port, simulator), (defaults.APP_ID, defaults.CLIENT_SECRET))
        unset = start_host("unset", _plan(processes.free_port(), simulator), ("", ""))
        yield Stage(site, unset, simulator)


def _plan(port: int, simulator: str) -> Plan:
    return Plan(
        public_url=f"http://{HOST}:{port}",
        port=port,
        simulator_port=urlsplit(simulator).port,
        own_storage=True,
        notes=(),
    )
