"""The bill of materials names every package that is deployed, by version and hash, and who wants it."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.package.sbom import Application, bill, read_pinned

ROOT = Path(__file__).parents[3]
REQUIREMENTS = (ROOT / "requirements.txt").read_text()
APPLICATION = Application("gatehouse", "1.2.3", "d" * 64, "c" * 40, 1_700_000_000)


@pytest.fixture(scope="module")
def materials() -> dict[str, Any]:
    text = bill(APPLICATION, read_pinned(REQUIREMENTS))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    return json.loads(text)


def test_the_schema_would_notice(materials: dict[str, Any]) -> None:
    for broken in ({"bomFormat": "SPDX"}, {"components": [{"name": "requests"}]}, {"serialNumber": "1"}):
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(materials | broken)) is not None


def test_every_line_of_the_requirements_is_a_component_with_all_its_hashes(materials: dict[str, Any]) -> None:
    """Counted by another reading of the file than the one under test."""
    pinned = re.findall(r"^([a-z0-9._-]+)(?:\[.*\])?==(\S+)", REQUIREMENTS, re.MULTILINE)
    assert [(it["name"], it["version"]) for it in materials["components"]] == sorted(pinned)
    assert all(it["purl"] == f"pkg:pypi/{it['name']}@{it['version']}" for it in materials["components"])
    hashes = [found["content"] for it in materials["components"] for found in it["hashes"]]
    assert sorted(hashes) == sorted(re.findall(r"sha256:([0-9a-f]{64})", REQUIREMENTS))


def test_the_dependencies_are_those_that_the_installed_packages_declare(materials: dict[str, Any]) -> None:
    """Asked of the packages themselves: what one requires here is what the bill says, and more only for extras."""
    names = {it["purl"]: it["name"] for it in materials["components"]} | {"gatehouse": "gatehouse"}
    said = {names[it["ref"]]: {names[ref] for ref in it.get("dependsOn", [])} for it in materials["dependencies"]}
    direct = {Requirement(line).name for line in (ROOT / "requirements.in").read_text().splitlines() if line[0] != "#"}
    assert said.pop("gatehouse") == direct
    assert len(said) == len(materials["components"])
    for name, wanted in said.items():
        declared = [Requirement(line) for line in metadata.requires(name) or ()]
        always = [it for it in declared if not it.marker or it.marker.evaluate({"extra": ""})]
        required = {canonicalize_name(it.name) for it in always}
        optional = {canonicalize_name(it.name) for it in declared} - required
        assert required <= wanted, name
        assert wanted <= required | optional, name


def test_it_says_which_package_of_which_commit_it_belongs_to(materials: dict[str, Any]) -> None:
    subject = materials["metadata"]["component"]
    assert (subject["name"], subject["version"]) == ("gatehouse", "1.2.3")
    assert subject["hashes"] == [{"alg": "SHA-256", "content": "d" * 64}]
    assert subject["properties"] == [{"name": "gatehouse:commit", "value": "c" * 40}]
    assert materials["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


def test_a_package_for_some_platforms_only_carries_its_marker() -> None:
    marked = read_pinned(
        f"colorama==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:{'a' * 64}\n    # via -r requirements.in\n"
    )
    (component,) = json.loads(bill(APPLICATION, marked))["components"]
    assert component["properties"] == [{"name": "gatehouse:marker", "value": 'sys_platform == "win32"'}]


@pytest.mark.parametrize(
    "line",
    [
        "requests",
        "requests>=2",
        f"requests==2.* \\\n    --hash=sha256:{'a' * 64}",
        "requests==2.0",
        "requests==2.0 # sha",
    ],
)
def test_what_is_not_pinned_by_version_and_hash_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"not pinned by version and hash|Expected"):
        read_pinned(line + "\n")
