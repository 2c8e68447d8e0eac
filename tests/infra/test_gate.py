"""The gate as a command: its report, its exit code, and what it says of programs that are not there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import part_is_missing
from tests.infra.test_rules import READ_BY_RULES
from tools.infra_check import __main__ as gate
from tools.infra_check import outside
from tools.infra_check.rules import RULES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checkov() -> Path:
    """Checkov in its own environment."""
    found = ROOT / outside.CHECKOV
    return found if found.exists() else part_is_missing("checkov", "python3 tools/bootstrap.py checkov")


@pytest.fixture(scope="module")
def report(checkov: Path) -> dict[str, Any]:
    """The report on this checkout, with checkov; it takes seconds, so once."""
    del checkov
    return gate.judge(ROOT)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout that the command may judge and write into."""
    for name in READ_BY_RULES:
        source = ROOT / name
        shutil.copytree(source, tmp_path / name) if source.is_dir() else shutil.copy(source, tmp_path / name)
    return tmp_path


def test_the_report_has_every_rule_and_every_point(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert gate.main(["--root", str(copy)]) == 0
    report = json.loads((copy / "build" / "infra.json").read_text())
    assert [rule["name"] for rule in report["rules"]] == [rule.name for rule in RULES]
    assert [point["number"] for point in report["points"]] == list(range(1, 38))


def test_a_broken_template_fails_the_gate(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = copy / "infra" / "modules" / "storage-account.bicep"
    storage.write_text(storage.read_text().replace("allowSharedKeyAccess: false", "allowSharedKeyAccess: true"))
    assert gate.main(["--root", str(copy)]) == 1
    assert "BROKEN  literals" in capsys.readouterr().out


def test_a_file_that_does_not_parse_fails_the_gate_at_once(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No other rule is asked: what a half-read file says is worth nothing."""
    (copy / "infra" / "modules" / "identity.bicep").write_text("resource identity 'x' = {\n")
    assert gate.main(["--root", str(copy)]) == 1
    assert "does not parse" in capsys.readouterr().out
    assert len(json.loads((copy / "build" / "infra.json").read_text())["rules"]) == 1


def test_an_absent_program_is_reported_as_not_run_and_fails_only_in_ci(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(copy))
    monkeypatch.delenv("CI", raising=False)
    report = gate.judge(copy)
    assert {it["name"]: it["status"] for it in report["programs"]} == {
        "checkov": "not run",
        "bicep build": "not run",
        "bicep lint": "not run",
    }
    assert report["passed"] is True
    monkeypatch.setenv("CI", "true")
    assert gate.judge(copy)["passed"] is False


@pytest.mark.parametrize(
    ("code", "said", "status"), [(0, "", "passed"), (1, "main.bicep(3,1) : Error BCP057: x", "failed")]
)
def test_a_compiler_on_the_path_is_run_and_believed(
    copy: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str, status: str
) -> None:
    """A stand-in that answers as the real one does: diagnostics on standard error, and an exit code."""
    program = copy / "bin" / "bicep"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho \"$@\" >> {copy}/calls\necho '{said}' >&2\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    assert {it.status for it in outside.compiler(copy)} == {status}
    calls = (copy / "calls").read_text().splitlines()
    assert calls[0].startswith("build infra/main.bicep --outfile ")
    assert calls[1] == "lint infra/main.bicep"


def test_checkov_parses_every_file_it_is_given_and_finds_nothing(report: dict[str, Any]) -> None:
    """Zero parsing errors and checks that really ran: it exits with 0 even when it understood nothing."""
    judged = next(it for it in report["programs"] if it["name"] == "checkov")
    assert (judged["status"], judged["findings"]) == ("passed", []), judged["detail"]
    assert "0 parsing_errors" in judged["detail"]
    assert int(judged["detail"].split()[0]) > 20


def test_checkov_that_understands_nothing_is_no_pass(checkov: Path, tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "main.bicep").write_text("param a string?\nimport * as b from 'c.bicep'\n")
    assert outside.checkov(tmp_path, checkov).status == "failed"


def test_every_point_whose_files_are_here_is_done(report: dict[str, Any]) -> None:
    """The table of infra/README.md: a misspelt check, or one that fails, leaves its point open."""
    unfinished = {
        point["number"]: point["open"]
        for point in report["points"]
        if point["open"] and all((ROOT / name).exists() for name in point["files"])
    }
    assert unfinished == {}


def test_the_module_is_the_command_of_make_infra_check() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.partition("\ninfra-check:")[2].partition("\n\n")[0]
    assert "packages checkov" in recipe
    assert "-m tools.infra_check" in recipe
    asked = subprocess.run(
        [sys.executable, "-m", "tools.infra_check", "--help"], cwd=ROOT, capture_output=True, check=True
    )
    assert b"--root" in asked.stdout
