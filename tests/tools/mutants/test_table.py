"""The table of faults fits the code as it is today, and says what is wrong when it does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.mutants.table import FAULTS, ROWS, BrokenMutantError, Mutant, TableError, choose, read

ROOT = Path(__file__).parents[3]
MUTANTS = read(ROOT / ROWS, ROOT / FAULTS)


def test_every_row_of_the_list_has_its_mutants() -> None:
    rows = re.findall(r"^\| (\d+) \|", (ROOT / ROWS).read_text("utf-8"), re.MULTILINE)
    assert len(rows) >= 54
    assert list(dict.fromkeys(str(it.number) for it in MUTANTS if it.number)) == rows
    assert [it.fault for it in MUTANTS if it.number == 12] == [
        "cookie without HttpOnly",
        "cookie without Secure on https",
    ]
    assert [(it.name, it.part) for it in MUTANTS if it.number == 12] == [("12a", "a"), ("12b", "b")]


@pytest.mark.parametrize("mutant", [it for it in MUTANTS if not it.waits_for], ids=lambda it: it.name)
def test_every_fault_can_be_planted_today(mutant: Mutant) -> None:
    assert mutant.mutate(ROOT) != (ROOT / mutant.file).read_text("utf-8")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "rule.py").write_text("LIMIT = 1\nif LIMIT:\n    pass\n")
    return tmp_path


@pytest.mark.parametrize(
    ("edits", "complaint"),
    [
        ([("LIMIT = 2", "")], r"mutant 7b: this text is gone from shared/rule\.py .*:\nLIMIT = 2"),
        ([("LIMIT", "")], r"mutant 7b: this text stands 2 times in shared/rule\.py"),
        ([("LIMIT = 1", "LIMIT = 2"), ("LIMIT = 1", "")], r"mutant 7b: this text is gone"),
        ([("LIMIT = 1", "LIMIT = 1")], "mutant 7b: the replacement changes nothing"),
        ([("LIMIT = 1", "LIMIT = (")], r"mutant 7b: shared/rule\.py does not compile"),
    ],
)
def test_a_replacement_that_does_not_fit_names_row_file_and_text(
    tree: Path, edits: list[tuple[str, str]], complaint: str
) -> None:
    with pytest.raises(BrokenMutantError, match=complaint):
        Mutant("7b", "a fault", ("A1",), "shared/rule.py", tuple(edits)).mutate(tree)


def test_a_replacement_in_a_file_that_is_gone_names_it(tree: Path) -> None:
    with pytest.raises(BrokenMutantError, match=r"mutant 7: shared/gone\.py is gone"):
        Mutant("7", "a fault", ("A1",), "shared/gone.py", (("a", "b"),)).mutate(tree)


def test_a_template_that_does_not_parse_is_no_fault(tree: Path) -> None:
    (tree / "shared" / "page.html").write_text("{% if title %}{{ title }}{% endif %}")
    with pytest.raises(BrokenMutantError, match="does not compile"):
        Mutant("7", "a fault", ("A1",), "shared/page.html", (("{% endif %}", ""),)).mutate(tree)


LIST = "| 1 | one fault | A1 |\n| 2 | this; that | A2, A6 |\n"
EDIT = 'file = "shared/rule.py"\nedits = [["a", "b"]]\n'


@pytest.mark.parametrize(
    ("faults", "complaint"),
    [
        (f"[1]\n{EDIT}[2a]\n{EDIT}", "no entry for 2b"),
        (f"[1]\n{EDIT}[2a]\n{EDIT}[2b]\n{EDIT}[3]\n{EDIT}", "has no row 3"),
        (f"[1]\n{EDIT}[2a]\n{EDIT}[2b]\nwaits_for='x'\n{EDIT}", "mutant 2b: give either"),
        (f"[1]\n{EDIT}[2a]\n{EDIT}[2b]\n", "mutant 2b: give either"),
        (f"[1]\n{EDIT}[2a]\n{EDIT}[2b]\nfind = 'x'\n", "mutant 2b: find means nothing"),
        (f"[1]\n{EDIT}[2a]\n{EDIT}[2b]\n{EDIT}[own]\n{EDIT}", "mutant own: a fault of our own needs"),
        (f"[1]\n{EDIT}[2a]\nids=['A2']\n{EDIT}[2b]\nids=['A2']\n{EDIT}", "row 2: no part names A6"),
        ("[1]\n" + EDIT.replace("shared", "tests") + f"[2a]\n{EDIT}[2b]\n{EDIT}", "mutant 1: faults are planted in"),
    ],
)
def test_a_table_that_contradicts_the_list_is_refused(tmp_path: Path, faults: str, complaint: str) -> None:
    (tmp_path / "rows.md").write_text(LIST)
    (tmp_path / "faults.toml").write_text(faults)
    with pytest.raises(TableError, match=complaint):
        read(tmp_path / "rows.md", tmp_path / "faults.toml")


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (["12"], ["12a", "12b"]),
        (["12b"], ["12b"]),
        (["B4"], ["13"]),
        (["F4-a", "19"], ["19", "F4-a"]),
    ],
)
def test_some_are_chosen_by_row_part_or_id(only: list[str], names: list[str]) -> None:
    assert [it.name for it in choose(MUTANTS, only)] == names


def test_all_are_chosen_where_none_is_named_and_a_strange_name_is_refused() -> None:
    assert choose(MUTANTS, []) == MUTANTS
    with pytest.raises(TableError, match="no mutant is called 99"):
        choose(MUTANTS, ["12", "99"])
