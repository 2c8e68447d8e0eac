"""The pytest plugin behind `@pytest.mark.acceptance("R4")`: who proves which row, and with how much.

A test reports what it really did by `evidence(cases=…, faults=…, processes=…)`, and asks `amount("R4")` how
much this run wants. Reports travel in `user_properties`, so that it works under xdist too.

`--full` wants the whole counts, writes `build/acceptance.json` and prints every row; `--issues "a b"` makes
the run fail when a row of these issues is not passed. Otherwise slices are enough and only rows with tests
are shown. `--ids "A2 A6"` runs the tests of these rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import pytest

from tools import acceptance
from tools.acceptance import Evidence, Finding, Row

IDS = "acceptance_ids"
EVIDENCE = "acceptance_evidence"


class Report(Protocol):
    """What the fixture `evidence` gives; counts of several calls add up, processes take the largest.

    cases: inputs, requests or interleavings judged one by one. faults: counted where they were injected.
    processes: the ids of the app's processes that took part, or their number. row: only where a test proves
    several rows differently.
    """

    def __call__(
        self, *, cases: int = 0, faults: int = 0, processes: int | Iterable[int] = 0, row: str | None = None
    ) -> None: ...


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Report:
    """Report what this test really did, for the acceptance rows of its marker."""
    ids = marked(request.node)
    if not ids:
        raise pytest.UsageError(f"{request.node.nodeid} asks for evidence without an acceptance marker")

    def report(*, cases: int = 0, faults: int = 0, processes: int | Iterable[int] = 0, row: str | None = None) -> None:
        if row is not None and row not in ids:
            raise pytest.UsageError(f"{request.node.nodeid} is not marked with {row}")
        count = processes if isinstance(processes, int) else len(set(processes))
        for name in [row] if row else ids:
            request.node.user_properties.append((EVIDENCE, [name, cases, faults, count]))

    return report


@pytest.fixture(scope="session")
def amount(pytestconfig: pytest.Config) -> Callable[..., int]:
    """`amount("R4")`: the cases that this run wants of a row; `amount("R4", "faults")` likewise."""
    rows = acceptance.read_rows()

    def wanted(row: str, what: str = "cases") -> int:
        full = pytestconfig.getoption("full") or pytestconfig.getoption("chaos", default=False)
        return getattr(rows[row].least(full=full), what)

    return wanted


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("acceptance")
    group.addoption("--full", action="store_true", help="whole acceptance counts; writes build/acceptance.json")
    group.addoption("--ids", default="", help="acceptance rows whose tests alone are run")
    group.addoption("--issues", default="", help="issues whose acceptance rows must all be passed")


def pytest_configure(config: pytest.Config) -> None:
    rows = acceptance.read_rows()
    unknown = set(config.getoption("issues").split()) - {row.issue for row in rows.values()}
    if unknown:
        raise pytest.UsageError(f"--issues: no acceptance row belongs to {' '.join(sorted(unknown))}")
    strange = set(config.getoption("ids").split()) - set(rows)
    if strange:
        raise pytest.UsageError(f"--ids: no acceptance row is called {' '.join(sorted(strange))}")
    collector = Collector(config, rows)
    config.pluginmanager.register(collector, "acceptance-collector")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = set(config.getoption("ids").split())
    if wanted:
        others = [item for item in items if wanted.isdisjoint(marked(item))]
        items[:] = [item for item in items if not wanted.isdisjoint(marked(item))]
        config.hook.pytest_deselected(items=others)


def marked(item: pytest.Item) -> list[str]:
    return list(dict.fromkeys(name for mark in item.iter_markers("acceptance") for name in mark.args))


class Collector:
    """Joins markers, outcomes and evidence of one session; under xdist the controller's sees them all."""

    def __init__(self, config: pytest.Config, rows: dict[str, Row]) -> None:
        self.config = config
        self.full: bool = config.getoption("full")
        self.issues: list[str] = config.getoption("issues").split()
        self.rows = rows
        self.findings: dict[str, Finding] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Note the ids for the reports; here, because xdist hides what goes wrong while workers collect."""
        if item.get_closest_marker("acceptance") is None:
            return
        ids = marked(item)
        unknown = [str(name) for name in ids if name not in self.rows]
        if unknown or not ids:
            names = " ".join(unknown) or "nothing"
            pytest.fail(f"no row of acceptance.toml is called {names}", pytrace=False)
        item.user_properties.append((IDS, ids))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        for row in properties.get(IDS, []):
            outcomes = self.findings.setdefault(row, Finding()).outcomes
            if report.failed or outcomes.get(report.nodeid) == "failed" or hasattr(report, "wasxfail"):
                outcomes[report.nodeid] = "failed"
            elif report.skipped:
                outcomes[report.nodeid] = "skipped"
            elif report.when == "call":
                outcomes[report.nodeid] = "passed"
        if report.when == "teardown":  # the last report of a test holds what its fixtures' ends reported too
            self._add_evidence(report)

    def _add_evidence(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == EVIDENCE:
                row, *counts = value
                self.findings[row].evidence += Evidence(*counts)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if _is_worker(self.config) or self.config.getoption("collectonly"):
            return
        if self.full:
            target = self.config.rootpath / "build" / "acceptance.json"
            target.parent.mkdir(exist_ok=True)
            target.write_text(acceptance.as_json(self._statuses(), self.findings), "utf-8")
        if self._wanting() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        shown = [row for row in self.rows.values() if self.full or row.id in self.findings]
        if not shown or self.config.getoption("collectonly"):
            return
        statuses = self._statuses()
        terminalreporter.section("acceptance", sep="=")
        for line in acceptance.as_table(shown, statuses, self.findings, full=self.full):
            terminalreporter.write_line(line)
        counts = [f"{list(statuses.values()).count(word)} {word}" for word in ("passed", "failed", "thin", "missing")]
        terminalreporter.write_line(f"{', '.join(counts)}; {'full counts' if self.full else 'slices'}")
        if self._wanting():
            terminalreporter.write_line(f"not passed of {', '.join(self.issues)}: {' '.join(self._wanting())}")

    def _statuses(self) -> dict[str, acceptance.Status]:
        return acceptance.judge(self.rows.values(), self.findings, full=self.full)

    def _wanting(self) -> list[str]:
        return acceptance.wanting(self.rows.values(), self._statuses(), self.issues)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
