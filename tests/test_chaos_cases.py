"""The fault matrix, by real pytest runs in a folder of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
KILLED = {"case": "R4 killed", "injected": 3, "expected": {"lost": 0}}

Run = Callable[..., tuple[int, str, list[dict[str, Any]]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Exit code, output and rows of a run of these tests; all installed plugins would take longer to import."""

    def run(tests: str, *options: str) -> tuple[int, str, list[dict[str, Any]]]:
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "test_sample.py").write_text(f"from collections import Counter\nimport pytest\n{tests}")
        plugins = ["-p", "tests.evidence", "-p", "tests.chaos_cases", "-p", "xdist.plugin"]
        command = [sys.executable, "-m", "pytest", "-q", *plugins, "-c", tmp_path / "pytest.ini"]
        done = subprocess.run(
            [*command, "--rootdir", tmp_path, *options, tmp_path / "test_sample.py"],
            cwd=ROOT,
            env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        file = tmp_path / "build" / "chaos.json"
        return done.returncode, done.stdout, json.loads(file.read_text()) if file.exists() else []

    return run


def test_with_chaos_the_cases_alone_run_and_are_written_down(run: Run) -> None:
    code, output, rows = run(
        """
def test_other():
    raise AssertionError

def test_killed(fault_case):
    fault_case("R4 killed", injected=3, expected={"lost": 0}, observed=Counter(lost=0))
    fault_case("R4 paused", injected=1, expected={1, 2}, observed={2, 1})
""",
        "--chaos",
    )
    assert code == 0, output
    assert rows == [
        {**KILLED, "observed": {"lost": 0}, "passed": True},
        {"case": "R4 paused", "injected": 1, "expected": ["1", "2"], "observed": ["1", "2"], "passed": True},
    ]
    assert "2 of 2 cases passed, 4 faults injected" in output


def test_a_case_that_differs_fails_its_test_and_its_row(run: Run) -> None:
    body = "fault_case('R4 killed', injected=3, expected={'lost': 0}, observed={'lost': 1})"
    code, output, rows = run(f"def test_killed(fault_case):\n    {body}\n", "--chaos")
    assert code == 1
    assert rows[0] == {**KILLED, "observed": {"lost": 1}, "passed": False}
    assert "FAILED      3 injected  R4 killed" in output


@pytest.mark.parametrize("options", [[], ["--chaos"]])
def test_a_fault_case_that_injected_nothing_fails(run: Run, options: list[str]) -> None:
    code, output, _ = run(
        "def test_it(fault_case):\n    fault_case('R4', injected=0, expected=1, observed=1)\n", *options
    )
    assert code == 1
    assert "no fault was injected" in output


def test_a_test_that_breaks_before_its_case_is_a_failed_row(run: Run) -> None:
    code, _, rows = run("def test_it(fault_case):\n    raise OSError\n", "--chaos")
    assert code == 1
    assert [(row["case"].rpartition("::")[2], row["passed"]) for row in rows] == [("test_it", False)]


def test_reports_travel_between_processes(run: Run) -> None:
    """Under xdist: values that are no plain JSON would end the worker."""
    test = "def test_it(fault_case):\n    fault_case('R4', injected=1, expected=Counter(a=1), observed=Counter(a=1))\n"
    code, output, rows = run(test, "--chaos", "-n", "2")
    assert code == 0, output
    assert [row["observed"] for row in rows] == [{"a": 1}]
