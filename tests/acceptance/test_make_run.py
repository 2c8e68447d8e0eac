"""`make run` as a newcomer types it: in a clone of this repository, with the parts that are fetched already."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.site import ROOT, Browser
from tools.run import processes

OPEN = re.compile(r"Open\s+(http://\S+)")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[processes.Child]:
    """`make run` in a fresh clone."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True, capture_output=True)
    for part in (".venv", ".tools"):
        (clone / part).symlink_to(ROOT / part)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    child = processes.start("make", ["make", "run"], log=tmp_path / "make.log", environment=environment, cwd=clone)
    yield child
    child.stop()


def test_a_newcomer_clones_runs_signs_in_walks_and_stops(running: processes.Child) -> None:
    """One command, the printed URL, every view of a project, sign-out; nothing listens after the stop."""
    url = processes.wait_for_line(running, OPEN, 120)[1]
    browser = Browser(url)
    buttons = re.findall(r'href="/auth/login/([^"]+)"', browser.get("/").text)
    assert buttons == ["entra", "azure-devops"]
    browser.sign_in("ada")
    projects = re.findall(r'href="(/org/[^"]+/projects)"', browser.get("/dashboard").text)
    views = re.findall(r'href="(/org/[^"]+/project/[^"]+)"', browser.get(projects[0]).text)
    assert {view.rsplit("/", 1)[1] for view in views} == {"workitems", "builds", "repos"}
    for view in views[:3]:
        assert browser.get(view).status_code == 200, view
    assert "You are signed out" in browser.sign_out().text
    assert running.alive
    running.stop(20)
    assert processes.is_free(urlsplit(url).port)
