"""The checker keeps its promises: the templates are sound, and every planted fault is found by its rule."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.infra.faults import FAULTS, Fault
from tools.infra_check.project import Project
from tools.infra_check.rules import RULES

ROOT = Path(__file__).parents[2]
READ_BY_RULES = ("infra", "functions", "shared", "host.json", "local.settings.example.json", "README.md")
BY_NAME = {rule.name: rule for rule in RULES}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The parts of this checkout that rules read."""
    for name in READ_BY_RULES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_templates_keep_the_rule(rule) -> None:
    """Each rule by itself, so that a failure names the promise."""
    assert list(rule.check(Project(ROOT))) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.rule}: {fault.old.strip()[:40]}")
def test_a_planted_fault_is_found_by_its_rule(copy: Path, fault: Fault) -> None:
    """A copy with one change, and the rule that must say so."""
    fault.plant(copy)
    assert list(BY_NAME[fault.rule].check(Project(copy))) != []


def test_every_rule_has_a_planted_fault() -> None:
    """A rule that nothing can break proves nothing."""
    assert {fault.rule for fault in FAULTS} == BY_NAME.keys()


def test_a_copy_without_faults_is_sound(copy: Path) -> None:
    """What the faults are measured against: the copy itself breaks no rule."""
    project = Project(copy)
    assert {rule.name: list(rule.check(project)) for rule in RULES} == {rule.name: [] for rule in RULES}
