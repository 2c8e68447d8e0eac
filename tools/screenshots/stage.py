"""The site to look at, on loopback: a host that is set up, one that is not, and the simulator behind them."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    site, unset, simulator = (processes.free_port() for _ in range(3))
    stage = Stage(*(f"http://{HOST}:{port}" for port in (site, unset, simulator)))
    registered = ("--redirect-uri", f"{stage.site}/auth/callback")
    with ExitStack() as running:

        def start(name: str, module: str, port: int, *words: str, **settings: str) -> processes.Child:
            command = [sys.executable, "-m", module, "--port", str(port), *words]
            environment = {**os.environ, **settings}
            child = processes.start(name, command, log=folder / f"{name}.log", environment=environment, cwd=ROOT)
            running.callback(child.stop)
            return child

        def start_host(name: str, port: int, app: Mapping[str, str]) -> processes.Child:
            plan = Plan(f"http://{HOST}:{port}", port, simulator, own_storage=True, notes=())
            settings = host_settings(plan, {}, key_file=folder / "key", storage=storage, app=app)
            return start(name, "tools.local_host", port, **settings)

        children = (
            start("simulator", "tools.simulator", simulator, *registered),
            start_host(
                "site",
                site,
                {"AZURE_DEVOPS_APP_ID": defaults.APP_ID, "AZURE_DEVOPS_CLIENT_SECRET": defaults.CLIENT_SECRET},
            ),
            start_host("unset", unset, {}),
        )
        for child in children:
            processes.wait_listening(child)
        yield stage
