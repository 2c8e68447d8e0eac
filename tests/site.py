"""The real site on loopback for tests: Azurite, the simulator and any number of local hosts, as child processes."""

import html
import json
import os
import re
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.canary_watch import Watch, findings
from tools.chaos.arming import Traps
from tools.run import processes
from tools.simulator import defaults

ROOT = Path(__file__).parents[1]
KEY = "c0ffee" * 10 + "cafe"
NEVER = "0 0 0 29 2 *"


def plain_session() -> requests.Session:
    """A client without proxies and environment."""
    session = requests.Session()
    session.trust_env = False
    return session


@dataclass
class Simulator:
    """Control of a running simulator by its `/_sim/` paths."""

    child: processes.Child
    url: str
    http: requests.Session = field(default_factory=plain_session)

    def calls(self, path: str = "", since: int = 0) -> list[dict[str, Any]]:
        """The calls it got, of which the target contains `path`."""
        got = self.http.get(f"{self.url}/_sim/calls?since={since}", timeout=10).json()["value"]
        return [call for call in got if path in call["target"]]

    def clear_calls(self) -> None:
        self.http.delete(f"{self.url}/_sim/calls", timeout=10).raise_for_status()

    def tokens(self) -> dict[str, Any]:
        return self.http.get(f"{self.url}/_sim/tokens", timeout=10).json()

    def faults(self, *rules: dict[str, Any]) -> None:
        """Put these fault rules in place of all others; none clears them."""
        self.http.put(f"{self.url}/_sim/faults", json=list(rules), timeout=10).raise_for_status()

    def injected(self) -> int:
        """How many faults were really injected by the rules in place."""
        rules = self.http.get(f"{self.url}/_sim/faults", timeout=10).json()["rules"]
        return sum(rule["injected"] for rule in rules)

    def settings(self, **changes: Any) -> dict[str, Any]:
        answer = self.http.put(f"{self.url}/_sim/settings", json=changes, timeout=10)
        answer.raise_for_status()
        return answer.json()


@dataclass
class Host:
    """A running local host."""

    child: processes.Child
    url: str
    environment: dict[str, str]
    record: Path
    """Folder of its debug log and of its answers."""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """The audit events in its log so far."""
        lines = re.findall(r"gatehouse\.events: (\{.*\})", self.child.output())
        found = [json.loads(line) for line in lines]
        return [event for event in found if name in (None, event["event"])]


