"""The pipelines obey the published schemas, hold no secret of Azure, and do what they say."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.infra.cloud import ROOT, Cloud

GITHUB = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
AZURE = sorted((ROOT / ".azuredevops" / "pipelines").glob("*.yml"))
GITHUB_SCHEMA = ["--builtin-schema", "vendor.github-workflows"]
# The schema's patterns are no legal Unicode patterns; its reader in Azure DevOps does not mind.
AZURE_SCHEMA = [
    *("--builtin-schema", "vendor.azure-pipelines", "--data-transform", "azure-pipelines"),
    *("--regex-variant", "nonunicode"),
]
SECRETS = {"AZURE_DEVOPS_CLIENT_SECRET", "ENTRA_CLIENT_SECRET"}
DONE_BY_BOTH = (
    "make lint",
    "make test",
    "pip_audit --strict --require-hashes --disable-pip --requirement requirements.txt",
    "pip_audit --strict --require-hashes --disable-pip --requirement requirements-dev.txt",
    "az bicep build --file infra/main.bicep",
    "az bicep lint --file infra/main.bicep",
    "make infra-check",
    "azd provision --preview --no-prompt",
    "azd provision --no-prompt",
    "azd deploy --no-prompt",
    'git checkout --force --detach "$BEFORE"',
)


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of a document."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


def scripts(paths: list[Path]) -> list[str]:
    """Every shell script of these files."""
    keys = ("run", "bash", "inlineScript")
    return [part[key] for path in paths for part in walk(read(path)) for key in keys if isinstance(part.get(key), str)]


def step(path: Path, name: str) -> dict[str, Any]:
    (found,) = [part for part in walk(read(path)) if name in (part.get("name"), part.get("displayName"))]
    return found


def check_schema(schema: list[str], *paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("schema", "paths"), [(GITHUB_SCHEMA, GITHUB), (AZURE_SCHEMA, AZURE)], ids=["github", "azure"])
def test_the_files_obey_the_published_schema(schema: list[str], paths: list[Path]) -> None:
    assert len(paths) >= 2
    checked = check_schema(schema, *paths)
    assert checked.returncode == 0, checked.stdout[-2000:]


@pytest.mark.parametrize(
    ("schema", "path", "right", "wrong"),
    [
        (GITHUB_SCHEMA, GITHUB[0], "permissions:", "permision:"),
        (GITHUB_SCHEMA, GITHUB[0], "needs: check", "require: check"),
        (GITHUB_SCHEMA, GITHUB[1], "id-token: write", "id-token: sometimes"),
        (AZURE_SCHEMA, AZURE[0], "timeoutInMinutes:", "timeout:"),
        (AZURE_SCHEMA, AZURE[1], "task: AzureCLI@2", "task: AzureCIL@2"),
        (AZURE_SCHEMA, AZURE[1], "runOnce:", "runTwice:"),
    ],
)
def test_the_schema_would_notice(schema: list[str], path: Path, right: str, wrong: str, tmp_path: Path) -> None:
    assert right in path.read_text()
    broken = tmp_path / path.name
    broken.write_text(path.read_text().replace(right, wrong))
    assert check_schema(schema, broken).returncode == 1


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_with_their_version_beside_it(path: Path) -> None:
    for used in re.findall(r"uses: (.*)", path.read_text()):
        assert re.fullmatch(r"\./\.github/workflows/[\w-]+\.yml|[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_a_workflow_may_read_the_repository_and_nothing_more(path: Path) -> None:
    document = read(path)
    assert document["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in document["on"]
    granted = [part["permissions"] for part in walk(document["jobs"]) if "permissions" in part]
    allowed = {("contents", "read"), ("deployments", "read"), ("id-token", "write")}
    assert all(set(permissions.items()) <= allowed for permissions in granted)
    checkouts = [part for part in walk(document) if str(part.get("uses", "")).startswith("actions/checkout@")]
    assert all(part["with"]["persist-credentials"] is False for part in checkouts)


def test_a_pull_request_of_a_fork_gets_no_token_of_azure() -> None:
    what_if = read(ROOT / ".github/workflows/check.yml")["jobs"]["what-if"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in what_if["if"]
    assert what_if["environment"] == "preview"
    (azure,) = [part for part in walk(read(AZURE[0])) if part.get("job") == "what_if"]
    assert "System.PullRequest.IsFork" in azure["condition"]


def test_only_the_client_secrets_are_secrets_and_only_provisioning_gets_them() -> None:
    for path in (*GITHUB, *AZURE):
        text = path.read_text()
        assert set(re.findall(r"secrets\.(\w+)", text)) <= SECRETS
        assert not re.search(r"creds:|client-secret:|AZURE_CREDENTIALS|servicePrincipalKey", text)
        for part in walk(read(path)):
            if SECRETS & set(part.get("env") or {}):
                assert "azd provision --no-prompt" in (part.get("run") or part["inputs"]["inlineScript"])


@pytest.mark.parametrize("script", scripts(GITHUB))
def test_no_expression_is_pasted_into_a_script(script: str) -> None:
    assert "${{" not in script


@pytest.mark.parametrize("script", scripts([*GITHUB, *AZURE]))
def test_every_script_is_legal_bash(script: str) -> None:
    checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("paths", [GITHUB, AZURE], ids=["github", "azure"])
@pytest.mark.parametrize("line", DONE_BY_BOTH)
def test_both_pipelines_do_the_same(paths: list[Path], line: str) -> None:
    assert any(line in script for script in scripts(paths))


def test_every_make_target_exists() -> None:
    called = {name for script in scripts([*GITHUB, *AZURE]) for name in re.findall(r"\bmake ([a-z-]+)", script)}
    defined = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    if not (ROOT / "infra" / "main.bicep").exists():
        defined.add("infra-check")  # comes with the template
    assert called <= defined


def test_production_comes_after_the_test_environment_and_that_after_the_checks() -> None:
    jobs = read(ROOT / ".github/workflows/azure-dev.yml")["jobs"]
    assert [jobs[name].get("needs") for name in ("check", "test", "production")] == [None, "check", "test"]
    assert [jobs[name]["with"]["environment"] for name in ("test", "production")] == ["test", "production"]
    stages = [part["parameters"] for part in walk(read(AZURE[0])) if part.get("template")]
    assert stages == [{"environment": "test", "after": "check"}, {"environment": "production", "after": "test"}]


def test_a_deployment_waits_for_the_approval_of_its_environment_and_is_never_cut_off() -> None:
    job = read(ROOT / ".github/workflows/deploy-environment.yml")["jobs"]["deploy"]
    assert job["environment"] == "${{ inputs.environment }}"
    assert job["concurrency"]["cancel-in-progress"] is False
    (stage,) = read(AZURE[1])["stages"]
    assert stage["jobs"][0]["environment"] == "${{ parameters.environment }}"
    assert stage["lockBehavior"] == "sequential"


def test_only_a_failed_deployment_is_rolled_back_and_only_to_a_known_commit() -> None:
    github = step(ROOT / ".github/workflows/deploy-environment.yml", "Roll back")
    assert github["if"] == "failure() && steps.deploy.outcome == 'failure' && steps.running.outputs.sha != ''"
    azure = step(AZURE[1], "Roll back")
    assert azure["condition"] == "and(failed(), eq(variables['deploying'], 'true'), ne(variables['before'], ''))"


def program(folder: Path, name: str, body: str) -> None:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def bash(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env={"PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.defpath}", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("states", "running"),
    [
        ({"3": "failure", "2": "success", "1": "inactive"}, "sha=commit2\n"),
        ({"3": "in_progress", "2": "failure", "1": "success"}, "sha=commit1\n"),
        ({"1": "in_progress"}, ""),
    ],
    ids=["the last", "the one before a failure", "the first ever"],
)
def test_github_goes_back_to_the_deployment_that_succeeded_last(
    states: dict[str, str], running: str, tmp_path: Path
) -> None:
    listed = "\\n".join(f"{number} commit{number}" for number in states)
    cases = " ".join(f"*/deployments/{number}/statuses*) echo {state};;" for number, state in states.items())
    program(tmp_path / "bin", "gh", f'case "$*" in {cases} *) printf "{listed}\\n";; esac')
    script = step(ROOT / ".github/workflows/deploy-environment.yml", "The commit that runs there now")["run"]
    output = tmp_path / "output"
    output.touch()
    ran = bash(script, tmp_path, GITHUB_REPOSITORY="o/r", ENVIRONMENT="test", GITHUB_OUTPUT=str(output))
    assert ran.returncode == 0, ran.stderr
    assert output.read_text() == running
    assert not (tmp_path / "deployments.txt").exists()


@pytest.mark.parametrize(
    ("builds", "before"),
    [([{"sourceVersion": "commit7"}], "commit7"), ([], "")],
    ids=["a run before", "the first ever"],
)
def test_azure_goes_back_to_the_run_that_succeeded_last(
    builds: list[dict[str, str]], before: str, tmp_path: Path
) -> None:
    program(tmp_path / "bin", "curl", f"printf '%s' '{json.dumps({'value': builds})}'")
    script = step(AZURE[1], "The commit of the last run that went all the way")["bash"]
    names = ("ACCESS_TOKEN", "SYSTEM_DEFINITIONID", "SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECTID")
    ran = bash(script, tmp_path, **dict.fromkeys(names, "x"))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == f"##vso[task.setvariable variable=before]{before}"


def hand_over(cloud: Cloud, variables: object) -> tuple[int, str, str]:
    parameters = cloud.place / "main.parameters.json"
    parameters.write_text('{"a": "${AZURE_ENV_NAME}", "b": "${VNET_ENABLED=false}"}')
    target = cloud.place / "github_env"
    target.touch()
    ran = cloud.run("pipeline_variables", str(parameters), VARIABLES=json.dumps(variables), GITHUB_ENV=str(target))
    return ran.code, ran.output, target.read_text()


def test_the_variables_that_the_template_and_the_hooks_read_are_handed_over(cloud: Cloud) -> None:
    code, output, written = hand_over(
        cloud,
        {"VNET_ENABLED": "true", "SMOKE_TEST_SECONDS": "60", "PATH": "/evil", "AZURE_CLIENT_ID": "x", "EMPTY": ""},
    )
    assert code == 0
    assert written == "SMOKE_TEST_SECONDS=60\nVNET_ENABLED=true\n"
    assert "VNET_ENABLED" in output


@pytest.mark.parametrize("mark", ["\n", "\r"])
def test_a_variable_with_a_line_break_sets_no_other_one(cloud: Cloud, mark: str) -> None:
    code, output, written = hand_over(cloud, {"VNET_ENABLED": f"true{mark}PATH=/evil"})
    assert code == 1
    assert "VNET_ENABLED" in output
    assert written == ""
