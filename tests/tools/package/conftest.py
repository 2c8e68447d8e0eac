"""A small application under git to package, and the real one, unpacked elsewhere with its own packages alone."""

from __future__ import annotations

import io
import subprocess
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import part_is_missing
from tools import bootstrap
from tools.bootstrap import PartError
from tools.package.archive import zipped
from tools.package.contents import read_contents
from tools.package.sbom import read_pinned

ROOT = Path(__file__).parents[3]
WORKER = ("azure-functions-runtime", "uvicorn", "httptools")
"""What Azure's host brings, or our local one in its place: no requirement of the application."""


@dataclass(frozen=True)
class Checkout:
    """A git repository with an application of a few lines."""

    root: Path

    def write(self, name: str, text: str = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def git_init(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> None:
        person = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", self.root, *person, *arguments], check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "checkout")
    made.write("function_app.py")
    made.write("host.json", "{}")
    made.write("requirements.txt", f"requests==2.0 \\\n    --hash=sha256:{'a' * 64}\n    # via -r requirements.in\n")
    made.write("pyproject.toml", '[project]\nname = "small"\nversion = "1.2.3"\n')
    made.write("shared/models.py", "x = 1\n")
    made.write("tests/test_models.py")
    made.write(".gitignore", "local.settings.json\n/.run/\n")
    made.write(".funcignore", ".git*\n.funcignore\ntests\npyproject.toml\n")
    made.git_init()
    made.commit()
    return made


@dataclass(frozen=True)
class Deployed:
    """The package unpacked, an interpreter that has nothing but its requirements, and what a host brings along."""

    site: Path
    python: Path
    worker: Path


@pytest.fixture(scope="session")
def package() -> bytes:
    """The zip of this checkout."""
    return zipped(ROOT, read_contents(ROOT).names)


@pytest.fixture(scope="session")
def deployed(package: bytes, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    folder = tmp_path_factory.mktemp("deployed")
    site = folder / "site"
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        archive.extractall(site)
    return Deployed(site, installed(site / "requirements.txt", folder), worker_packages(site, folder / "worker"))


def installed(requirements: Path, folder: Path) -> Path:
    """A fresh virtual environment with these requirements alone; its interpreter.

    By bootstrap's uv and settings, and from uv's cache where that has them: `make test` needs no network twice.
    """
    if not (ROOT / ".tools" / "uv").exists():
        part_is_missing("uv", "python3 tools/bootstrap.py packages")
    (folder / ".tools").mkdir()
    (folder / ".tools" / "uv").symlink_to(ROOT / ".tools" / "uv")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    python = folder / "venv" / "bin" / "python"
    with bootstrap._workshop(folder) as work:
        work.run([work.uv, "venv", "--no-project", "--python", bootstrap._base_of_venv(work), folder / "venv"])
        install = [work.uv, "pip", "install", "--require-hashes", "--python", python, "-r", requirements]
        try:
            work.run([*install, "--offline"])
        except PartError:
            work.run(install, more=bootstrap._pip_settings(work))
    return python


def worker_packages(site: Path, folder: Path) -> Path:
    """A folder for PYTHONPATH: the worker's packages without those that the application brings, and our local host.

    In Azure the application's packages come before the worker's own ones; here it has those and no others.
    """
    folder.mkdir()
    own = {it.requirement.name for it in read_pinned((site / "requirements.txt").read_text())}
    for name in closure(WORKER) - own:
        for entry in {Path(str(file)).parts[0] for file in metadata.files(name) or ()} - {"..", "__pycache__"}:
            (folder / entry).symlink_to(metadata.distribution(name).locate_file(entry))
    (folder / "tools").symlink_to(ROOT / "tools")
    return folder


def closure(names: tuple[str, ...]) -> set[str]:
    """These distributions and all that they require here."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            wanted = [Requirement(line) for line in metadata.requires(name) or ()]
            waiting += [
                canonicalize_name(it.name) for it in wanted if not it.marker or it.marker.evaluate({"extra": ""})
            ]
    return found
