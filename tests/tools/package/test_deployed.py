"""Unpacked elsewhere with nothing but its requirements, the package is indexed by the real runtime and serves people.

Azure's host brings the worker, and the application the rest. Likewise here: an interpreter of a fresh environment has
requirements.txt installed, and on PYTHONPATH stand the runtime, the web server of the local host, and that host. This
checkout's own modules and its other packages are out of reach.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site import Browser, Site
from tests.tools.package.conftest import ROOT, Deployed
from tools.package.sbom import read_pinned
from tools.run import processes

IMPORT_ALL = """
import importlib, json, sys
site, *names = sys.argv[1:]
sys.path.insert(0, site)
failed = {}
for name in names:
    try:
        module = importlib.import_module(name)
        assert module.__spec__.origin is None or module.__spec__.origin.startswith(site), module
    except Exception as error:
        failed[name] = repr(error)
print(json.dumps(failed))
"""
FOREIGN = re.compile(
    r"(^|/)(tests?|tools|docs|infra|conftest|\.git.*|\.ci|\.run|\.venv|.*settings.*)(/|$)|\.(pem|pfx|md|pyc)$"
)


def names_in(package: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return archive.namelist()


def test_nothing_of_tests_tools_or_settings_is_in_it(package: bytes) -> None:
    names = names_in(package)
    assert {name.split("/")[0] for name in names} == {
        "function_app.py",
        "functions",
        "host.json",
        "requirements.txt",
        "shared",
    }
    assert [name for name in names if FOREIGN.search(name)] == []


def test_every_function_template_and_asset_of_the_checkout_is_in_it(package: bytes) -> None:
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "function_app.py", "functions", "shared"], capture_output=True, text=True
    )
    assert set(listed.stdout.split()) <= set(names_in(package))
    assert {Path(name).suffix for name in names_in(package)} >= {".py", ".html", ".css", ".svg", ".json", ".txt"}


def test_every_module_imports_with_the_requirements_alone(deployed: Deployed) -> None:
    """A package that only developers have would be missed here, though nothing calls it yet."""
    modules = [".".join(path.relative_to(deployed.site).with_suffix("").parts) for path in deployed.site.rglob("*.py")]
    assert len(modules) > 60
    command = [deployed.python, "-I", "-c", IMPORT_ALL, deployed.site, *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {}


def test_its_environment_holds_the_requirements_and_nothing_else(deployed: Deployed) -> None:
    listing = (
        "import json; from importlib import metadata; print(json.dumps([d.name for d in metadata.distributions()]))"
    )
    done = subprocess.run([deployed.python, "-I", "-c", listing], capture_output=True, text=True, check=True)
    pinned = {it.requirement.name for it in read_pinned((ROOT / "requirements.txt").read_text())}
    assert {name.lower().replace("_", "-") for name in json.loads(done.stdout)} == pinned


@pytest.fixture(scope="module")
def host(deployed: Deployed, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Child]:
    """The unpacked application on the runtime; its redirect URIs are known to the simulator."""
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    site.simulator.settings(redirect_uris=[f"{url}/auth/callback"], entra_redirect_uris=[f"{url}/auth/callback/entra"])
    environment = site.environment(url, PYTHONPATH=str(deployed.worker), PYTHONNOUSERSITE="1", VIRTUAL_ENV=None)
    command = [deployed.python, "-m", "tools.local_host", "--port", str(port)]
    log = tmp_path_factory.mktemp("packaged") / "host.log"
    child = processes.start("packaged", command, log=log, environment=environment, cwd=deployed.site)
    processes.wait_listening(child)
    yield child
    child.stop()


@pytest.fixture
def browser(host: processes.Child) -> Browser:
    return Browser(processes.wait_listening(host))


def test_the_runtime_finds_every_function(host: processes.Child, deployed: Deployed) -> None:
    written = {path.stem for path in (deployed.site / "functions").glob("[!_]*.py")}
    assert written == set(re.findall(r"^\t(\w+): ", host.output(), re.MULTILINE))


@pytest.mark.parametrize("provider", ["azure-devops", "entra"])
def test_a_person_signs_in_walks_through_every_view_and_signs_out(browser: Browser, provider: str) -> None:
    assert browser.sign_in("ada", provider=provider).headers["Location"] == "/dashboard"
    dashboard = browser.get("/dashboard").text
    assert "Ada Lovelace" in dashboard
    style = browser.get(re.search(r'href="(/static/[^"]+\.css)"', dashboard)[1])
    assert style.headers["Content-Type"].startswith("text/css")
    projects = re.findall(r'href="(/org/[^"]+/projects)"', dashboard)
    views = re.findall(r'href="(/org/[^"]+/project/[^"]+)"', browser.get(projects[0]).text)
    assert {view.rsplit("/", 1)[1] for view in views} >= {"workitems", "builds", "repos"}
    for view in views[:3]:
        assert browser.get(view).status_code == 200, view
        assert browser.api(view).json()["items"], view
    assert "You are signed out" in browser.sign_out().text
    assert browser.get("/dashboard").status_code == 303
