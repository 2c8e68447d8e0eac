"""The package holds what git tracks and `.funcignore` leaves in, and is the same bytes each time."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.tools.package.conftest import Checkout
from tools.package.__main__ import main
from tools.package.archive import zipped
from tools.package.contents import PackageError, read_contents

APPLICATION = ("function_app.py", "host.json", "requirements.txt", "shared/models.py")


def test_it_holds_what_is_tracked_and_not_ignored_by_name(checkout: Checkout) -> None:
    checkout.write("local.settings.json", '{"Values": {"TOKEN_ENCRYPTION_KEY": "secret"}}')
    checkout.write(".run/key", "secret")
    checkout.write("shared/stray.py", "secret")
    assert read_contents(checkout.root).names == APPLICATION


@pytest.mark.parametrize(
    ("pattern", "left_out"),
    [
        ("models.py", {"shared/models.py", "a/models.py"}),
        ("/models.py", set()),
        ("shared/*.py", {"shared/models.py"}),
        ("*.py\n!function_app.py", {"shared/models.py", "a/models.py"}),
        ("a/", {"a/models.py"}),
        ("**/models.py\n# comment", {"shared/models.py", "a/models.py"}),
    ],
)
def test_the_patterns_are_those_of_gitignore(checkout: Checkout, pattern: str, left_out: set[str]) -> None:
    """git itself is asked what they mean."""
    checkout.write("a/models.py")
    before = set(checkout_names(checkout))
    checkout.write(".funcignore", f".git*\n.funcignore\ntests\npyproject.toml\n{pattern}\n")
    after = set(checkout_names(checkout))
    assert before - after == left_out
    listed = ["ls-files", "-z", "--cached", "--ignored", "--exclude-from", checkout.root / ".funcignore"]
    asked = subprocess.run(["git", "-C", checkout.root, *listed], capture_output=True, text=True, check=True)
    assert set(asked.stdout.split("\0")) & before == left_out


def checkout_names(checkout: Checkout) -> tuple[str, ...]:
    checkout.commit()
    return read_contents(checkout.root).names


def test_the_bytes_depend_on_nothing_but_names_and_contents(checkout: Checkout, tmp_path: Path) -> None:
    """Another folder, other times and permissions, a name order of another file system: the same zip."""
    first = zipped(checkout.root, APPLICATION)
    copy = tmp_path / "copy"
    subprocess.run(["git", "clone", "--quiet", checkout.root, copy], check=True, capture_output=True)
    (copy / "host.json").chmod(0o700)
    os.utime(copy / "function_app.py", (1_000_000_000, 1_000_000_000))
    assert zipped(copy, reversed(APPLICATION)) == first
    (copy / "host.json").write_text("{ }")
    assert zipped(copy, APPLICATION) != first


def test_every_entry_is_a_readable_file_of_1980_in_order(checkout: Checkout) -> None:
    with zipfile.ZipFile(io.BytesIO(zipped(checkout.root, reversed(APPLICATION)))) as archive:
        assert archive.testzip() is None
        entries = archive.infolist()
    assert tuple(entry.filename for entry in entries) == APPLICATION
    assert {(entry.date_time, entry.external_attr >> 16) for entry in entries} == {((1980, 1, 1, 0, 0, 0), 0o100644)}


def test_the_command_writes_the_same_twice_and_says_what_it_did(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.write("shared/models.py", "x = 2\n")
    checkout.write("shared/forgotten.py")
    checkout.write("shared/local.settings.json")
    written = []
    for _ in range(2):
        assert main(["--root", str(checkout.root)]) == 0
        written.append(
            [(checkout.root / "dist" / name).read_bytes() for name in ("gatehouse.zip", "gatehouse.sbom.json")]
        )
    assert written[0] == written[1]
    said = capsys.readouterr().out
    assert "note: shared/models.py differs from the commit" in said
    assert "note: shared/forgotten.py is left out: git does not track it" in said
    assert "local.settings.json" not in said
    assert "dist/gatehouse.zip: 4 files" in said
    assert "dist/gatehouse.sbom.json: 1 packages" in said


def link_outside(checkout: Checkout) -> None:
    (checkout.root / "shared" / "keys.txt").symlink_to("/etc/hostname")
    checkout.commit()


def ignored_host_json(checkout: Checkout) -> None:
    checkout.write(".funcignore", "host.json\n")


def deleted(checkout: Checkout) -> None:
    (checkout.root / "shared" / "models.py").unlink()


def unpinned(checkout: Checkout) -> None:
    checkout.write("requirements.txt", "requests>=2\n")


def no_repository(checkout: Checkout) -> None:
    (checkout.root / ".git").rename(checkout.root / "elsewhere")


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (link_outside, "shared/keys.txt is a symbolic link"),
        (ignored_host_json, "host.json would not be in the package"),
        (deleted, "shared/models.py is tracked, but is not there"),
        (unpinned, "requests is not pinned by version and hash"),
        (no_repository, "Package from a git checkout"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_can_be_no_package_is_one_line_and_nothing_is_written(
    checkout: Checkout, break_it: object, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    break_it(checkout)
    assert main(["--root", str(checkout.root)]) == 1
    assert said in capsys.readouterr().err
    assert not (checkout.root / "dist").exists()


def test_without_git_it_says_what_git_is_needed_for(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent / "nothing"))
    with pytest.raises(PackageError, match="git is not installed"):
        read_contents(checkout.root)
