"""What the trials of every mutant came to, as a table and as `build/mutants.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tools.mutants.table import Mutant

Status = Literal["caught", "missed", "broken", "waiting", "worthless"]
STATUSES: tuple[Status, ...] = ("caught", "missed", "broken", "worthless", "waiting")
FAILURES: tuple[Status, ...] = ("missed", "broken", "worthless")
WORST_FIRST: tuple[Status, ...] = (*FAILURES, "waiting")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the tests of one id said about one mutant.

    `waiting`: no test of it yet, or no code. `broken`: the fault can't be planted. `worthless`: the tests are not
    green without the fault either, so that their red proves nothing.
    """

    row: str
    status: Status
    said: str = ""
    red: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class Finding:
    """A mutant and the answers of its ids."""

    mutant: Mutant
    answers: dict[str, Answer] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """Caught when every id turned red; else the worst of what was said, and waiting when nothing worse was."""
        said = {answer.status for answer in self.answers.values()}
        return next((status for status in WORST_FIRST if status in said), "caught")


def as_json(findings: Iterable[Finding]) -> str:
    """Rows of fault, ids and caught (null while an id waits for its tests), with what each id's tests said."""
    rows = [
        {
            "name": found.mutant.name,
            "number": found.mutant.number,
            "part": found.mutant.part,
            "fault": found.mutant.fault,
            "ids": list(found.mutant.ids),
            "caught": None if found.status == "waiting" else found.status == "caught",
            "status": found.status,
            "file": found.mutant.file,
            "seconds": round(sum(it.seconds for it in found.answers.values()), 1),
            "by_id": {
                row: {"status": it.status, "said": it.said, "red": list(it.red), "seconds": round(it.seconds, 1)}
                for row, it in found.answers.items()
            },
        }
        for found in findings
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def as_table(findings: Sequence[Finding]) -> list[str]:
    """One line a mutant, what is not caught explained below it, and the sum."""
    lines = [f"{'mutant':8}{'status':11}{'ids':10}fault"]
    for found in findings:
        lines.append(f"{found.mutant.name:8}{found.status:11}{' '.join(found.mutant.ids):10}{found.mutant.fault}")
        for answer in found.answers.values():
            if answer.status != "caught":
                first, *more = answer.said.splitlines() or [""]
                lines.append(f"{'':19}{answer.row:4}{answer.status}: {first}")
                lines.extend(f"{'':23}{line}" for line in more)
    counts = {status: sum(found.status == status for found in findings) for status in STATUSES}
    lines.append(f"{len(findings)} planted: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    return lines


def failed(findings: Iterable[Finding]) -> bool:
    """Whether anything is missed, broken or worthless."""
    return any(found.status in FAILURES for found in findings)
