"""Rules about who may do what: role ids, exactly the assignments of the list, and their place before the app."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tools.infra_check.project import Project, Rule, data
from tools.infra_check.template import Block, Code, Template

GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
TABLE = "Microsoft.Storage/storageAccounts/tableServices/tables"


class Grant(NamedTuple):
    """A role at the scope of one type of resource; `on` is the symbol of that resource."""

    file: str
    role: str
    scope: str
    on: str


ALLOWED = frozenset(
    (
        Grant("app-roles.bicep", "storageBlobDataOwner", "Microsoft.Storage/storageAccounts", "hostStorage"),
        Grant("app-roles.bicep", "storageTableDataContributor", "Microsoft.Storage/storageAccounts", "hostStorage"),
        Grant("app-roles.bicep", "storageTableDataContributor", TABLE, "tokenTables"),
        Grant("app-roles.bicep", "keyVaultSecretsUser", "Microsoft.KeyVault/vaults/secrets", "vaultSecrets"),
        Grant("app-roles.bicep", "monitoringMetricsPublisher", "Microsoft.Insights/components", "applicationInsights"),
        Grant("deployer-roles.bicep", "keyVaultSecretsOfficer", "Microsoft.KeyVault/vaults", "vault"),
    )
)
"""All there is (acceptance row I2). Owner, Contributor and roles that write roles are not on it."""


def grants(project: Project) -> Iterator[tuple[Template, Block, Grant]]:
    """Every role assignment of every template."""
    for template in project.templates.values():
        for block in template.resources.values():
            if block.resource_type == ASSIGNMENT:
                on = _symbol(block.at("scope"))
                scope = template.resources[on].resource_type if on in template.resources else "the resource group"
                yield template, block, Grant(template.path.name, _role(block), scope, on)


def _symbol(scope: object) -> str:
    return re.split(r"[\[.]", scope.text)[0] if isinstance(scope, Code) else ""


def _role(block: Block) -> str:
    given = block.at("properties.roleDefinitionId")
    found = re.fullmatch(
        r"subscriptionResourceId\('Microsoft\.Authorization/roleDefinitions', roles\.(\w+)\)",
        given.text if isinstance(given, Code) else "",
    )
    return found[1] if found else "an unnamed role"


def role_ids(project: Project) -> Iterator[str]:
    named = project.json("infra/role-definitions.json")
    known = {name: guid for name, (_, guid) in data("roles.json").items()}
    for name, guid in named.items():
        if known.get(name) != guid:
            yield f"infra/role-definitions.json: {name} is not {guid}"
    for template in project.templates.values():
        for number, line in enumerate(template.source.splitlines(), 1):
            if GUID.search(line):
                yield f"{project.where(template, number)} spells an id that role-definitions.json should name"
    used = {grant.role for _, _, grant in grants(project)}
    for name in sorted(named.keys() - used):
        yield f"infra/role-definitions.json: {name} is assigned nowhere"


def least_privilege(project: Project) -> Iterator[str]:
    found = list(grants(project))
    for template, block, grant in found:
        if grant not in ALLOWED:
            here = project.where(template, block.line)
            yield f"{here} {block.name} gives {grant.role} on {grant.on or 'the group'} ({grant.scope})"
    for grant in sorted(ALLOWED - {grant for _, _, grant in found}):
        yield f"{grant.file} does not give {grant.role} on {grant.on}"


def assignments(project: Project) -> Iterator[str]:
    for template, block, grant in grants(project):
        here = f"{project.where(template, block.line)} {block.name}"
        scope = block.at("scope")
        name = block.at("name")
        wanted = f"guid({scope.text}.id, principalId, roles.{grant.role})" if isinstance(scope, Code) else ""
        if not isinstance(name, Code) or name.text != wanted:
            yield f"{here} is not named by {wanted}"
        given = block.at("properties.principalType")
        own = template.path.name == "app-roles.bicep"
        if own and given != "ServicePrincipal":
            yield f"{here} does not say that the identity is a ServicePrincipal"
        if not own and not isinstance(given, Code):
            yield f"{here} fixes the type of the deployer: a pipeline is a ServicePrincipal, a person a User"
    kinds = project.main.params["principalType"].decorators.get("allowed", [[]])[0]
    if kinds != ["User", "ServicePrincipal"]:
        yield "infra/main.bicep: principalType does not allow User and ServicePrincipal"
    if project.main.modules["deployerRoles"].condition != "!empty(principalId)":
        yield "infra/main.bicep: the deployer's roles are not left out for an empty principalId"


def roles_first(project: Project) -> Iterator[str]:
    app = project.main.modules["functionApp"]
    for name in sorted({"appRoles", "privateEndpoints"} - app.depends_on):
        yield f"infra/main.bicep: functionApp does not wait for {name}"
    given = [it.text for it in app.params.values() if isinstance(it, Code)]
    if "hostStorage.outputs.blobEndpoint" not in given:
        yield "infra/main.bicep: functionApp does not wait for the account of its package"
    roles = project.main.modules["appRoles"].params
    if not isinstance(roles.get("principalId"), Code):
        yield "infra/main.bicep: the roles are not those of the identity"


RULES = (
    Rule("role-ids", "Role ids stand in one table, are the right ones, and all are used.", role_ids),
    Rule("least-privilege", "The role assignments are exactly those of the list.", least_privilege),
    Rule(
        "assignments", "Assignments have stable names and true principal types, for people and pipelines.", assignments
    ),
    Rule("roles-first", "The app waits for its roles, its package's account and its private names.", roles_first),
)
