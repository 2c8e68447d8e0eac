"""Scopes of Azure DevOps in words (facts/azure-devops.md section 2, from Microsoft's list of scopes)."""

_WORDS = {
    "vso.work": "Read work items, queries and boards",
    "vso.build": "Read builds and their definitions",
    "vso.code": "Read source code, commits, branches and pull requests",
    "vso.project": "Read the names of projects and teams",
    "vso.profile": "Read your profile and the list of your organizations",
    "vso.identity": "Read identities and groups",
    "vso.graph": "Read users, groups and memberships",
    "vso.hooks": "Read service hooks",
    "vso.work_write": "Read, create and change work items",
    "vso.work_full": "Full access to work items, queries and boards",
    "vso.build_execute": "Read builds and queue new ones",
    "vso.code_write": "Read and change source code",
    "vso.code_manage": "Read, change and manage source code and repositories",
    "vso.code_full": "Full access to source code and its notifications",
    "vso.code_status": "Read and write commit and pull request status",
    "vso.project_write": "Read and change projects and teams",
    "vso.project_manage": "Create, read, change and delete projects and teams",
    "vso.profile_write": "Read and change your profile",
}


def in_words(scopes: str) -> list[tuple[str, str]]:
    """Each scope of a space-separated list with what it allows; one that we don't know says so."""
    return [(scope, _WORDS.get(scope, "As described by Azure DevOps on the consent page")) for scope in scopes.split()]
