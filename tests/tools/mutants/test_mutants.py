"""`make mutants`, whole: on this tree with two faults, and on a small one with every way that a trial can end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "tools.mutants"]


def run(folder: Path, *options: str | Path) -> tuple[int, str, dict[str, Any]]:
    """Exit code, what was printed, and the rows by name."""
    target = folder / "mutants.json"
    table = ["--rows", folder / "rows.md", "--faults", folder / "faults.toml", "--json", target]
    done = subprocess.run([*COMMAND, *table, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    rows = json.loads(target.read_text("utf-8")) if target.exists() else []
    return done.returncode, done.stdout + done.stderr, {row["name"]: row for row in rows}


def test_on_this_tree_a_real_fault_is_caught_and_a_harmless_one_is_missed(tmp_path: Path) -> None:
    (tmp_path / "rows.md").write_text("| 1 | additional data lacks RowKey | F3 |\n| 2 | a remark | F3 |\n")
    (tmp_path / "faults.toml").write_text("""
        [1]
        file = "shared/sealing.py"
        edits = [["place.row_key.encode(),", ""]]
        [2]
        file = "shared/sealing.py"
        edits = [["place.row_key.encode(),", "place.row_key.encode(),  # a remark"]]
    """)
    before = sealing()
    code, output, rows = run(tmp_path)
    assert (code, rows["1"]["caught"], rows["2"]["caught"]) == (1, True, False), output
    assert "test_sealing.py::" in rows["1"]["by_id"]["F3"]["red"][0]
    assert "2 planted: 1 caught, 1 missed, 0 broken" in output
    assert sealing() == before


def sealing() -> tuple[str, int]:
    file = ROOT / "shared" / "sealing.py"
    return file.read_text("utf-8"), file.stat().st_mtime_ns


RULES = """
import pytest, time
from shared import rule
@pytest.mark.acceptance("A1")
def test_one():
    assert rule.ONE == 1
@pytest.mark.acceptance("A2")
def test_two():
    deadline = time.monotonic() + 600
    while rule.TWO != 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert rule.ONE == 1
@pytest.mark.acceptance("A3")
def test_red_anyway():
    assert rule.ONE == 2
"""
LISTED = """
| 1 | one is two | A1 |
| 2 | one is two | A1, A2 |
| 3 | never ends | A2 |
| 4 | seen by one of two | A1, A2 |
| 5 | text is gone | A1 |
| 6 | red without it too | A3 |
| 7 | nobody tests it | A4 |
| 8 | nobody wrote it | A1 |
"""
PLANTED = """
[1]
file = "shared/rule.py"
edits = [["ONE = 1", "ONE = 2"]]
[2]
file = "shared/rule.py"
edits = [["ONE = 1", "ONE = 2"]]
[3]
file = "shared/rule.py"
edits = [["TWO = 2", "TWO = 1"]]
[4]
file = "shared/rule.py"
edits = [["TWO = 2", "TWO = 1"]]
[5]
file = "shared/rule.py"
edits = [["THREE = 3", ""]]
[6]
file = "shared/rule.py"
edits = [["ONE = 1", "ONE = 3"]]
[7]
file = "shared/rule.py"
edits = [["ONE = 1", "ONE = 2"]]
[8]
waits_for = "a rule"
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small checkout; the acceptance plugin and the recorder are those of this one."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # half of every trial would be their imports
    root = tmp_path / "tree"
    (root / "shared").mkdir(parents=True)
    (root / "checks").mkdir()
    (root / "pytest.ini").write_text("[pytest]\naddopts = -p tests.evidence\nmarkers = acceptance(id): a row\n")
    (root / ".gitignore").write_text("/build/\n")
    (root / "shared" / "rule.py").write_text("ONE = 1\nTWO = 2\n")
    (root / "checks" / "test_rules.py").write_text(RULES)
    (tmp_path / "rows.md").write_text(LISTED)
    (tmp_path / "faults.toml").write_text(PLANTED)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def test_every_way_that_a_trial_can_end_is_told(tree: Path) -> None:
    code, output, rows = run(tree.parent, "--root", tree, "--grace", "3")
    statuses = {name: row["status"] for name, row in rows.items()}
    assert (code, statuses) == (
        1,
        {
            "1": "caught",
            "2": "caught",
            "3": "caught",
            "4": "missed",
            "5": "broken",
            "6": "worthless",
            "7": "waiting",
            "8": "waiting",
        },
    ), output
    assert rows["3"]["by_id"]["A2"]["said"].startswith("hung")
    assert {row: it["status"] for row, it in rows["4"]["by_id"].items()} == {"A1": "missed", "A2": "caught"}
    assert "shared/rule.py" in output
    assert "THREE = 3" in output
    assert "no test of A4 yet" in output
    assert rows["7"]["caught"] is None
    assert list((tree / "build").iterdir()) == []
    assert (tree / "shared" / "rule.py").read_text() == "ONE = 1\nTWO = 2\n"


def test_tests_that_can_not_be_collected_are_told_and_not_taken_for_red(tree: Path) -> None:
    (tree / "checks" / "test_broken.py").write_text("import nothing_of_this_name\n")
    code, output, rows = run(tree.parent, "--root", tree)
    assert (code, rows) == (2, {})
    assert "can't be collected: checks/test_broken.py" in output
    assert "Traceback" not in output
    assert list((tree / "build").iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(tree: Path) -> None:
    table = ["--rows", tree.parent / "rows.md", "--faults", tree.parent / "faults.toml"]
    process = subprocess.Popen(
        [*COMMAND, *table, "--root", tree, "--only", "3"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if "A2  without a fault: green" in line:
            break
    time.sleep(1)  # into the trial that never ends
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert (process.returncode, "stopped" in said) == (130, True), said
    assert list((tree / "build").iterdir()) == []
    assert str(tree) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
