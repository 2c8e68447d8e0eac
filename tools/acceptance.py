"""Judge what acceptance tests did against the least that each row of `tests/data/acceptance.toml` asks for.

Pure: no pytest here. `tests/evidence.py` collects outcomes and evidence and hands them in.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Status = Literal["passed", "failed", "thin", "missing"]
Outcome = Literal["passed", "failed", "skipped"]

ROWS_FILE = Path(__file__).resolve().parent.parent / "tests" / "data" / "acceptance.toml"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was really done: cases judged one by one, faults injected, processes of the app that took part."""

    cases: int = 0
    faults: int = 0
    processes: int = 0

    def __add__(self, other: Evidence) -> Evidence:
        """Several tests of one row: cases and faults add up, processes take the largest."""
        return Evidence(
            self.cases + other.cases,
            self.faults + other.faults,
            max(self.processes, other.processes),
        )

    def covers(self, least: Evidence) -> bool:
        return self.cases >= least.cases and self.faults >= least.faults and self.processes >= least.processes


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: which issue has to show it, and how much of it."""

    id: str
    issue: str
    full: Evidence
    slice: int | None

    def least(self, *, full: bool) -> Evidence:
        """What is enough: the whole count, or the slice of the everyday run with faults in proportion."""
        if full or self.slice is None:
            return self.full
        faults = math.ceil(self.full.faults * self.slice / self.full.cases)
        return Evidence(self.slice, faults, self.full.processes)


@dataclass(slots=True)
class Finding:
    """What the tests of one row came to."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    evidence: Evidence = Evidence()

    def status(self, least: Evidence) -> Status:
        outcomes = self.outcomes.values()
        if "failed" in outcomes:
            return "failed"
        if "passed" not in outcomes:
            return "missing"
        return "passed" if self.evidence.covers(least) else "thin"


def read_rows(path: Path = ROWS_FILE) -> dict[str, Row]:
    """The rows by id, in the order of the file."""
    table = tomllib.loads(path.read_text("utf-8"))
    return {
        name: Row(
            name,
            entry["issue"],
            Evidence(entry["cases"], entry.get("faults", 0), entry.get("processes", 0)),
            entry.get("slice"),
        )
        for name, entry in table.items()
    }


def judge(rows: Iterable[Row], findings: Mapping[str, Finding], *, full: bool) -> dict[str, Status]:
    """The status of every row by id; a row without tests is missing."""
    return {row.id: findings.get(row.id, Finding()).status(row.least(full=full)) for row in rows}


def wanting(rows: Iterable[Row], statuses: Mapping[str, Status], issues: Iterable[str]) -> list[str]:
    """The ids of these issues that are not passed."""
    wanted = set(issues)
    return [row.id for row in rows if row.issue in wanted and statuses[row.id] != "passed"]


def as_json(statuses: Mapping[str, Status], findings: Mapping[str, Finding]) -> str:
    """`id → {status, evidence, tests}` as in `build/acceptance.json`."""
    answer = {}
    for name, status in statuses.items():
        finding = findings.get(name, Finding())
        evidence = finding.evidence
        answer[name] = {
            "status": status,
            "evidence": {
                "cases": evidence.cases,
                "processes": evidence.processes,
                "faults": evidence.faults,
            },
            "tests": sorted(finding.outcomes),
        }
    return json.dumps(answer, indent=2) + "\n"


def as_table(
    rows: Iterable[Row],
    statuses: Mapping[str, Status],
    findings: Mapping[str, Finding],
    *,
    full: bool,
) -> list[str]:
    """One line a row: id, status, issue, and each count as shown/least."""
    lines = [f"{'id':4}{'status':9}{'issue':16}{'cases':>16}{'processes':>12}{'faults':>14}{'tests':>7}"]
    for row in rows:
        finding = findings.get(row.id, Finding())
        shown, least = finding.evidence, row.least(full=full)
        lines.append(
            f"{row.id:4}{statuses[row.id]:9}{row.issue:16}"
            f"{_ratio(shown.cases, least.cases):>16}{_ratio(shown.processes, least.processes):>12}"
            f"{_ratio(shown.faults, least.faults):>14}{len(finding.outcomes):>7}"
        )
    return lines


def _ratio(shown: int, least: int) -> str:
    return f"{shown}/{least}" if shown or least else "-"
