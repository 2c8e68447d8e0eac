"""Parts are fetched once and whole. Installers are small scripts here; the real ones run in every `make`."""

from __future__ import annotations

import ast
import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import bootstrap
from tools.bootstrap import PartError, Workshop

ROOT = Path(__file__).parents[2]


@pytest.fixture
def work(tmp_path: Path) -> Workshop:
    (tmp_path / "sources").write_text("one")
    with bootstrap._workshop(tmp_path) as workshop:
        yield workshop


def fetch(work: Workshop, command: str) -> None:
    with bootstrap._part("part 1.0", work.tools / "part", [work.root / "sources"]) as missing:
        if missing:
            (work.tools / "part").mkdir(exist_ok=True)
            work.run(["sh", "-c", command])


def count(work: Workshop) -> int:
    return len((work.root / "runs").read_text().splitlines())


def test_a_part_is_fetched_once_and_again_when_what_is_asked_for_changes(
    work: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        fetch(work, "echo run >> runs")
    assert count(work) == 1
    assert re.fullmatch(r"part 1\.0: fetched in \d+\.\d s\npart 1\.0: there\n", capsys.readouterr().out)
    (work.root / "sources").write_text("two")
    fetch(work, "echo run >> runs")
    assert count(work) == 2


def test_an_interrupted_part_is_not_taken_for_done(work: Workshop) -> None:
    fetch(work, "echo run >> runs")
    (work.root / "sources").write_text("two")
    with pytest.raises(PartError):
        fetch(work, "exit 9")
    (work.root / "sources").write_text("one")
    fetch(work, "echo run >> runs")
    assert count(work) == 2


@pytest.mark.parametrize(
    ("output", "cure"),
    [
        ("npm error code EAI_AGAIN", "No package registry could be reached"),
        ("error: dns error: failed to lookup address", "No package registry could be reached"),
        ("ENOSPC: no space left on device", "The disk is full"),
        ("npm error code EINTEGRITY", "differs from the one that was pinned"),
        ("something new", ""),
    ],
)
def test_a_failure_shows_the_end_of_the_log_and_what_to_do(work: Workshop, output: str, cure: str) -> None:
    with pytest.raises(PartError) as caught:
        fetch(work, f"seq 100; echo '{output}'; exit 9")
    message = str(caught.value)
    assert "exit code 9" in message
    assert ".run/bootstrap.log" in message
    assert output in message
    assert cure in message
    assert cure or message.endswith(output)
    assert "    50\n" not in message


def test_a_second_bootstrap_waits_for_the_first(work: Workshop) -> None:
    with (work.tools / "lock").open("wb") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_an_installer_does_not_see_the_callers_python(work: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "elsewhere")
    monkeypatch.setenv("HTTPS_PROXY", "kept")
    (work.root / "nested").mkdir()
    with bootstrap._workshop(work.root / "nested") as nested:
        assert nested.ask(["sh", "-c", "echo $VIRTUAL_ENV:$HTTPS_PROXY"]) == ":kept"


def test_the_browser_that_is_named_is_the_only_candidate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.touch(mode=0o755)
    monkeypatch.setenv("GATEHOUSE_CHROMIUM", str(browser))
    assert bootstrap.find_chromium() == browser
    monkeypatch.setenv("GATEHOUSE_CHROMIUM", str(tmp_path / "absent"))
    assert bootstrap.find_chromium() is None


def test_an_absent_browser_is_named_with_its_cure_and_no_error(tmp_path: Path) -> None:
    answered = subprocess.run(
        [sys.executable, ROOT / "tools" / "bootstrap.py", "chromium"],
        env={**os.environ, "GATEHOUSE_CHROMIUM": str(tmp_path / "absent")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answered.returncode == 0
    assert "apt-get install chromium" in answered.stdout


@pytest.mark.parametrize("arguments", [[], ["azurit"]])
def test_unknown_parts_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(arguments) == 2
    assert "azurite" in capsys.readouterr().out


def test_it_needs_only_the_standard_library_and_the_syntax_of_python_3_9() -> None:
    tree = ast.parse((ROOT / "tools" / "bootstrap.py").read_text(), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


@pytest.mark.parametrize("lock", sorted((ROOT / "tools" / "npm").glob("*/package-lock.json")), ids=str)
def test_npm_lock_files_hold_digests_and_no_download_addresses(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    assert all(entry.get("integrity") for name, entry in packages.items() if name)
    assert not any("resolved" in entry for entry in packages.values())
