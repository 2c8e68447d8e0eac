"""Builds with every status and result; those not started have no start, finish or result (facts 4.6)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha1
from random import Random
from typing import Any
from urllib.parse import quote

from tools.simulator.sample.identifiers import guid
from tools.simulator.sample.people import COLLEAGUES
from tools.simulator.sample.projects import Project
from tools.simulator.sample.repositories import repository_id
from tools.simulator.sample.times import milliseconds, ticks

# The newest builds go through every status and result in this order; older ones are completed.
NEWEST = (("notStarted", None), ("notStarted", None), ("inProgress", None), ("cancelling", None),
          ("postponed", None), ("completed", "succeeded"), ("completed", "partiallySucceeded"),
          ("completed", "failed"), ("completed", "canceled"), ("completed", "none"))  # fmt: skip
DEFINITIONS = ((11, "CI"), (12, "Nightly"), (17, "Release <canary> & friends"))
BRANCHES = ("refs/heads/main", "refs/heads/main", "refs/heads/feature/größer", "refs/pull/318/merge",
            "refs/heads/users/o'brien/fix")  # fmt: skip


@dataclass(frozen=True)
class Build:
    """One build; `data` is what the service answers, the times are for ordering."""

    id: int
    data: dict[str, Any]
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def make_builds(project: Project, count: int, first_id: int, now: datetime) -> list[Build]:
    """`count` builds, newest first; the newest was queued a minute before `now`."""
    random = Random(f"builds of {project.id}")
    return [_make(project, first_id + count - 1 - age, age, now, random) for age in range(count)]


def _make(project: Project, build_id: int, age: int, now: datetime, random: Random) -> Build:
    status, result = NEWEST[age] if age < len(NEWEST) else ("completed", _usual_result(random))
    wait, run = random.randint(2, 90), random.randint(35, 1500)
    queued_at = now - timedelta(minutes=1 + 47 * age, seconds=run, microseconds=random.randint(1, 999_999))
    started_at = None if status in ("notStarted", "postponed") else queued_at + timedelta(seconds=wait, microseconds=7)
    finished_at = started_at and started_at + timedelta(seconds=run, microseconds=random.randint(1, 999_999))
    if status != "completed":
        finished_at = None
    times = {"queueTime": queued_at, "startTime": started_at, "finishTime": finished_at}
    outcome = {"status": status, "result": result, **{name: at and ticks(at) for name, at in times.items()}}
    present = {name: value for name, value in outcome.items() if value is not None}
    data = _document(project, build_id, present, queued_at, random)
    return Build(build_id, data, queued_at, started_at, finished_at)


def _usual_result(random: Random) -> str:
    return random.choices(("succeeded", "failed", "partiallySucceeded", "canceled"), (70, 18, 7, 5))[0]


def _document(
    project: Project, build_id: int, outcome: dict[str, Any], queued_at: datetime, random: Random
) -> dict[str, Any]:
    base = f"https://dev.azure.com/{project.organization}/{project.id}"
    api = f"{base}/_apis/build"
    definition, name = random.choice(DEFINITIONS)
    person = random.choice(COLLEAGUES).identity(project.organization)
    plan = {"planId": guid("plan", project.id, str(build_id))}
    sha = sha1(f"{project.id} {build_id}".encode(), usedforsecurity=False).hexdigest()
    return {
        "_links": {
            "self": {"href": f"{api}/Builds/{build_id}"},
            "web": {"href": f"{base}/_build/results?buildId={build_id}"},
            "sourceVersionDisplayUri": {"href": f"{api}/builds/{build_id}/sources"},
            "timeline": {"href": f"{api}/builds/{build_id}/Timeline"},
            "badge": {"href": f"{api}/status/{definition}"},
        },
        "properties": {},
        "tags": [],
        "validationResults": [],
        "plans": [plan],
        "triggerInfo": {"ci.sourceBranch": "main", "ci.sourceSha": sha, "ci.message": "Round half to even"},
        "id": build_id,
        "buildNumber": f"{queued_at:%Y%m%d}.{build_id % 40 + 1}",
        **outcome,
        "url": f"{api}/Builds/{build_id}",
        "definition": _definition(project, definition, name),
        "buildNumberRevision": build_id % 40 + 1,
        "project": project.reference(),
        "uri": f"vstfs:///Build/Build/{build_id}",
        "sourceBranch": random.choice(BRANCHES),
        "sourceVersion": sha,
        "queue": {
            "id": 1961,
            "name": "Azure Pipelines",
            "pool": {"id": 8, "name": "Azure Pipelines", "isHosted": True},
        },
        "priority": "normal",
        "reason": random.choice(("individualCI", "manual", "schedule", "pullRequest", "resourceTrigger")),
        "requestedFor": person,
        "requestedBy": person,
        "lastChangedDate": milliseconds(queued_at),
        "lastChangedBy": person,
        "orchestrationPlan": plan,
        "logs": {"id": 0, "type": "Container", "url": f"{api}/builds/{build_id}/logs"},
        "repository": {
            "id": repository_id(project),
            "type": "TfsGit",
            "name": project.name,
            "url": f"{project.web_url}/_git/{quote(project.name)}",
            "clean": None,
            "checkoutSubmodules": False,
        },
        "keepForever": False,
        "retainedByRelease": False,
        "triggeredByBuild": None,
    }


def _definition(project: Project, definition: int, name: str) -> dict[str, Any]:
    api = f"https://dev.azure.com/{project.organization}/{project.id}/_apis/build"
    return {
        "drafts": [],
        "id": definition,
        "name": name,
        "url": f"{api}/Definitions/{definition}?revision=2",
        "uri": f"vstfs:///Build/Definition/{definition}",
        "path": "\\",
        "type": "build",
        "queueStatus": "enabled",
        "revision": 2,
        "project": project.reference(),
    }
