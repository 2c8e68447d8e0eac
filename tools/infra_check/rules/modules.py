"""Rules about the seams: modules and their arguments, outputs, the parameters file, names, tags, versions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.infra_check.project import Project, Rule, data
from tools.infra_check.template import Code, Template, Value

CONTRACT = frozenset(
    (
        "AZURE_RESOURCE_GROUP",
        "AZURE_LOCATION",
        "AZURE_TENANT_ID",
        "AZURE_FUNCTION_APP_NAME",
        "PUBLIC_URL",
        "AZURE_KEY_VAULT_NAME",
        "KEY_VAULT_URL",
        "AZURE_IDENTITY_CLIENT_ID",
        "AZURE_IDENTITY_PRINCIPAL_ID",
        "TOKEN_STORE_URL",
    )
)
"""What the hooks and the pipelines read after a deployment."""

TOKEN_LENGTH = 13
"""Characters of `uniqueString`."""

LONGEST = {
    "identityName": 128,
    "logAnalyticsName": 63,
    "applicationInsightsName": 260,
    "hostStorageName": 24,
    "tokenStorageName": 24,
    "keyVaultName": 24,
    "functionAppName": 60,
    "planName": 60,
    "virtualNetworkName": 64,
    "actionGroupName": 260,
    "resourceGroupName": 90,
}
"""Longest name that Azure takes, by the parameter that overrides it (Microsoft's naming rules)."""

PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:=([^}]*))?\}")


def arguments(project: Project) -> Iterator[str]:
    for template in project.templates.values():
        for block in template.modules.values():
            here = project.where(template, block.line)
            callee = project.called(template, block.target)
            if callee is None:
                yield f"{here} module {block.name}: {block.target} does not exist"
                continue
            for name in block.params.keys() - callee.params.keys():
                yield f"{here} module {block.name} passes {name}, which {block.target} does not take"
            wanted = {name for name, item in callee.params.items() if item.required}
            for name in wanted - block.params.keys():
                yield f"{here} module {block.name} lacks {name}, which {block.target} requires"
            yield from _wrong_literals(here, block.name, callee, block.params)


def _wrong_literals(here: str, module: str, callee: Template, given: dict[str, Value]) -> Iterator[str]:
    kinds = {"string": str, "int": int, "bool": bool, "array": list, "object": dict}
    for name, item in callee.params.items():
        literal = given.get(name)
        if literal is None or isinstance(literal, Code) or item.type not in kinds:
            continue
        if type(literal) is not kinds[item.type]:
            yield f"{here} module {module} passes {name} as {type(literal).__name__}, {item.type} is wanted"


def scopes(project: Project) -> Iterator[str]:
    if project.main.target_scope != "subscription":
        yield "infra/main.bicep is not at subscription scope"
    group = project.main.resources.get("group")
    if group is None or group.resource_type != "Microsoft.Resources/resourceGroups":
        yield "infra/main.bicep creates no resource group"
    for block in project.main.modules.values():
        scope = block.at("scope")
        if not isinstance(scope, Code) or scope.text != "group":
            here = project.where(project.main, block.line)
            yield f"{here} module {block.name} is not in the scope of the group's symbol"
    names = [str(block.at("name")) for block in project.main.modules.values()]
    for name in {name for name in names if names.count(name) > 1}:
        yield f"infra/main.bicep: two deployments are called {name}"


def outputs(project: Project) -> Iterator[str]:
    for template in project.templates.values():
        for line, module, mark, output in template.output_reads():
            here = project.where(template, line)
            block = template.modules.get(module)
            callee = project.called(template, block.target) if block else None
            if block is None or callee is None:
                yield f"{here} reads outputs of {module}, which is no module"
            elif output not in callee.outputs:
                yield f"{here} reads {module}.outputs.{output}, which {block.target} does not give"
            elif block.condition and not mark:
                yield f"{here} reads an output of {module}, which may be absent: write {module}!.outputs"
            elif block.condition and f"{block.condition} ? " not in template.source.splitlines()[line - 1]:
                yield f"{here} reads an output of {module} also where {block.condition} is false"


def contract(project: Project) -> Iterator[str]:
    given = project.main.outputs.keys()
    for name in sorted(CONTRACT - given):
        yield f"infra/main.bicep has no output {name}, which the hooks read"
    for name in sorted(given - CONTRACT):
        yield f"infra/main.bicep has the output {name}, which nobody reads"


def no_secrets_out(project: Project) -> Iterator[str]:
    telling = re.compile(r"ConnectionString|InstrumentationKey|\blist[A-Z]\w*\(")
    secret = re.compile(r"(secret|password|key)$", re.IGNORECASE)
    for template in project.templates.values():
        for item in template.outputs.values():
            if telling.search(item.text):
                yield f"{project.where(template, item.line)} output {item.name} tells a secret"
        for item in template.params.values():
            if secret.search(item.name) and "secure" not in item.decorators:
                yield f"{project.where(template, item.line)} parameter {item.name} is not @secure()"
            if "secure" in item.decorators and isinstance(item.default, str) and item.default:
                yield f"{project.where(template, item.line)} parameter {item.name} has a secret as its default"
    for name in project.json("infra/main.parameters.json")["parameters"]:
        if secret.search(name):
            yield f"infra/main.parameters.json holds {name}"


