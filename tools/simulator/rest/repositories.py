"""Git repositories: all in one answer, never paged (facts 4.7)."""

from tools.simulator.messages import Response, json_response
from tools.simulator.rest.caller import Call
from tools.simulator.rest.errors import service_error


def list_repositories(call: Call) -> Response:
    """The repositories of a project, or of the whole organization; `value` comes before `count`."""
    everything = call.organization.repositories
    found = everything[call.project.id] if call.project else [each for some in everything.values() for each in some]
    return json_response({"value": found, "count": len(found)})


def get_repository(call: Call) -> Response:
    """One repository by id or, inside a project, by name."""
    wanted = call.rest[0].casefold()
    for project, repositories in call.organization.repositories.items():
        for each in repositories:
            in_project = call.project is None or call.project.id == project
            if in_project and wanted in (each["id"], each["name"].casefold()):
                return json_response(each)
    assembly = "Microsoft.TeamFoundation.Git.Server"
    raise service_error(
        404,
        f"TF401019: The Git repository with name or identifier {call.rest[0]} does not exist or you do not "
        "have permissions for the operation you are attempting.",
        f"{assembly}.GitRepositoryNotFoundException, {assembly}",
    )
