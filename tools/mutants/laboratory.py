"""Where faults are planted: copies of the tree below `build/`, never the tree itself.

Each trial is a pytest process in a copy of its own; what it started ends with it, also on Ctrl-C.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.mutants.table import Mutant
from tools.run import processes

FETCHED = (".venv", ".tools")
"""Parts that make fetches; trials share them."""
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of one id's tests came to. `red`: test and what it said; `ran` tests passed."""

    red: tuple[tuple[str, str], ...]
    passed: int
    seconds: float
    hung: bool = False
    tests: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trouble: str = ""

    @property
    def green(self) -> bool:
        return not self.red and not self.hung and not self.trouble and self.passed > 0


class CollectionError(Exception):
    """The tests can't be collected, so that nothing can be said of any fault. Says what pytest said."""


class Interrupted(Exception):
    """Somebody stopped the whole run."""


class Laboratory:
    """Copies of one clean tree, and the pytest runs in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clean = folder / "clean"
        self._stopping = threading.Event()

    def prepare(self, root: Path) -> None:
        """Copy what git knows or would take, and compile it once for all trials."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            source, target = root / name, self._clean / name
            if source.is_file() and not source.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        for part in FETCHED:
            if (root / part).exists():
                (self._clean / part).symlink_to((root / part).resolve())
        # By hash: a fault planted within a second of its file, and as long, would not be seen by its time and size.
        compile_all = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash"]
        places = ["functions", "shared", "tools", "tests"]
        subprocess.run([sys.executable, *compile_all, *places], cwd=self._clean, check=False)

    def collect(self) -> Mapping[str, Sequence[str]]:
        """Acceptance id → the files with tests of it. Raises CollectionError."""
        outcome = self._run(self._clean, ["--collect-only", "-q"], seconds=300)
        if outcome.trouble or outcome.red:
            raise CollectionError(f"the tests can't be collected: {outcome.trouble or ' '.join(outcome.red[0])}")
        return outcome.tests

    def trial(
        self, row: str, files: Sequence[str], mutant: Mutant | None, *, seconds: float, full: bool = False
    ) -> Outcome:
        """Run the tests of an acceptance id until the first is red, with the fault in place if there is one."""
        with self._copy() as tree:
            if mutant:
                text = mutant.mutate(tree)
                (tree / mutant.file).write_text(text, "utf-8")
            options = ["-x", "-q", "--ids", row, *(["--full"] if full else []), *files]
            return self._run(tree, options, seconds=seconds)

    def stop(self) -> None:
        """End all trials; those that run raise Interrupted."""
        self._stopping.set()

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        tree = Path(tempfile.mkdtemp(dir=self._folder, prefix="tree-"))
        try:
            shutil.copytree(self._clean, tree, symlinks=True, dirs_exist_ok=True)
            yield tree
        finally:
            shutil.rmtree(tree, ignore_errors=True)

    def _run(self, tree: Path, options: Sequence[str], *, seconds: float) -> Outcome:
        if self._stopping.is_set():
            raise Interrupted
        record = tree / "outcome.json"
        command = [sys.executable, "-m", "pytest", "-p", "tools.mutants.recorder", "--record", str(record), *options]
        began = time.monotonic()
        child = processes.start("pytest", command, log=tree / "pytest.log", environment=os.environ, cwd=tree)
        try:
            while child.alive and time.monotonic() - began < seconds:
                if self._stopping.wait(POLL_SECONDS):
                    raise Interrupted
            hung = child.alive
        finally:
            code = child.stop()
        took = time.monotonic() - began
        if hung:
            return Outcome((), 0, took, hung=True)
        if not record.exists():
            return Outcome((), 0, took, trouble=f"pytest ended with {code}: {processes.tail(child.log)}")
        return _outcome(json.loads(record.read_text("utf-8")), took)


def _outcome(found: Mapping[str, Any], seconds: float) -> Outcome:
    red = tuple((test, said) for test, said in found["red"])
    return Outcome(red, found["passed"], seconds, tests=found["tests"])


@contextmanager
def laboratory(root: Path) -> Iterator[Laboratory]:
    """A laboratory with a clean copy of `root`; nothing of it is left afterwards."""
    build = root / "build"
    build.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=build, prefix="mutants-"))
    lab = Laboratory(folder)
    try:
        lab.prepare(root)
        yield lab
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)