def parameters_file(project: Project) -> Iterator[str]:
    given = project.json("infra/main.parameters.json")["parameters"]
    for name in sorted(given.keys() - project.main.params.keys()):
        yield f"infra/main.parameters.json gives {name}, which main.bicep does not take"
    for name in sorted(project.main.params.keys() - given.keys()):
        yield f"infra/main.parameters.json does not give {name}"
    seen: dict[str, str] = {}
    for name in given.keys() & project.main.params.keys():
        found = PLACEHOLDER.fullmatch(str(given[name].get("value")))
        if not found:
            yield f"infra/main.parameters.json: {name} is no placeholder ${{NAME=default}}"
            continue
        if found[1] in project.main.outputs.keys() - {"AZURE_LOCATION"}:
            yield f"infra/main.parameters.json: {name} comes from {found[1]}, which an output would pin for ever"
        if found[1] in seen:
            yield f"infra/main.parameters.json: {name} and {seen[found[1]]} come from the same {found[1]}"
        seen[found[1]] = name
        yield from _wrong_default(project, name, found[2])


def _wrong_default(project: Project, name: str, given: str | None) -> Iterator[str]:
    item = project.main.params[name]
    if item.required:
        if given is not None:
            yield f"infra/main.parameters.json: {name} has a default, main.bicep has none"
        return
    wanted = str(item.default).lower() if isinstance(item.default, bool) else str(item.default)
    if given != wanted:
        yield f"infra/main.parameters.json: {name} defaults to {given!r}, main.bicep to {wanted!r}"


def names(project: Project) -> Iterator[str]:
    abbreviations = project.json("infra/abbreviations.json")
    source = project.main.source
    for key in abbreviations:
        if f"abbreviations.{key}" not in source:
            yield f"infra/abbreviations.json: {key} is used nowhere"
    for param, longest in LONGEST.items():
        if param not in project.main.params:
            yield f"infra/main.bicep: no parameter {param} overrides that name"
            continue
        found = re.search(rf"empty\({param}\) \? '([^']*)'", source)
        if not found:
            yield f"infra/main.bicep: an empty {param} is not replaced by a derived name"
            continue
        length = _derived_length(found[1], abbreviations, project)
        if length > longest:
            yield f"infra/main.bicep: the name derived for {param} has {length} characters, {longest} are allowed"
        if param != "resourceGroupName" and "resourceToken" not in found[1]:
            yield f"infra/main.bicep: the name derived for {param} lacks the token that makes it unique"


def _derived_length(pattern: str, abbreviations: dict[str, str], project: Project) -> int:
    longest_environment = project.main.params["environmentName"].decorators.get("maxLength", [64])[0]
    total = 0
    for part in re.split(r"(\$\{[^}]*\})", pattern):
        if part == "${resourceToken}":
            total += TOKEN_LENGTH
        elif part == "${environmentName}":
            total += int(str(longest_environment))
        elif part.startswith("${abbreviations."):
            total += len(abbreviations.get(part[len("${abbreviations.") : -1], ""))
        else:
            total += len(part)
    return total


def tags(project: Project) -> Iterator[str]:
    given = project.main.variables.get("tags")
    if given is None or not isinstance(given.default, dict) or "azd-env-name" not in given.default:
        yield "infra/main.bicep: the tags lack azd-env-name, by which azd finds the resource group"
    site = project.module("function-app").resources["site"].at("tags")
    if not isinstance(site, Code) or "'azd-service-name': serviceName" not in site.text:
        yield "infra/modules/function-app.bicep: the site lacks the tag azd-service-name"
    if project.main.modules["functionApp"].params.get("serviceName") != "app":
        yield "infra/main.bicep: the service is not called app, as in azure.yaml"
    for template in project.templates.values():
        for block in template.resources.values():
            if block.resource_type in data("tagged.json") and not block.existing and "tags" not in block.body:
                yield f"{project.where(template, block.line)} {block.name} has no tags"


def locations(project: Project) -> Iterator[str]:
    decorated = project.main.params["location"].decorators.get("metadata", [])
    if not decorated or "allowed" in project.main.params["location"].decorators:
        yield "infra/main.bicep: location is not left to azd (@metadata azd type location, no list of regions)"
    for template in project.templates.values():
        for block in template.resources.values():
            if isinstance(block.at("location"), str) and block.at("location") != "global":
                yield f"{project.where(template, block.line)} {block.name} stands in a fixed region"


def api_versions(project: Project) -> Iterator[str]:
    table = data("api_versions.json")["versions"]
    used = set()
    for template in project.templates.values():
        for block in template.resources.values():
            if "::" in block.name:
                continue
            used.add(block.resource_type)
            wanted = table.get(block.resource_type)
            if wanted != block.api_version:
                yield (
                    f"{project.where(template, block.line)} {block.resource_type}@{block.api_version}: "
                    f"the table says {wanted or 'nothing'}"
                )
    for name in sorted(table.keys() - used):
        yield f"api_versions.json: {name} is used nowhere"


RULES = (
    Rule("scopes", "The template creates its resource group, and every module is in the scope of its symbol.", scopes),
    Rule("arguments", "Every module exists and gets what it requires, and nothing else.", arguments),
    Rule("outputs", "Every output that is read exists, and one of a conditional module is read as such.", outputs),
    Rule("contract", "The outputs are those that hooks and pipelines read, and no others.", contract),
    Rule("no-secrets-out", "No output, parameter or parameters file carries a secret.", no_secrets_out),
    Rule("parameters-file", "Parameters file and template agree, names and defaults.", parameters_file),
    Rule("names", "Every name is derived with the token, fits, and can be overridden.", names),
    Rule("tags", "azd finds group and app by tags, and everything that can be tagged is.", tags),
    Rule("locations", "The region is azd's choice.", locations),
    Rule("api-versions", "Every type has the one version of the table.", api_versions),
)
