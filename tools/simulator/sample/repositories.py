"""Repositories: normal, forked, empty, disabled and huge."""

from typing import Any
from urllib.parse import quote

from tools.simulator.sample.identifiers import guid
from tools.simulator.sample.projects import Project

HUGE_BYTES = 8_469_699_983  # beyond 2^31, as seen on the wire (facts 4.7)
_NAMES = {"empty": "scratch", "disabled": "old-monolith", "huge": "media-archive", "fork": "dotfiles-fork"}
_SIZES = {"normal": 4_718_592, "empty": 0, "disabled": 1_602, "huge": HUGE_BYTES, "fork": 68_211}


def make_repositories(project: Project, kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    """The project's repositories as the list shows them; the normal one is named like the project."""
    return [_make(project, kind) for kind in kinds]


def repository_id(project: Project, kind: str = "normal") -> str:
    return guid("repository", project.id, kind)


def _make(project: Project, kind: str) -> dict[str, Any]:
    name = _NAMES.get(kind, project.name)
    repository = repository_id(project, kind)
    place = f"{project.organization}/{quote(project.name)}/_git/{quote(name)}"
    # An empty repository has no default branch; a disabled one keeps its own (facts 4.7).
    branch = {} if kind == "empty" else {"defaultBranch": "refs/heads/main"}
    fork = {"isFork": True} if kind == "fork" else {}
    return {
        "id": repository,
        "name": name,
        "url": f"https://dev.azure.com/{project.organization}/{project.id}/_apis/git/repositories/{repository}",
        "project": project.reference(),
        **branch,
        "size": _SIZES[kind],
        "remoteUrl": f"https://{project.organization}@dev.azure.com/{place}",
        "sshUrl": f"git@ssh.dev.azure.com:v3/{project.organization}/{quote(project.name)}/{quote(name)}",
        "webUrl": f"https://dev.azure.com/{place}",
        **fork,
        "isDisabled": kind == "disabled",
        "isInMaintenance": False,
    }
