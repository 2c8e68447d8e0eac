"""A Key Vault and a managed identity of the tests' own, as child process, and what hosts need to find both.

Hosts reach it as they would reach Azure: under its real name on port 443, over TLS that they verify. Nothing of the
application knows of it; the proxy and the certificate authority come by HTTPS_PROXY and REQUESTS_CA_BUNDLE.
"""

import os
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.site import KEY, ROOT, plain_session
from tools.run import processes
from tools.simulator import defaults
from tools.vault.authority import Files, issue
from tools.vault.settings import IDENTITY, USER

VAULT_URL = "https://kv-gatehouse.vault.azure.net"
ENCRYPTION_KEY = "token-encryption-key"
LEGACY_SECRET = "azure-devops-client-secret"
ENTRA_SECRET = "entra-client-secret"
NAMES = (ENCRYPTION_KEY, LEGACY_SECRET, ENTRA_SECRET)
DEPLOYER = "header-of-the-deployer"


@dataclass
class LocalVault:
    """Control of a running vault."""

    child: processes.Child
    url: str
    """Identity endpoint and control API."""
    address: str
    """The vault itself, past the proxy."""
    proxy: str
    files: Files
    http: requests.Session = field(default_factory=plain_session)

    def identity(self, instance: str) -> dict[str, str]:
        """Environment of an instance with the app's identity; calls are logged under its name."""
        header = f"header-of-{instance}"
        self.settings(instances={**self.settings()["instances"], header: instance})
        return {"IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": header}

    def environment(self, instance: str) -> dict[str, str | None]:
        """All that a host needs to take its secrets from here, and nothing that the real service would not want."""
        proxies = ("HTTP_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "ALL_PROXY", "all_proxy")
        return {
            **dict.fromkeys(proxies),
            **dict.fromkeys(("TOKEN_ENCRYPTION_KEY", "AZURE_DEVOPS_CLIENT_SECRET", "ENTRA_CLIENT_SECRET")),
            **self.identity(instance),
            "KEY_VAULT_URL": VAULT_URL,
            "AZURE_CLIENT_ID": IDENTITY,
            "HTTPS_PROXY": self.proxy,
            "REQUESTS_CA_BUNDLE": str(self.files.bundle),
        }

    def put(self, name: str, value: str, **attributes: Any) -> str:
        """Make `value` the current version; its id."""
        return self._control("PUT", f"secrets/{name}", {"value": value, **attributes})["version"]

    def patch(self, name: str, **attributes: Any) -> None:
        self._control("PATCH", f"secrets/{name}", attributes)

    def delete(self, name: str) -> None:
        self._control("DELETE", f"secrets/{name}")

    def recover(self, name: str) -> None:
        self._control("POST", f"secrets/{name}")

    def settings(self, **changes: Any) -> dict[str, Any]:
        return self._control("PUT", "settings", changes)

    def faults(self, *rules: dict[str, Any]) -> None:
        """Put these rules in place of all others; none clears them."""
        self._control("PUT", "faults", list(rules))

    def injected(self) -> int:
        """How many faults the rules in place really injected."""
        return sum(rule["injected"] for rule in self._control("GET", "faults")["rules"])

    def calls(self, path: str = "", *, user: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        """Calls with a good token whose target contains `path`, of one instance or of all."""
        got = self._control("GET", f"calls?since={since}")["value"]
        return [call for call in got if path in call["target"] and call["user"] in ((user,) if user else _anybody(got))]

    def tokens(self) -> list[str]:
        """Every token of an identity that was given out."""
        return self._control("GET", "tokens")["value"]

    def last(self) -> int:
        """The number of the last call so far."""
        return self._control("GET", "calls")["last"]

    def settle(self) -> None:
        """Wait until no call is under way: a process may go on before its read has ended."""
        ends = time.monotonic() + 20
        while not all(call["done"] for call in self._control("GET", "calls")["value"]):
            assert time.monotonic() < ends, "a call does not end"
            time.sleep(0.02)

    def clear_calls(self) -> None:
        self._control("DELETE", "calls")

    def well(self) -> None:
        """No faults, everything allowed, the three secrets of the site as the simulator knows them."""
        self.faults()
        self.settings(
            roles=dict.fromkeys(NAMES, USER),
            deployer=DEPLOYER,
            firewall=False,
            read_only=False,
            tokens_accepted=True,
            throttled=False,
            retry_after="",
            delete_seconds=0,
        )
        values = (KEY, defaults.CLIENT_SECRET, defaults.ENTRA_CLIENT_SECRET)
        for name, value in zip(NAMES, values, strict=True):
            self._control("POST", f"secrets/{name}", missing_ok=True)
            self.put(name, value)
        self.clear_calls()

    def _control(self, method: str, path: str, body: Any = None, *, missing_ok: bool = False) -> Any:
        answer = self.http.request(method, f"{self.url}/_sim/{path}", json=body, timeout=10)
        if not (missing_ok and answer.status_code == 404):
            assert answer.ok, answer.text
        return answer.json()


def _anybody(calls: list[dict[str, Any]]) -> set[str]:
    return {call["user"] for call in calls if call["user"]}


def start_vault(folder: Path) -> LocalVault:
    """Start it with the secrets of the site."""
    command = [sys.executable, "-m", "tools.vault", "--folder", str(folder)]
    child = processes.start("vault", command, log=folder / "vault.log", environment=dict(os.environ), cwd=ROOT)
    url = processes.wait_listening(child)
    address, proxy = (re.search(rf"{what} on (\S+)", child.output())[1] for what in ("Vault", "Proxy"))
    started = LocalVault(child, url, address, proxy, issue(folder, []))
    started.well()
    return started
