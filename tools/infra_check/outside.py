"""Programs that are not this project's: checkov in an environment of its own, and a Bicep compiler if there is one.

A program that is absent is reported by name as not run, never as passed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOV = Path(".tools", "checkov", "bin", "checkov")
UNREADABLE = ("alerts.bicep",)
"""Files that checkov's old parser does not know the language of; it has no check for what they declare."""

SECONDS = 300


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program judged the templates."""

    name: str
    status: str
    """passed, failed or not run"""
    detail: str
    findings: list[str] = field(default_factory=list)


def checkov(root: Path, program: Path) -> Ran:
    """Security checks. It exits with 0 even when it could parse nothing, so its counts are read instead."""
    if not program.exists():
        return Ran("checkov", "not run", "install it: python3 tools/bootstrap.py checkov")
    options = ["--framework", "bicep", "--skip-download", "--compact", "--quiet", "--output", "json"]
    skipped = [word for name in UNREADABLE for word in ("--skip-path", name)]
    done = _run([str(program), "-d", "infra", *options, *skipped], root)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
        counts: dict[str, int] = report["summary"]
        findings = [f"{it['check_id']} {it['file_path']}" for it in report["results"]["failed_checks"]]
    except (ValueError, KeyError, TypeError):
        return Ran("checkov", "failed", "its report cannot be read", [done.stderr.strip()[-500:]])
    good = not findings and not counts["parsing_errors"] and counts["passed"] > 0
    detail = ", ".join(f"{counts[name]} {name}" for name in ("passed", "failed", "skipped", "parsing_errors"))
    return Ran("checkov", "passed" if good else "failed", detail, findings)


def compiler(root: Path) -> Iterator[Ran]:
    """`bicep build` and `bicep lint` of the whole template, modules included."""
    program = shutil.which("bicep")
    for verb in ("build", "lint"):
        name = f"bicep {verb}"
        if program is None:
            yield Ran(name, "not run", "there is no bicep on the PATH")
            continue
        with tempfile.TemporaryDirectory() as folder:
            target = ["--outfile", str(Path(folder, "main.json"))] if verb == "build" else []
            done = _run([program, verb, "infra/main.bicep", *target], root)
        said = [line for line in (done.stderr + done.stdout).splitlines() if ": Error " in line or ": Warning " in line]
        good = done.returncode == 0 and not any(": Error " in line for line in said)
        yield Ran(name, "passed" if good else "failed", f"exit code {done.returncode}, {len(said)} remarks", said)


def _run(command: list[str], root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=SECONDS)
