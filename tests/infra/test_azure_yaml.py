"""azure.yaml obeys azd's published schema, and means the same on every system.

The rules are those of schemas/v1.0/azure.yaml.json in github.com/Azure/azure-dev, as far as this file uses them.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.infra.cloud import HOOKS, ROOT, Cloud

PARAMETERS = ROOT / "infra" / "main.parameters.json"
SHELLS = {"posix": "sh", "windows": "pwsh"}
SCRIPT = re.compile(r"infra/hooks/\w+\.py")
# azd sets these by itself, and the last two are those of whoever runs the pipeline.
NOT_CARRIED = {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"}
OF_THE_HOOKS = {"REGISTER_ENTRA_APPLICATION"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return YAML(typ="safe").load((ROOT / "azure.yaml").read_text())


@pytest.fixture(scope="module")
def commands(project: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(event, system, hook[system]) for event, hook in project["hooks"].items() for system in hook]


def test_the_project_has_the_keys_of_the_schema(project: dict[str, Any]) -> None:
    assert set(project) == {"name", "metadata", "requiredVersions", "services", "hooks", "pipeline"}
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", project["name"])
    assert re.fullmatch(r"[a-z][-a-z0-9]*@\d+\.\d+\.\d+", project["metadata"]["template"])
    assert re.fullmatch(r">= \d+\.\d+\.\d+", project["requiredVersions"]["azd"])
    assert set(project["requiredVersions"]) == {"azd"}


def test_the_template_has_the_version_of_the_project(project: dict[str, Any]) -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert project["metadata"]["template"].endswith(f"@{version[1]}")


def test_the_service_is_the_function_app_that_the_template_tags(project: dict[str, Any]) -> None:
    assert project["services"] == {
        "app": {"project": ".", "language": "python", "host": "function", "remoteBuild": True}
    }


def test_every_hook_runs_on_every_system(project: dict[str, Any]) -> None:
    assert set(project["hooks"]) == {"preprovision", "postprovision", "postdeploy"}
    assert all(set(hook) == set(SHELLS) for hook in project["hooks"].values())


def test_a_hook_is_one_python_script_named_after_its_event(commands: list[tuple[str, str, dict[str, Any]]]) -> None:
    for event, system, command in commands:
        assert set(command) <= {"shell", "run", "interactive"}
        assert command["shell"] == SHELLS[system]
        assert SCRIPT.findall(command["run"]) == [f"infra/hooks/{event}.py"]
        assert (HOOKS / f"{event}.py").is_file()


def test_the_hook_that_asks_has_the_terminal(commands: list[tuple[str, str, dict[str, Any]]]) -> None:
    assert {(event, system) for event, system, command in commands if command.get("interactive")} == {
        ("postprovision", system) for system in SHELLS
    }


def test_the_posix_line_works_as_it_stands(project: dict[str, Any], cloud: Cloud) -> None:
    cloud.values(AZURE_DEVOPS_APP_ID="44444444-4444-4444-8444-444444444444")
    (cloud.place / "bin" / "python3").symlink_to(sys.executable)
    line = project["hooks"]["preprovision"]["posix"]["run"]
    ran = subprocess.run(
        ["sh", "-c", line], cwd=ROOT, env=cloud.environment(), capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "az: ada@example.org" in ran.stdout


@pytest.mark.parametrize("script", sorted(HOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_a_hook_needs_nothing_but_the_standard_library(script: Path) -> None:
    own = {path.stem for path in HOOKS.glob("*.py")}
    imported = re.findall(r"^\s*(?:from|import) (\w+)", script.read_text(), re.MULTILINE)
    assert [name for name in imported if name not in own and name not in sys.stdlib_module_names] == []


@pytest.mark.parametrize("script", sorted(HOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_a_hook_is_written_for_python_3_9(script: Path) -> None:
    tree = ast.parse(script.read_text(), feature_version=(3, 9))
    assert "from __future__ import annotations" in ast.unparse(tree)


def test_a_pipeline_deploys_with_the_parameters_that_a_person_did(project: dict[str, Any]) -> None:
    read = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", PARAMETERS.read_text()))
    assert set(project["pipeline"]["variables"]) == read - NOT_CARRIED | OF_THE_HOOKS


def test_no_secret_is_carried_to_a_pipeline(project: dict[str, Any]) -> None:
    assert set(project["pipeline"]) == {"variables"}
    assert [name for name in project["pipeline"]["variables"] if re.search("SECRET|KEY$|PASSWORD", name)] == []


@pytest.mark.parametrize("name", [".azure", ".azuredevops", "azure.yaml", "infra", "tests", ".git*"])
def test_nothing_of_the_deployment_is_uploaded_with_the_application(name: str) -> None:
    assert name in (ROOT / ".funcignore").read_text().splitlines()


def test_the_values_of_a_deployment_are_not_committed() -> None:
    assert ".azure/" in (ROOT / ".gitignore").read_text().splitlines()
