"""G4: no secret in the history, the package, the settings or the build output; and each kind would be noticed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests import secret_scan
from tests.conftest import part_is_missing
from tests.evidence import Report
from tests.secret_scan import ALLOWED, SHAPES, findings, scan
from tests.site import ROOT
from tests.tools.package.conftest import Checkout
from tools.package.archive import zipped
from tools.package.contents import read_contents
from tools.package.sbom import Application, bill, read_pinned

SETTINGS = ("local.settings.example.json", "host.json", "azure.yaml", "infra/main.parameters.json", "requirements.txt")
PIPELINES = [*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob(".azuredevops/pipelines/*.yml")]
SECRET_NAME = re.compile(r"SECRET|PASSWORD|ENCRYPTION_KEY|AccountKey|ACCESS_TOKEN|GH_TOKEN", re.IGNORECASE)
REFERENCE = re.compile(r"\$\{\{ (secrets\.\w+|github\.token) \}\}|\$\(\w+(\.\w+)*\)|\$\{\w+=?\}|inherit|")


@pytest.fixture(scope="module", autouse=True)
def repository() -> None:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        part_is_missing("the git repository", "clone it instead of unpacking an archive")


@pytest.mark.acceptance("G4")
def test_no_secret_was_ever_committed(evidence: Report) -> None:
    """Every blob, commit message and tag; in a shallow clone those that are there, and it says so."""
    if note := secret_scan.cut_off(ROOT):
        warnings.warn(note, stacklevel=1)
    judged, found = scan(secret_scan.history(ROOT))
    assert found == []
    assert judged > len(list(secret_scan.tracked(ROOT))) / 2
    evidence(cases=judged)


@pytest.mark.acceptance("G4")
def test_no_secret_is_about_to_be_committed(evidence: Report) -> None:
    judged, found = scan(secret_scan.tracked(ROOT))
    assert found == []
    evidence(cases=judged)


@pytest.mark.acceptance("G4")
def test_no_secret_is_deployed(evidence: Report) -> None:
    """The package entry by entry, and its bill of materials."""
    contents = read_contents(ROOT)
    package = zipped(ROOT, contents.names)
    application = Application("gatehouse", "0", hashlib.sha256(package).hexdigest(), contents.commit, 0)
    materials = bill(application, read_pinned((ROOT / "requirements.txt").read_text()))
    judged, found = scan([*secret_scan.zip_entries(package), ("bill of materials", materials.encode())])
    assert found == []
    evidence(cases=judged)


@pytest.mark.acceptance("G4")
def test_no_secret_is_in_what_was_built_here(evidence: Report) -> None:
    """What lies in dist/ and build/ now: packages, reports, pictures."""
    judged, found = scan([*secret_scan.folder(ROOT / "dist"), *secret_scan.folder(ROOT / "build")])
    assert found == []
    evidence(cases=judged)


def named_values(node: Any) -> Iterator[tuple[str, Any]]:
    """Every name of a document with its value, also of lists of {name, value}."""
    if isinstance(node, dict):
        yield from node.items()
        yield str(node.get("name", "")), node.get("value", "")
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from named_values(child)


def literal_secrets(text: str) -> list[str]:
    """The names of settings that are secret by their name and have a value of their own: no reference, not empty."""
    document = YAML(typ="safe").load(text)
    named = [(name, value) for name, value in named_values(document) if SECRET_NAME.search(str(name))]
    return [name for name, value in named if isinstance(value, str) and not REFERENCE.fullmatch(value)]


@pytest.mark.acceptance("G4")
@pytest.mark.parametrize(
    "path", [*(ROOT / name for name in SETTINGS), *PIPELINES], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_no_setting_that_is_secret_has_a_value(path: Path, evidence: Report) -> None:
    assert findings(path.name, path.read_bytes()) == []
    if path.suffix != ".txt":
        assert literal_secrets(path.read_text()) == []
    evidence(cases=1)


@pytest.mark.parametrize(
    "text",
    [
        '{"Values": {"ENTRA_CLIENT_SECRET": "hunter2"}}',
        '{"Values": {"TOKEN_ENCRYPTION_KEY": "short"}}',
        "env:\n  AZURE_DEVOPS_CLIENT_SECRET: hunter2",
        "env:\n  GH_TOKEN: ghx",
        "variables:\n  - name: clientSecret\n    value: hunter2",
        '{"parameters": {"clientSecret": "${ENTRA_CLIENT_SECRET=hunter2}"}}',
    ],
)
def test_a_secret_setting_with_a_value_is_noticed_whatever_its_shape(text: str) -> None:
    assert len(literal_secrets(text)) == 1


HEX = hashlib.sha256(b"planted").hexdigest()
SAMPLES = {
    "client secret of Entra ID": f"Abc8Q~{HEX[:34]}",
    "key of a storage account": base64.b64encode(hashlib.sha512(b"planted").digest()).decode(),
    "encryption key": HEX,
    "token or legacy client secret (JWT)": ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=")
        for part in (b'{"alg":"RS256"}', b'{"sub":"ada"}', b"signed")
    ),
    "refresh token of Entra ID": f"1.A{'Qx9_' * 60}",
    "private key": f"-----BEGIN RSA {'PRIVATE'} KEY-----\nMIIE\n",
    "shared access signature": f"https://x.blob.core.windows.net/c?sp=r&sig={HEX[:43]}%3D",
    "personal access token": base64.b32encode(bytes.fromhex(HEX)).decode().lower().rstrip("="),
    "personal access token since 2024": f"{HEX}{HEX[:12]}AZDO{HEX[:4]}",
    "key of the Functions host": f"{HEX[:44]}AzFu{HEX[:5]}Q==",
}
"""One of each kind, put together here: written out, the scan would find them in this file."""


def test_every_shape_has_a_sample() -> None:
    assert SAMPLES.keys() == SHAPES.keys()


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_planted_secret_is_found_wherever_it_lies(kind: str, tmp_path: Path) -> None:
    """In a file that was deleted again, in a commit's message, in a settings file, in a package, in build output."""
    planted = Checkout(tmp_path / "planted")
    note = f'value = "{SAMPLES[kind]}"\n'
    planted.git_init()
    planted.write("shared/notes.txt", note)
    planted.write("local.settings.example.json", json.dumps({"Values": {"X": SAMPLES[kind]}}))
    planted.commit()
    (planted.root / "shared" / "notes.txt").unlink()
    planted.write("dist/report.txt", note)
    planted.git("add", "shared")
    planted.git("commit", "--quiet", "--message", f"remove it\n\n{note}")
    in_history = scan(secret_scan.history(planted.root))[1]
    assert {found.where.split()[-1] for found in in_history if found.kind == kind} >= {
        "shared/notes.txt",
        "local.settings.example.json",
    }
    assert any(found.where.startswith("commit ") for found in in_history)
    for places in (
        secret_scan.tracked(planted.root),
        secret_scan.zip_entries(zipped(planted.root, ["local.settings.example.json"])),
        secret_scan.folder(planted.root / "dist"),
    ):
        assert kind in {found.kind for found in scan(places)[1]}


