"""The faults to plant: `tests/data/mutants.md` names them, `faults.toml` holds the replacement of each.

A row of two faults ("…; …") is two mutants, 12a and 12b. A replacement must fit today's code exactly: text that is
gone, or stands there twice, makes the table broken, which is a failure like a fault that nobody catches.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

FAULTS = Path("tools", "mutants", "faults.toml")
ROWS = Path("tests", "data", "mutants.md")
PLACES = ("functions/", "shared/")

_ROW = re.compile(r"\| (?P<number>\d+) \| (?P<faults>.+) \| (?P<ids>[A-Z]\d+(?:, [A-Z]\d+)*) \|")
_NUMBER = re.compile(r"\d+")


class TableError(Exception):
    """The table contradicts itself or the list of rows. Says which entry, and what to do."""


class BrokenMutantError(Exception):
    """A replacement does not fit the code. Names the mutant, the file and the text that is gone."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: exact replacements in one file, and the acceptance ids that must turn red.

    `waits_for` is set instead where the code that could have the fault is not written yet.
    """

    name: str
    fault: str
    ids: tuple[str, ...]
    file: str = ""
    edits: tuple[tuple[str, str], ...] = ()
    waits_for: str = ""

    @property
    def number(self) -> int | None:
        """The row of `mutants.md`; None for a fault of our own."""
        found = _NUMBER.match(self.name)
        return int(found.group()) if found else None

    @property
    def part(self) -> str:
        """The letter of a row with two faults, else empty."""
        return self.name[len(str(self.number)) :] if self.number else ""

    def mutate(self, root: Path) -> str:
        """The text of `file` with the fault in it; nothing is written. Raises BrokenMutantError."""
        path = root / self.file
        if not path.is_file():
            raise BrokenMutantError(f"mutant {self.name}: {self.file} is gone ({FAULTS})")
        text = original = path.read_text("utf-8")
        for find, put in self.edits:
            count = text.count(find)
            if count != 1:
                times = "is gone from" if count == 0 else f"stands {count} times in"
                raise BrokenMutantError(f"mutant {self.name}: this text {times} {self.file} ({FAULTS}):\n{find}")
            text = text.replace(find, put)
        if text == original:
            raise BrokenMutantError(f"mutant {self.name}: the replacement changes nothing in {self.file}")
        _parse(self, text)
        return text


def read(rows: Path, faults: Path) -> list[Mutant]:
    """Every mutant, rows first in their order, then our own. Raises TableError."""
    listed = _parts(rows.read_text("utf-8"))
    entries = tomllib.loads(faults.read_text("utf-8"))
    without = [name for name in listed if name not in entries]
    if without:
        raise TableError(f"{faults}: no entry for {' '.join(without)} of {rows}")
    own = [name for name in entries if name not in listed]
    numbered = [name for name in own if _NUMBER.match(name)]
    if numbered:
        raise TableError(f"{faults}: {rows} has no row {' '.join(numbered)}; a fault of our own begins with its id")
    mutants = [_mutant(name, entries[name], *listed.get(name, ("", ()))) for name in [*listed, *own]]
    _every_id_is_named(mutants, listed)
    return mutants


def choose(mutants: Sequence[Mutant], only: Iterable[str]) -> list[Mutant]:
    """Those of these rows (12), parts (12a), names or ids (B3); all when nothing is named. Raises TableError."""
    wanted = list(only)
    chosen = [it for it in mutants if not wanted or not _names_of(it).isdisjoint(wanted)]
    unknown = [word for word in wanted if not any(word in _names_of(it) for it in mutants)]
    if unknown:
        raise TableError(f"no mutant is called {' '.join(unknown)}: give rows (12), parts (12a) or ids (B3)")
    return chosen


def _names_of(mutant: Mutant) -> set[str]:
    return {mutant.name, str(mutant.number or mutant.name), *mutant.ids}


def _parts(text: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Fault and ids by name: "12" for a row of one fault, "12a" and "12b" for one of two."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for row in _ROW.finditer(text):
        faults, ids = row["faults"].split("; "), tuple(row["ids"].split(", "))
        for letter, fault in zip("abcdef" if len(faults) > 1 else [""], faults, strict=False):
            found[row["number"] + letter] = (fault, ids)
    return found


def _mutant(name: str, entry: Mapping[str, Any], fault: str, ids: tuple[str, ...]) -> Mutant:
    unknown = set(entry) - {"fault", "ids", "file", "edits", "waits_for"}
    if unknown:
        raise TableError(f"mutant {name}: {', '.join(sorted(unknown))} means nothing here")
    edits = tuple((find, put) for find, put in entry.get("edits", ()))
    mutant = Mutant(
        name,
        entry.get("fault", fault),
        tuple(entry.get("ids", ids)),
        entry.get("file", ""),
        edits,
        entry.get("waits_for", ""),
    )
    if not mutant.fault or not mutant.ids:
        raise TableError(f"mutant {name}: a fault of our own needs fault and ids")
    if bool(mutant.waits_for) == bool(edits):
        raise TableError(f"mutant {name}: give either edits, or waits_for with what is not written yet")
    if edits and not mutant.file.startswith(PLACES):
        raise TableError(f"mutant {name}: faults are planted in {' and '.join(PLACES)}, not in {mutant.file!r}")
    return mutant


def _every_id_is_named(mutants: Iterable[Mutant], listed: Mapping[str, tuple[str, tuple[str, ...]]]) -> None:
    """A part may answer for some ids of its row alone, but the row keeps them all."""
    named: dict[str, set[str]] = {}
    wanted: dict[str, set[str]] = {}
    for mutant in mutants:
        if mutant.name in listed:
            named.setdefault(str(mutant.number), set()).update(mutant.ids)
            wanted.setdefault(str(mutant.number), set()).update(listed[mutant.name][1])
    for number, ids in wanted.items():
        if ids - named[number]:
            raise TableError(f"row {number}: no part names {' '.join(sorted(ids - named[number]))}")


def _parse(mutant: Mutant, text: str) -> None:
    """A fault that does not even load would turn every test red and prove nothing."""
    try:
        if mutant.file.endswith(".py"):
            compile(text, mutant.file, "exec", dont_inherit=True)
        else:
            # Parsed, never rendered.
            jinja2.Environment(autoescape=True).parse(text)
    except (SyntaxError, jinja2.TemplateSyntaxError) as error:
        raise BrokenMutantError(f"mutant {mutant.name}: {mutant.file} does not compile with it: {error}") from None
