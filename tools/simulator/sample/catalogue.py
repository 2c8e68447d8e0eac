"""Looks up the sample data by organization and project."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tools.simulator.sample.builds import Build, make_builds
from tools.simulator.sample.projects import ORGANIZATIONS, PLANS, Project, make_projects
from tools.simulator.sample.repositories import make_repositories
from tools.simulator.sample.work_items import WorkItem, make_work_items


@dataclass
class Organization:
    """One organization and everything in it; contents are keyed by project id."""

    name: str
    projects: list[Project] = field(default_factory=list)
    work_items: dict[int, WorkItem] = field(default_factory=dict)
    builds: dict[str, list[Build]] = field(default_factory=dict)
    repositories: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def project(self, name_or_id: str) -> Project | None:
        """By name (case does not matter) or by id."""
        wanted = name_or_id.casefold()
        return next((each for each in self.projects if wanted in (each.name.casefold(), each.id)), None)


class Catalogue:
    """The sample; an organization is generated when it is first asked for, once.

    `started_at` is the moment that "a minute ago" refers to.
    """

    def __init__(self, started_at: datetime) -> None:
        self._started_at = started_at
        self._generated: dict[str, Organization] = {}

    def organization(self, name: str) -> Organization | None:
        wanted = name.lower()
        if wanted not in ORGANIZATIONS:
            return None
        if wanted not in self._generated:
            self._generated[wanted] = _generate(wanted, self._started_at)
        return self._generated[wanted]


def _generate(name: str, started_at: datetime) -> Organization:
    organization = Organization(name)
    for plan, project in zip(PLANS, make_projects(started_at), strict=True):
        if plan.organization != name:
            continue
        organization.projects.append(project)
        first_item = len(organization.work_items) + 1001
        items = make_work_items(project, plan.work_items, first_item, started_at)
        organization.work_items |= {item.id: item for item in items}
        first_build = sum(map(len, organization.builds.values())) + 4201
        organization.builds[project.id] = make_builds(project, plan.builds, first_build, started_at)
        organization.repositories[project.id] = make_repositories(project, plan.repositories)
    return organization
