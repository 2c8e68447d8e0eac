"""Projects: list with integer-offset paging, and one project (facts 4.3)."""

from typing import Any

from tools.simulator.messages import Headers, Response, json_response
from tools.simulator.rest.caller import Call
from tools.simulator.rest.errors import bad_argument, no_such_project
from tools.simulator.sample.identifiers import guid
from tools.simulator.sample.projects import Project

DEFAULT_PAGE = 100
_STATES = ("deleting", "new", "wellformed", "createpending", "all", "unchanged", "deleted")


def list_projects(call: Call) -> Response:
    """One page; that there are more is said by the header x-ms-continuationtoken alone."""
    state = call.request.query.get("statefilter", "wellFormed").lower()
    if state not in _STATES:
        raise bad_argument(f"The value '{state}' is not valid for stateFilter.")
    projects = call.organization.projects if state in ("wellformed", "all") else []
    start = call.number("continuationToken", call.number("$skip", 0))
    page = projects[start : start + call.number("$top", DEFAULT_PAGE, lowest=1)]
    end = start + len(page)
    more: Headers = [("x-ms-continuationtoken", str(end))] if page and end < len(projects) else []
    return json_response({"count": len(page), "value": [each.reference() for each in page]}, headers=more)


def get_project(call: Call) -> Response:
    """One project by name or id, with its capabilities when asked for."""
    project = call.organization.project(call.rest[0])
    if project is None:
        raise no_such_project(call.rest[0])
    wanted = call.request.query.get("includecapabilities", "false").lower() == "true"
    return json_response(_details(project, with_capabilities=wanted))


def _details(project: Project, *, with_capabilities: bool) -> dict[str, Any]:
    reference = project.reference()
    visibility, updated = reference.pop("visibility"), reference.pop("lastUpdateTime")
    revision = reference.pop("revision")
    team = guid("team", project.id)
    collection = guid("collection", project.organization)
    return {
        **reference,
        **({"capabilities": _CAPABILITIES} if with_capabilities else {}),
        "revision": revision,
        "_links": {
            "self": {"href": project.url},
            "collection": {
                "href": f"https://dev.azure.com/{project.organization}/_apis/projectCollections/{collection}"
            },
            "web": {"href": project.web_url},
        },
        "visibility": visibility,
        "defaultTeam": {"id": team, "name": f"{project.name} Team", "url": f"{project.url}/teams/{team}"},
        "lastUpdateTime": updated,
    }


_CAPABILITIES = {
    "processTemplate": {"templateName": "Agile", "templateTypeId": "adcc42ab-9882-485e-a3ed-7678f01f66bc"},
    "versioncontrol": {"sourceControlType": "Git", "gitEnabled": "True", "tfvcEnabled": "False"},
}