@dataclass
class Browser:
    """A person's browser without scripts: cookies kept, redirects followed by hand where it matters."""

    base: str
    http: requests.Session = field(default_factory=plain_session)

    def get(self, path: str, **options: Any) -> requests.Response:
        options.setdefault("allow_redirects", False)
        return self.http.get(path if "://" in path else self.base + path, timeout=60, **options)

    def api(self, path: str) -> requests.Response:
        return self.get(path, headers={"Accept": "application/json"})

    def begin(self, return_to: str = "/dashboard", provider: str = "azure-devops") -> str:
        """Start a sign-in: the provider's authorization URL."""
        answer = self.get(f"/auth/login/{provider}?return_to={return_to}")
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def consent(self, authorization_url: str, user: str = "ada", decision: str = "accept") -> str:
        """Answer the consent page: the callback URL that the provider redirects to, not yet visited."""
        page = self.get(authorization_url)
        if page.is_redirect:
            return page.headers["Location"]
        hidden = re.findall(r'<input[^>]*type="hidden"[^>]*>', page.text)
        fields = {
            html.unescape(re.search(r'name="([^"]*)"', tag)[1]): html.unescape(re.search(r'value="([^"]*)"', tag)[1])
            for tag in hidden
        }
        target = urlsplit(authorization_url)
        answer = self.http.post(
            f"{target.scheme}://{target.netloc}{target.path}",
            data=fields | {"user": user, "decision": decision},
            allow_redirects=False,
            timeout=30,
        )
        assert answer.is_redirect, answer.text
        return answer.headers["Location"]

    def sign_in(
        self, user: str = "ada", return_to: str = "/dashboard", provider: str = "azure-devops"
    ) -> requests.Response:
        """The whole sign-in; the callback's answer."""
        return self.get(self.consent(self.begin(return_to, provider), user))

    @property
    def session_cookie(self) -> str | None:
        values = [cookie.value for cookie in self.http.cookies if cookie.name.endswith("session")]
        return values[0] if values else None

    def csrf(self) -> str:
        """The token of the sign-out form."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/auth/logout").text)
        assert found, "no sign-out form: not signed in?"
        return found[1]

    def post(self, path: str, csrf: str | None = None, **fields: str) -> requests.Response:
        """Send a form of ours, as one of our pages would; redirects are not followed."""
        return self.http.post(
            self.base + path,
            data={"csrf": csrf or self.csrf(), **fields},
            headers={"Sec-Fetch-Site": "same-origin"},
            allow_redirects=False,
            timeout=60,
        )

    def sign_out(self) -> requests.Response:
        """Sign out and follow to the receipt."""
        answer = self.post("/auth/logout")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/auth/receipt"), answer.text
        return self.get("/auth/receipt")


@dataclass
class Site:
    """One store, one simulator, and hosts that are started as tests want them."""

    folder: Path
    storage: str
    simulator: Simulator
    hosts: list[Host] = field(default_factory=list)

    def environment(self, public_url: str, **settings: str | None) -> dict[str, str]:
        """The whole environment of a host; a setting given as None is left out."""
        merged: dict[str, str | None] = {
            **os.environ,
            "PUBLIC_URL": public_url,
            "AZURE_DEVOPS_URL": self.simulator.url,
            "AZURE_DEVOPS_IDENTITY_URL": self.simulator.url,
            "AZURE_DEVOPS_APP_ID": defaults.APP_ID,
            "AZURE_DEVOPS_CLIENT_SECRET": defaults.CLIENT_SECRET,
            "ENTRA_AUTHORITY_URL": self.simulator.url,
            "ENTRA_CLIENT_ID": defaults.ENTRA_CLIENT_ID,
            "ENTRA_TENANT_ID": defaults.ENTRA_TENANT_ID,
            "ENTRA_CLIENT_SECRET": defaults.ENTRA_CLIENT_SECRET,
            "TOKEN_ENCRYPTION_KEY": KEY,
            "AzureWebJobsStorage": self.storage,
            "REFRESH_SCHEDULE": NEVER,
            **settings,
        }
        return {name: value for name, value in merged.items() if value is not None}

    def start_host(self, **options: Any) -> Host:
        """Start a local host on the store of this site and wait until it listens; options as in `launch_host`."""
        host = self.launch_host(**options)
        processes.wait_listening(host.child)
        return host

    def start_hosts(self, count: int, **options: Any) -> list[Host]:
        """Start so many at the same time."""
        return wait_for([self.launch_host(**options) for _ in range(count)])

    def launch_host(
        self,
        *,
        clock_offset: float = 0,
        services: str | None = None,
        port: int | None = None,
        public_url: str | None = None,
        traps: Traps | None = None,
        root: Path | None = None,
        **settings: str | None,
    ) -> Host:
        """Start a local host without waiting for it; its redirect URI is registered with the simulator.

        With `public_url` the host answers under that name (send it as Host header); redirect URIs are built from it.
        With `traps` it can be killed, stopped or slowed down at the named points of `tools.chaos.points`.
        `root` is the directory of another function_app.py and host.json.
        """
        if traps:
            services = "tools.chaos.points:services"
            settings = {**settings, **traps.setting}
        port = port or processes.free_port()
        local = f"http://127.0.0.1:{port}"
        environment = self.environment(public_url or local, **settings)
        callback = f"{public_url or local}/auth/callback"
        for setting, uri in (("redirect_uris", callback), ("entra_redirect_uris", f"{callback}/entra")):
            known = self.simulator.settings()[setting]
            if uri not in known:
                self.simulator.settings(**{setting: [*known, uri]})
        command = [sys.executable, "-m", "tools.local_host", "--port", str(port), f"--clock-offset={clock_offset}"]
        record = self.folder / f"host-{len(self.hosts)}.record"
        command += ["--record", str(record)]
        command += ["--services", services] if services else []
        command += ["--root", str(root)] if root else []
        name = f"host-{len(self.hosts)}"
        child = processes.start(name, command, log=self.folder / f"{name}.log", environment=environment, cwd=ROOT)
        host = Host(child, local, environment, record)
        self.hosts.append(host)
        return host

    def browser(self, host: Host | None = None) -> Browser:
        return Browser((host or self.hosts[0]).url)

    @cached_property
    def watch(self) -> Watch:
        """What looks for secrets where they must not be."""
        return Watch(self)

    def stop(self) -> None:
        """Stop all of it; then no secret may ever have stood where it must not (acceptance G1)."""
        processes.stop_all([host.child for host in self.hosts])
        found = findings(self.watch)
        self.simulator.child.stop()
        assert not found, "; ".join(found)


def wait_for(hosts: list[Host]) -> list[Host]:
    """The same hosts, once all of them listen."""
    for host in hosts:
        processes.wait_listening(host.child)
    return hosts


def start_site(folder: Path, storage: str) -> Site:
    """Start a simulator beside a store; hosts come later."""
    command = [sys.executable, "-m", "tools.simulator", "--port", "0"]
    child = processes.start("simulator", command, log=folder / "simulator.log", environment=dict(os.environ), cwd=ROOT)
    return Site(folder, storage, Simulator(child, processes.wait_listening(child)))


def start_timer(host: Host) -> None:
    """Let the timer run now, in the background."""
    requests.post(f"{host.url}/admin/functions/refresh_tokens", json={}, timeout=30).raise_for_status()


def tick(host: Host, seconds: float = 30) -> dict[str, Any]:
    """Run the timer now and wait so long for its report, the `tick` event."""
    seen = len(host.events("tick"))
    start_timer(host)
    for _ in range(round(seconds / 0.05)):
        ticks = host.events("tick")
        if len(ticks) > seen:
            return ticks[-1]
        time.sleep(0.05)
    raise AssertionError(f"the timer reported nothing:\n{host.child.output()[-2000:]}")
