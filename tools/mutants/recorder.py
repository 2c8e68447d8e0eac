"""A pytest plugin that writes down what a run came to: `-p tools.mutants.recorder --record FILE`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, help="file for the outcome, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    target = config.getoption("record")
    if target:
        config.pluginmanager.register(Recorder(target), "outcome-recorder")


class Recorder:
    """`tests`: acceptance id → files that hold a test of it. `red`: [test, what it said]. `passed`: how many."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.tests: dict[str, list[str]] = {}
        self.red: list[tuple[str, str]] = []
        self.passed = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            for row in {name for mark in item.iter_markers("acceptance") for name in mark.args}:
                files = self.tests.setdefault(row, [])
                file = item.nodeid.partition("::")[0]
                if file not in files:
                    files.append(file)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.red.append((report.nodeid, _last_line(report)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.red.append((report.nodeid, f"{report.when}: {_last_line(report)}"))
        elif report.passed and report.when == "call":
            self.passed += 1

    def pytest_sessionfinish(self) -> None:
        outcome = {"tests": self.tests, "red": self.red, "passed": self.passed}
        self.target.write_text(json.dumps(outcome), "utf-8")


def _last_line(report: pytest.CollectReport | pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return str(text).strip().partition("\n")[0][:300]
