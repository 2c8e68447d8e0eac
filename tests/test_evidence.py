"""The acceptance report, by real pytest runs in a folder of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tools.acceptance import Evidence, Row, read_rows

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    code: int
    output: str
    report: dict[str, Any]

    def row(self, name: str) -> list[str]:
        return next(line.split() for line in self.output.splitlines() if line.startswith(f"{name} "))


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Outcome]:
    """Plugins by name: to import all that are installed would take longer than the tests."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = acceptance(id): proves a row\n")

    def run(tests: str, *options: str) -> Outcome:
        (tmp_path / "test_sample.py").write_text(f"import pytest\n{tests}")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.evidence",
            "-p",
            "xdist.plugin",
            "-c",
            tmp_path / "pytest.ini",
        ]
        done = subprocess.run(
            [*command, "--rootdir", tmp_path, *options, tmp_path / "test_sample.py"],
            cwd=ROOT,
            env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        file = tmp_path / "build" / "acceptance.json"
        report = json.loads(file.read_text()) if file.exists() else {}
        return Outcome(done.returncode, done.stdout + done.stderr, report)

    return run


TWO_TESTS = """
@pytest.mark.acceptance("R4")
@pytest.mark.parametrize("half", [0, 1])
def test_half(evidence, half):
    for _ in range(5):
        evidence(cases=100, faults=100, processes=[11, 12 + half, 11])
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["serial", "xdist"])
def test_several_tests_add_up_to_one_row(run: Callable[..., Outcome], workers: list[str]) -> None:
    outcome = run(TWO_TESTS, "--full", *workers)
    assert outcome.code == 0, outcome.output
    assert outcome.report["R4"] == {
        "status": "passed",
        "evidence": {"cases": 1000, "processes": 2, "faults": 1000},
        "tests": ["test_sample.py::test_half[0]", "test_sample.py::test_half[1]"],
    }
    assert outcome.row("R4")[1:] == ["passed", "custody", "1000/1000", "2/2", "1000/1000", "2"]


def test_every_row_is_in_the_report_and_those_without_a_test_are_missing(run: Callable[..., Outcome]) -> None:
    report = run(TWO_TESTS, "--full").report
    assert list(report) == list(read_rows())
    assert {entry["status"] for name, entry in report.items() if name != "R4"} == {"missing"}


THIN = """
@pytest.mark.acceptance("R4")
def test_few(evidence):
    evidence(cases=80, faults=80, processes=2)
"""


def test_the_slice_is_enough_for_the_everyday_run_and_thin_in_the_full_one(
    run: Callable[..., Outcome],
) -> None:
    everyday = run(THIN)
    assert everyday.row("R4")[1:5] == ["passed", "custody", "80/80", "2/2"]
    assert everyday.report == {}
    assert run(THIN, "--full").report["R4"]["status"] == "thin"


@pytest.mark.parametrize(
    "lacking",
    [
        "cases=79, faults=80, processes=2",
        "cases=80, faults=79, processes=2",
        "cases=80, faults=80, processes=1",
        "cases=80, faults=80",
    ],
)
def test_less_than_the_least_of_any_count_is_thin(run: Callable[..., Outcome], lacking: str) -> None:
    assert run(THIN.replace("cases=80, faults=80, processes=2", lacking)).row("R4")[1] == "thin"


def test_a_passing_test_without_evidence_is_thin(run: Callable[..., Outcome]) -> None:
    assert run('@pytest.mark.acceptance("A1")\ndef test_nothing(): pass\n').row("A1")[1] == "thin"


ENDINGS = {
    "passed, then a failing end of a fixture": (
        "failed",
        "@pytest.fixture\ndef bad():\n    yield\n    assert False\n"
        '@pytest.mark.acceptance("A1")\ndef test_it(bad, evidence): evidence(cases=12)\n',
    ),
    "a failing start of a fixture": (
        "failed",
        "@pytest.fixture\ndef bad(): assert False\n"
        '@pytest.mark.acceptance("A1")\ndef test_it(bad, evidence): evidence(cases=12)\n',
    ),
    "one of two tests failed": (
        "failed",
        '@pytest.mark.acceptance("A1")\ndef test_good(evidence): evidence(cases=12)\n'
        '@pytest.mark.acceptance("A1")\ndef test_bad(): assert False\n',
    ),
    "expected to fail": (
        "failed",
        '@pytest.mark.xfail\n@pytest.mark.acceptance("A1")\ndef test_it(): assert False\n',
    ),
    "skipped": ("missing", '@pytest.mark.skip\n@pytest.mark.acceptance("A1")\ndef test_it(): pass\n'),
}


@pytest.mark.parametrize(("status", "tests"), ENDINGS.values(), ids=ENDINGS)
def test_only_a_test_that_passed_to_its_very_end_counts(run: Callable[..., Outcome], status: str, tests: str) -> None:
    assert run(tests).row("A1")[1] == status


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["serial", "xdist"])
@pytest.mark.parametrize("name", ['"Z9"', "", '"A1", "r4"'])
def test_an_unknown_or_absent_id_is_an_error(run: Callable[..., Outcome], name: str, workers: list[str]) -> None:
    outcome = run(f"@pytest.mark.acceptance({name})\ndef test_it(): pass\n", *workers)
    assert outcome.code != 0
    assert "no row of acceptance.toml is called" in outcome.output


def test_evidence_for_a_row_that_the_test_is_not_marked_with_is_an_error(run: Callable[..., Outcome]) -> None:
    outcome = run('@pytest.mark.acceptance("A1")\ndef test_it(evidence): evidence(row="A2", cases=1)\n')
    assert (outcome.code, outcome.row("A1")[1]) == (1, "failed")


def test_a_test_may_prove_several_rows_by_different_amounts(run: Callable[..., Outcome]) -> None:
    outcome = run(
        '@pytest.mark.acceptance("B2", "B3")\n'
        "def test_it(evidence):\n    evidence(cases=2)\n    evidence(row='B2', cases=2)\n"
    )
    assert (outcome.row("B2")[3], outcome.row("B3")[3]) == ("4/4", "2/2")


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["serial", "xdist"])
def test_the_run_fails_when_a_row_of_the_wanted_issues_is_not_passed(
    run: Callable[..., Outcome], workers: list[str]
) -> None:
    outcome = run(TWO_TESTS, "--full", "--issues", "custody", *workers)
    assert outcome.code == 1
    assert "not passed of custody: A6 B6" in outcome.output


def test_an_unknown_issue_is_an_error(run: Callable[..., Outcome]) -> None:
    assert run(TWO_TESTS, "--issues", "mian-job").code == 4


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["serial", "xdist"])
def test_the_tests_of_some_rows_can_be_run_alone(run: Callable[..., Outcome], workers: list[str]) -> None:
    other = '@pytest.mark.acceptance("A1", "R4")\ndef test_both(): pass\ndef test_neither(): assert False\n'
    outcome = run(f"{TWO_TESTS}\n{other}", "--ids", "A1 A2", *workers)
    assert outcome.code == 0, outcome.output
    assert outcome.row("A1")[-1] == "1"
    assert "1 passed" in outcome.output


def test_an_unknown_row_to_run_alone_is_an_error(run: Callable[..., Outcome]) -> None:
    assert run(TWO_TESTS, "--ids", "R4 Z1").code == 4


def test_tests_can_ask_how_much_is_wanted(run: Callable[..., Outcome]) -> None:
    tests = (
        '@pytest.mark.acceptance("R4")\ndef test_it(evidence, amount):\n'
        '    evidence(cases=amount("R4"), faults=amount("R4", "faults"), processes=2)\n'
    )
    assert run(tests).row("R4")[3:6] == ["80/80", "2/2", "80/80"]
    assert run(tests, "--full").row("R4")[3:6] == ["1000/1000", "2/2", "1000/1000"]


def test_a_slice_takes_faults_in_proportion_rounded_up() -> None:
    row = Row("S2", "custody", Evidence(cases=300, faults=70, processes=2), slice=60)
    assert row.least(full=False) == Evidence(cases=60, faults=14, processes=2)
    assert row.least(full=True) == row.full
