"""Rules about the virtual network: all or nothing, and the exceptions without it are these and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.infra_check.project import Project, Rule
from tools.infra_check.template import Code, Value, at, objects_in

PRIVATE = {
    ("hostStorage.outputs.resourceId", "blob"): "blob",
    ("hostStorage.outputs.resourceId", "table"): "table",
    ("tokenStorage.outputs.resourceId", "table"): "table",
    ("keyVault.outputs.resourceId", "vault"): "vaultcore",
}
"""What gets a private endpoint, and the word in the name of its DNS zone."""

OPEN_WITHOUT_NETWORK = {
    "storage-account": {
        "properties.publicNetworkAccess": "privateOnly ? 'Disabled' : 'Enabled'",
        "properties.networkAcls.defaultAction": "privateOnly ? 'Deny' : 'Allow'",
    },
    "key-vault": {
        "properties.publicNetworkAccess": "privateOnly && empty(allowedIpAddress) ? 'Disabled' : 'Enabled'",
        "properties.networkAcls.defaultAction": "privateOnly ? 'Deny' : 'Allow'",
    },
}
"""The only doors that the network closes; without it they stand open to whoever has a role (infra/README.md)."""


def private_endpoints(project: Project) -> Iterator[str]:
    here = "infra/modules/private-endpoints.bicep"
    template = project.module("private-endpoints")
    zones = [str(getattr(it, "text", it)) for it in _list(template.variables["zoneNames"].default)]
    indexes = template.variables["zoneIndexes"].default
    given = {}
    for service in objects_in(project.main.modules["privateEndpoints"].params.get("services")):
        target = service.get("resourceId")
        key = (target.text if isinstance(target, Code) else "", str(service.get("groupId")))
        index = at(indexes, key[1])
        given[key] = zones[index] if isinstance(index, int) and index < len(zones) else ""
    for key in sorted(PRIVATE.keys() - given.keys()):
        yield f"{here}: no private endpoint for {key[1]} of {key[0]}"
    for key, zone in given.items():
        if f".{PRIVATE.get(key, '?')}." not in zone:
            yield f"{here}: {key[1]} of {key[0]} resolves in {zone or 'no zone'}"
    for symbol in ("zones", "links", "endpoints", "zoneGroups"):
        if symbol not in template.resources:
            yield f"{here} has no {symbol}"


def doors(project: Project) -> Iterator[str]:
    for module, wanted in OPEN_WITHOUT_NETWORK.items():
        block = next(it for it in project.module(module).resources.values() if it.at("properties.networkAcls"))
        for path, text in wanted.items():
            given = block.at(path)
            if not isinstance(given, Code) or given.text != text:
                yield f"infra/modules/{module}.bicep: {path} is not {text}"
    for name in ("hostStorage", "tokenStorage", "keyVault"):
        given = project.main.modules[name].params.get("privateOnly")
        if not isinstance(given, Code) or given.text != "vnetEnabled":
            yield f"infra/main.bicep: {name} does not close with the network"
    for name in ("network", "privateEndpoints"):
        if project.main.modules[name].condition != "vnetEnabled":
            yield f"infra/main.bicep: {name} does not come with vnetEnabled"


def subnets(project: Project) -> Iterator[str]:
    here = "infra/modules/virtual-network.bicep"
    found = {str(item.get("name")): item for item in objects_in(_subnets(project))}
    app = found.get("app", {}).get("properties")
    delegated = str(app) if isinstance(app, dict) else ""
    if "Microsoft.App/environments" not in delegated:
        yield f"{here}: the app's subnet is not delegated to Microsoft.App/environments"
    if "private-endpoints" not in found:
        yield f"{here} has no subnet for private endpoints"
    for name, item in found.items():
        if "networkSecurityGroup" not in str(item.get("properties")):
            yield f"{here}: subnet {name} has no security group"
    given = project.main.modules["functionApp"].params.get("virtualNetworkSubnetResourceId")
    text = given.text if isinstance(given, Code) else ""
    if not re.fullmatch(r"vnetEnabled \? network!\.outputs\.appSubnetResourceId : ''", text):
        yield "infra/main.bicep: the app does not stand in the network's subnet"


def _subnets(project: Project) -> list[Value]:
    return _list(project.module("virtual-network").resources["network"].at("properties.subnets"))


def _list(given: Value) -> list[Value]:
    return given if isinstance(given, list) else []


RULES = (
    Rule(
        "private-endpoints",
        "Blobs, both tables and the vault have endpoints that resolve in their zones.",
        private_endpoints,
    ),
    Rule("doors", "vnetEnabled closes storage and vault; nothing else stands open without it.", doors),
    Rule("subnets", "One subnet delegated to the app, one for the endpoints, both guarded.", subnets),
)
