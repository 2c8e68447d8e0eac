"""``python -m tools.infra_check``: every rule, checkov, the compiler; a table, `build/infra.json`, an exit code."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.infra_check import outside
from tools.infra_check.project import Project
from tools.infra_check.rules import RULES
from tools.infra_check.rules.documents import points

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    """Exit code 0 when everything that ran passed, and, where CI is set, when checkov ran."""
    parser = argparse.ArgumentParser(prog="infra-check", description="Check infra/ without Azure.")
    parser.add_argument("--root", type=Path, default=ROOT, help="checkout to judge")
    options = parser.parse_args(arguments)
    report = judge(options.root)
    target = options.root / "build" / "infra.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    _print(report)
    return 0 if report["passed"] else 1


def judge(root: Path) -> dict[str, Any]:
    """The report: rules, programs, and which of the points are done. A file that does not parse ends it early."""
    project = Project(root)
    readable = not any(template.errors for template in project.templates.values())
    findings = {rule.name: list(rule.check(project)) for rule in (RULES if readable else RULES[:1])}
    programs = [outside.checkov(root, root / outside.CHECKOV), *outside.compiler(root)]
    failed = {name for name, found in findings.items() if found}
    complete = programs[0].status != "not run" or not os.environ.get("CI")
    return {
        "passed": not failed and complete and all(it.status != "failed" for it in programs),
        "points": _points(project, failed, {it.name: it.status for it in programs}) if readable else [],
        "rules": [
            {"name": rule.name, "promise": rule.promise, "findings": findings[rule.name]}
            for rule in RULES
            if rule.name in findings
        ],
        "programs": [asdict(it) for it in programs],
    }


def _points(project: Project, failed: set[str], programs: dict[str, str]) -> list[dict[str, Any]]:
    """A point is done when its files are there and its checks pass; a test, by its file, counts by being there."""
    passed = {rule.name for rule in RULES} - failed | {name for name, status in programs.items() if status == "passed"}

    def missing(name: str) -> bool:
        return not (project.root / name).exists()

    return [
        asdict(point)
        | {
            "open": [name for name in point.files if missing(name)]
            + [name for name in point.checks if (missing(name) if "/" in name else name not in passed)],
        }
        for point in points(project)
    ]


def _print(report: dict[str, Any]) -> None:
    for rule in report["rules"]:
        print(f"{'ok    ' if not rule['findings'] else 'BROKEN'}  {rule['name']:<22} {rule['promise']}")
        for finding in rule["findings"]:
            print(f"          {finding}")
    for program in report["programs"]:
        print(f"{program['status']:<7} {program['name']:<22} {program['detail']}")
        for finding in program["findings"]:
            print(f"          {finding}")
    done = sum(not point["open"] for point in report["points"])
    passed = sum(not rule["findings"] for rule in report["rules"])
    print(f"{passed} of {len(report['rules'])} rules kept, {done} of {len(report['points'])} points done")
    for point in report["points"]:
        if point["open"]:
            print(f"          open: point {point['number']} ({', '.join(point['open'])})")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
