"""Which files are the application: those that git tracks and `.funcignore` leaves in."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

NEEDED = ("function_app.py", "host.json", "requirements.txt")


class PackageError(Exception):
    """No package can be made. Carries one sentence for the person, with what to do."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes in, by name, sorted; what was left out though it looks like a part of it; where it comes from."""

    names: tuple[str, ...]
    untracked: tuple[str, ...]
    changed: tuple[str, ...]
    commit: str
    committed_at: int  # seconds since 1970, UTC


def read_contents(root: Path) -> Contents:
    """Ask git, and apply `.funcignore`, whose patterns are those of gitignore.

    Raises PackageError outside of a checkout, when a part is a symbolic link or deleted, and when the Functions host
    would not find an application in what is left.
    """
    ignored = GitIgnoreSpec.from_lines((root / ".funcignore").read_text("utf-8").splitlines())
    names = _chosen(_git_lines(root, "ls-files"), ignored)
    _require_whole(root, names)
    commit, committed_at = _git(root, "log", "-1", "--format=%H %ct").split()
    changed = set(_git_lines(root, "diff", "--name-only", "HEAD"))
    return Contents(
        names=names,
        untracked=_chosen(_git_lines(root, "ls-files", "--others", "--exclude-standard"), ignored),
        changed=tuple(name for name in names if name in changed),
        commit=commit,
        committed_at=int(committed_at),
    )


def _chosen(names: list[str], ignored: GitIgnoreSpec) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if not ignored.match_file(name)))


def _require_whole(root: Path, names: tuple[str, ...]) -> None:
    absent = [name for name in NEEDED if name not in names]
    if absent:
        raise PackageError(f"{absent[0]} would not be in the package: it is not tracked, or .funcignore names it.")
    for name in names:
        if (root / name).is_symlink():
            raise PackageError(f"{name} is a symbolic link, and may lead out of the checkout: track a file instead.")
        if not (root / name).is_file():
            raise PackageError(f"{name} is tracked, but is not there: restore it (git restore) or remove it (git rm).")


def _git_lines(root: Path, *arguments: str) -> list[str]:
    return _git(root, *arguments, "-z").split("\0")[:-1]


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise PackageError("git is not installed: it says which files belong to the application.") from None
    except subprocess.CalledProcessError as error:
        raise PackageError(f"git says: {error.stderr.strip()}. Package from a git checkout with a commit.") from None
    return done.stdout
