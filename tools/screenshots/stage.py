"""The site to look at, on loopback: a host that is set up, others that lack something, and the simulator behind."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import requests

from tools.bootstrap import ROOT
from tools.run import processes
from tools.run.plan import HOST, Plan, host_settings
from tools.screenshots import broken
from tools.simulator import defaults
from tools.simulator.sample.tenants import NORTHWIND

LEGACY = {"AZURE_DEVOPS_APP_ID": defaults.APP_ID, "AZURE_DEVOPS_CLIENT_SECRET": defaults.CLIENT_SECRET}
ENTRA = {
    "ENTRA_CLIENT_ID": defaults.ENTRA_CLIENT_ID,
    "ENTRA_TENANT_ID": defaults.ENTRA_TENANT_ID,
    "ENTRA_CLIENT_SECRET": defaults.ENTRA_CLIENT_SECRET,
}
NOBODY = 9
"""The discard port: nobody listens there, so a connection is refused at once."""
NEVER = "0 0 0 29 2 *"
"""No timer run: a host that does not know a provider would end the connections of all who came by it."""
NO_STORE = (
    "DefaultEndpointsProtocol=http;AccountName=gone;AccountKey=Z29uZQ==;"
    f"TableEndpoint=http://{HOST}:{NOBODY}/gone;BlobEndpoint=http://{HOST}:{NOBODY}/gone;"
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Origins: the `site`, an `unset` one that has no app registration yet, one with `both` providers, one with `entra`
    alone (for two tenants), one that is `closed` for new sign-ins, one that is `broken`, one whose store is gone, one
    whose vault is, and the `simulator`. All share keys and cookies, and all that have a store share that."""

    site: str
    unset: str
    both: str
    entra: str
    closed: str
    broken: str
    storeless: str
    vaultless: str
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
    origins = {field.name: f"http://{HOST}:{processes.free_port()}" for field in fields(Stage)}
    stage = Stage(**origins)
    with ExitStack() as running:

        def start(name: str, module: str, *words: str, **settings: str) -> processes.Child:
            command = [sys.executable, "-m", module, "--port", str(port_of(origins[name])), *words]
            environment = {**os.environ, **settings}
            child = processes.start(name, command, log=folder / f"{name}.log", environment=environment, cwd=ROOT)
            running.callback(child.stop)
            return child

        def start_host(name: str, app: Mapping[str, str], *words: str, **own: str) -> processes.Child:
            plan = Plan(origins[name], port_of(origins[name]), port_of(stage.simulator), own_storage=True, notes=())
            own = {"REFRESH_SCHEDULE": NEVER, **own}
            settings = host_settings(plan, own, key_file=folder / "key", storage=storage, app=app)
            return start(name, "tools.local_host", *words, **{**settings, **own})

        children = (
            start("simulator", "tools.simulator", *registered(stage)),
            start_host("site", LEGACY),
            start_host("unset", {}),
            start_host("both", {**LEGACY, **ENTRA}),
            start_host("entra", ENTRA, ALLOWED_TENANTS=NORTHWIND.id),
            start_host("closed", LEGACY, AZURE_DEVOPS_SIGN_IN="off"),
            start_host("broken", LEGACY, "--services", broken.SERVICES),
            start_host("storeless", LEGACY, AzureWebJobsStorage=NO_STORE),
            start_host("vaultless", LEGACY, KEY_VAULT_URL=f"http://{HOST}:{NOBODY}"),
        )
        for child in children:
            processes.wait_listening(child)
        yield stage


def port_of(origin: str) -> int:
    """The port of an origin of the stage."""
    return int(origin.rpartition(":")[2])


def registered(stage: Stage) -> list[str]:
    """The redirect URIs of the hosts, as arguments of the simulator."""
    words = []
    for host in (stage.both, stage.entra):
        words += ["--entra-redirect-uri", f"{host}/auth/callback/entra", "--entra-redirect-uri", f"{host}/"]
    for host in (stage.site, stage.both):
        words += ["--redirect-uri", f"{host}/auth/callback"]
    return words
