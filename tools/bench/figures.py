"""A measured figure, and the table of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: what was measured, what stands beside it, and how the two compare."""

    name: str
    ours: float
    beside: Mapping[str, float]
    ratios: Mapping[str, float]


def as_table(figures: Iterable[Figure]) -> list[str]:
    """Each figure on a line, what stands beside it on the next."""
    lines = []
    for each in figures:
        lines.append(f"{each.ours:>10,}  {each.name} ({_listed(each.ratios)})")
        lines.append(f"{'':12}beside: {_listed(each.beside)}")
    return lines


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{value:,} {name}" for name, value in values.items())
