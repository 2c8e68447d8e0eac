"""Microsoft's storage emulator as a child process, on ports that it picks itself."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from azure.data.tables import TableServiceClient

from tools import bootstrap
from tools.run import processes

# The account that Azurite always has; both are published in its documentation and protect nothing.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
TABLES = ("connections", "due", "logins")
SERVICES = ("Blob", "Queue", "Table")
READY = re.compile(r"Azurite Table service is successfully listening")
SCRIPT = Path(".tools", "azurite", "node_modules", "azurite", "dist", "src", "azurite.js")


@dataclass(frozen=True, slots=True)
class Azurite:
    """A ready emulator. `endpoints` by lower-case service name, each with the account as its path."""

    child: processes.Child
    endpoints: dict[str, str]

    @property
    def connection_string(self) -> str:
        # 127.0.0.1, never localhost: the SDK takes that name on a port other than 10002 for Cosmos
        # (facts, tooling).
        scheme = self.endpoints["table"].partition(":")[0]
        parts = {"DefaultEndpointsProtocol": scheme, "AccountName": ACCOUNT, "AccountKey": KEY}
        parts |= {f"{service.title()}Endpoint": url for service, url in self.endpoints.items()}
        return "".join(f"{name}={value};" for name, value in parts.items())


def installed(root: Path = bootstrap.ROOT) -> bool:
    return (root / SCRIPT).exists() and bootstrap.node(root).exists()


def start_azurite(
    log: Path,
    *,
    data: Path | None = None,
    tls: tuple[Path, Path] | None = None,
    table_port: int = 0,
    root: Path = bootstrap.ROOT,
) -> Azurite:
    """Start tables, queues and blobs, and wait until they answer.

    With `data` rows are kept in that folder, else in memory. It saves every 5 s and at SIGTERM: only
    SIGKILL loses rows. With `tls`, a certificate and its key, it speaks https and takes tokens of an identity
    too: it checks their audience, issuer and times (facts, tooling). With `table_port` tables are served
    there, else at a port of its choice. Raises processes.ChildError.
    """
    kept = ["--location", data] if data else ["--inMemoryPersistence"]
    hosts = [word for service in SERVICES for word in (f"--{service.lower()}Host", "127.0.0.1")]
    ports = ["--blobPort", "0", "--queuePort", "0", "--tablePort", str(table_port)]
    command = [bootstrap.node(root), root / SCRIPT, *hosts, *ports, *kept]
    command += ["--oauth", "basic", "--cert", tls[0], "--key", tls[1]] if tls else []
    command += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    child = processes.start("azurite", command, log=log, environment=os.environ, cwd=root)
    try:
        processes.wait_for_line(child, READY, 30)
    except BaseException:
        child.stop()
        raise
    return Azurite(child, _endpoints(child.output()))


def create_tables(connection_string: str) -> None:
    """Create our tables where they are missing; in Azure the template does it."""
    with TableServiceClient.from_connection_string(connection_string) as service:
        for name in TABLES:
            service.create_table_if_not_exists(name)


def _endpoints(output: str) -> dict[str, str]:
    found = re.findall(r"Azurite (\w+) service is successfully listening at (https?://\S+)", output)
    return {service.lower(): f"{url}/{ACCOUNT}" for service, url in found}
