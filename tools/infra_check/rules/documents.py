"""Rules about what stands beside the templates: the linter's configuration and the table of points."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.infra_check.project import Project, Rule

AT_ERROR = frozenset(
    (
        "no-unused-params",
        "no-unused-vars",
        "no-unused-existing-resources",
        "no-hardcoded-env-urls",
        "no-hardcoded-location",
        "no-unnecessary-dependson",
        "outputs-should-not-contain-secrets",
        "prefer-interpolation",
        "secure-parameter-default",
        "secure-secrets-in-params",
        "secure-params-in-nested-deploy",
        "simplify-interpolation",
        "use-parent-property",
        "use-resource-id-functions",
        "use-resource-symbol-reference",
        "use-secure-value-for-secure-inputs",
    )
)

POINTS = 37
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
NOT_COMPILED = "not yet"


@dataclass(frozen=True, slots=True)
class Point:
    """One row of the table in `infra/README.md`."""

    number: int
    title: str
    files: tuple[str, ...]
    checks: tuple[str, ...]
    compiled: str


def points(project: Project) -> list[Point]:
    """The table of the points that an excellent `infra/` has."""
    return [
        Point(int(number), title.strip(), _quoted(files), _quoted(checks), compiled.strip())
        for number, title, files, checks, compiled in ROW.findall(project.text("infra/README.md"))
    ]


def _quoted(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def linter(project: Project) -> Iterator[str]:
    rules = project.json("infra/bicepconfig.json")["analyzers"]["core"]["rules"]
    for name in sorted(AT_ERROR):
        if rules.get(name, {}).get("level") != "error":
            yield f"infra/bicepconfig.json: {name} is no error"


def table(project: Project) -> Iterator[str]:
    here = "infra/README.md"
    found = points(project)
    if [point.number for point in found] != list(range(1, POINTS + 1)):
        yield f"{here}: the table does not have the points 1 to {POINTS} in their order"
    for point in found:
        if not point.files or not point.checks:
            yield f"{here}: point {point.number} names no file or no check"
        if point.compiled != NOT_COMPILED:
            yield f"{here}: point {point.number} says compiled, but no compiler has run here"


RULES = (
    Rule("linter", "The compiler's linter takes what matters for an error.", linter),
    Rule("points", "The README has the 37 points, each with file and check.", table),
)
