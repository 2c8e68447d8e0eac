"""The pytest plugin behind `make chaos`: what each fault case injected, expected and observed.

A test reports by `fault_case("R4 strict, killed: row written", injected=50, expected=…, observed=…)`; what differs
fails it. With `--chaos` only tests that report cases run, at full counts; the table is printed and written to
`build/chaos.json`.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

import pytest

PROPERTY = "chaos_case"
FIXTURE = "fault_case"


class Case(Protocol):
    """What the fixture `fault_case` gives. `injected` is counted where the fault happens; none fails."""

    def __call__(self, name: str, *, injected: int, expected: object, observed: object) -> None: ...


@pytest.fixture
def fault_case(request: pytest.FixtureRequest) -> Case:
    """Put a row into the matrix, and judge it."""

    def report(name: str, *, injected: int, expected: object, observed: object) -> None:
        row = {"case": name, "injected": injected, "expected": _plain(expected), "observed": _plain(observed)}
        request.node.user_properties.append((PROPERTY, row | {"passed": injected > 0 and observed == expected}))
        assert injected > 0, f"{name}: no fault was injected"
        assert observed == expected, name

    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("acceptance").addoption(
        "--chaos", action="store_true", help="the fault cases alone, at full counts; writes build/chaos.json"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("chaos"):
        config.pluginmanager.register(Matrix(config), "chaos-matrix")


class Matrix:
    """Collects the rows of one session."""

    def __init__(self, config: pytest.Config) -> None:
        self.target = config.rootpath / "build" / "chaos.json"
        self.rows: list[dict[str, Any]] = []

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        others = [item for item in items if FIXTURE not in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.rows += [row for name, row in report.user_properties if name == PROPERTY]
        if report.failed:
            told = {"injected": 0, "expected": "passed", "observed": f"failed ({report.when})", "passed": False}
            self.rows.append({"case": report.nodeid, **told})

    def pytest_sessionfinish(self) -> None:
        self.target.parent.mkdir(exist_ok=True)
        self.target.write_text(json.dumps(self.rows, indent=2) + "\n", "utf-8")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.section("chaos", sep="=")
        for row in self.rows:
            word = "passed" if row["passed"] else "FAILED"
            terminalreporter.write_line(f"{word}  {row['injected']:>5} injected  {row['case']}: {row['observed']}")
        passed = sum(row["passed"] for row in self.rows)
        injected = sum(row["injected"] for row in self.rows)
        terminalreporter.write_line(f"{passed} of {len(self.rows)} cases passed, {injected} faults injected")


def _plain(value: object) -> Any:
    """As JSON has it: reports travel between processes, and only plain values do."""
    return json.loads(json.dumps(value, default=lambda it: sorted(map(str, it)) if isinstance(it, set) else str(it)))