def test_a_package_in_the_build_output_is_read_entry_by_entry(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text(HEX)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "old.zip").write_bytes(zipped(tmp_path, ["notes.txt"]))
    assert scan(secret_scan.folder(tmp_path / "dist"))[1] == [("dist/old.zip notes.txt", "encryption key")]


@pytest.mark.parametrize(
    "text",
    [
        f"--hash=sha256:{HEX}",
        f'"alg": "SHA-256",\n          "content": "{HEX}"',
        f'"sha256": "{HEX}"',
        f'"integrity": "sha512-{SAMPLES["key of a storage account"]}"',
        HEX[:63],
        HEX[:40],
        HEX + "0",
        "the word AccountKey= alone, sig=short, eyJhbGciOi.x",
        *(value.decode() for value in ALLOWED),
    ],
)
def test_digests_shorter_values_and_what_is_allowed_are_no_findings(text: str) -> None:
    assert findings("here", text.encode()) == []


def test_everything_that_is_allowed_is_still_there_to_be_allowed() -> None:
    """An exception that nothing needs any more is a hole."""
    everything = b"".join(body for _, body in secret_scan.tracked(ROOT) if b"ALLOWED: dict" not in body)
    assert [value for value in ALLOWED if value not in everything] == []


def test_a_shallow_clone_says_so_and_is_scanned_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = Checkout(tmp_path / "whole")
    whole.git_init()
    for text in (HEX, SAMPLES["private key"]):
        whole.write("notes.txt", text)
        whole.commit()
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", whole.root.as_uri(), shallow], check=True)
    assert secret_scan.cut_off(whole.root) == ""
    assert secret_scan.cut_off(shallow).startswith("shallow clone: only the last 1 commits were scanned")
    assert [found.kind for found in scan(secret_scan.history(shallow))[1]] == ["private key"]
    assert len(scan(secret_scan.history(whole.root))[1]) == 2
