"""Acceptance I1 to I3, on the templates as they stand: no shared keys, least privilege, closed by default.

Each fact is read off the parsed templates here, beside the checker's rules, and counted one by one.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.evidence import Report
from tools.infra_check.project import Project
from tools.infra_check.template import Block, Code

ROOT = Path(__file__).parents[2]
IDENTITY_ROLES = {
    ("Storage Blob Data Owner", "hostStorage"),
    ("Storage Table Data Contributor", "hostStorage"),
    ("Storage Table Data Contributor", "tokenTables[index]"),
    ("Key Vault Secrets User", "vaultSecrets[index]"),
    ("Monitoring Metrics Publisher", "applicationInsights"),
}
ROLE_NAMES = {
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
}
KEY_LIKE = re.compile(r"AccountKey|SharedAccess|\bsig=|DefaultEndpointsProtocol|\.?list\w*Keys?\(|listAccountSas", re.I)


@pytest.fixture(scope="module")
def project() -> Project:
    return Project(ROOT)


def resource(project: Project, module: str, symbol: str) -> Block:
    return project.module(module).resources[symbol]


def text(value: object) -> str:
    return value.text if isinstance(value, Code) else str(value)


@pytest.mark.acceptance("I1")
def test_no_account_takes_a_shared_key(project: Project, evidence: Report) -> None:
    """Both storage accounts are of the one shape that refuses keys, and both kinds of telemetry refuse them too."""
    accounts = [it.name for it in project.main.modules.values() if it.target.endswith("storage-account.bicep")]
    assert sorted(accounts) == ["hostStorage", "tokenStorage"]
    refusing = [
        resource(project, "storage-account", "account").at("properties.allowSharedKeyAccess") is False,
        resource(project, "storage-account", "account").at("properties.isLocalUserEnabled") is False,
        resource(project, "key-vault", "vault").at("properties.enableRbacAuthorization") is True,
        resource(project, "monitoring", "applicationInsights").at("properties.DisableLocalAuth") is True,
        resource(project, "monitoring", "workspace").at("properties.features.disableLocalAuth") is True,
    ]
    assert refusing == [True] * len(refusing)
    evidence(cases=len(refusing))


@pytest.mark.acceptance("I1")
def test_no_file_and_no_setting_holds_a_key(project: Project, evidence: Report) -> None:
    """No key, SAS or connection string of storage in any file below infra/, nor in any setting of the app."""
    files = [path for path in (ROOT / "infra").rglob("*") if path.suffix in (".bicep", ".json", ".kql")]
    assert len(files) > 20
    assert [path.name for path in files if KEY_LIKE.search(path.read_text())] == []
    settings = {**project.platform_settings, **project.product_settings}
    assert len(settings) > 25
    assert [name for name, value in settings.items() if KEY_LIKE.search(text(value))] == []
    assert settings.keys() & {"AzureWebJobsStorage", "TOKEN_ENCRYPTION_KEY", "AZURE_DEVOPS_CLIENT_SECRET"} == set()
    evidence(cases=len(files) + len(settings))


@pytest.mark.acceptance("I1")
def test_host_package_and_telemetry_use_the_identity(project: Project, evidence: Report) -> None:
    storage = resource(project, "function-app", "site").at("properties.functionAppConfig.deployment.storage")
    assert isinstance(storage, dict)
    assert storage["authentication"]["type"] == "UserAssignedIdentity"
    given = {name: text(value) for name, value in project.platform_settings.items()}
    assert given["AzureWebJobsStorage__credential"] == "managedidentity"
    assert given["AzureWebJobsStorage__clientId"] == given["AZURE_CLIENT_ID"] == "identityClientId"
    assert given["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"].strip("'").endswith("Authorization=AAD")
    evidence(cases=5)


@pytest.mark.acceptance("I2")
def test_the_identity_has_exactly_the_roles_of_the_list(project: Project, evidence: Report) -> None:
    """Every role by the id that Azure knows, on the narrowest thing that carries it."""
    ids = json.loads((ROOT / "infra" / "role-definitions.json").read_text())
    found = {}
    for template in project.templates.values():
        for block in template.resources.values():
            if block.resource_type == "Microsoft.Authorization/roleAssignments":
                role = re.search(r"roles\.(\w+)\)$", text(block.at("properties.roleDefinitionId")))
                assert role, block.name
                found[(template.path.name, block.name)] = (ROLE_NAMES[ids[role[1]]], text(block.at("scope")))
    own = [grant for (file, _), grant in found.items() if file == "app-roles.bicep"]
    others = [grant for (file, _), grant in found.items() if file != "app-roles.bicep"]
    assert set(own) == IDENTITY_ROLES
    assert len(own) == len(IDENTITY_ROLES)
    assert others == [("Key Vault Secrets Officer", "vault")]
    evidence(cases=len(found))


@pytest.mark.acceptance("I2")
def test_each_secret_and_each_table_is_granted_by_name(project: Project, evidence: Report) -> None:
    """The loops run over three secrets and three tables, and their scopes are children of vault and token store."""
    variables = project.main.variables
    secrets, tables = variables["vaultItems"].default, variables["tokenTables"].default
    assert secrets == ["azure-devops-client-secret", "entra-client-secret", "token-encryption-key"]
    assert tables == ["connections", "due", "logins"]
    blocks = project.module("app-roles").resources
    assert blocks["vaultSecrets"].resource_type == "Microsoft.KeyVault/vaults/secrets"
    assert (text(blocks["vaultSecrets"].at("parent")), text(blocks["vault"].at("name"))) == ("vault", "keyVaultName")
    assert blocks["tokenTables"].resource_type.endswith("/tableServices/tables")
    assert text(blocks["tokenStorage"].at("name")) == "tokenStorageName"
    assert text(project.main.modules["appRoles"].params["tokenStorageName"]) == "tokenStorage.outputs.name"
    evidence(cases=len(secrets) + len(tables))


@pytest.mark.acceptance("I2")
def test_one_identity_and_two_stores_each_used_for_its_own(project: Project, evidence: Report) -> None:
    """The roles go to the app's only identity; tokens and the host's blobs are in accounts of their own."""
    modules = project.main.modules
    assert text(modules["appRoles"].params["principalId"]) == "identity.outputs.principalId"
    assert text(modules["functionApp"].params["identityResourceId"]) == "identity.outputs.resourceId"
    assert resource(project, "function-app", "site").at("identity") == {
        "type": "UserAssigned",
        "userAssignedIdentities": {"${identityResourceId}": {}},
    }
    host, tokens = modules["hostStorage"].params, modules["tokenStorage"].params
    assert (host.get("tables"), tokens.get("containers")) == (None, None)
    assert text(tokens["tables"]) == "tokenTables"
    assert text(project.product_settings["TOKEN_STORE_URL"]) == "tokenStorage.outputs.tableEndpoint"
    assert text(modules["functionApp"].params["hostStorageBlobEndpoint"]) == "hostStorage.outputs.blobEndpoint"
    evidence(cases=5)


CLOSED = {
    ("storage-account", "account", "properties.minimumTlsVersion"): "TLS1_2",
    ("storage-account", "account", "properties.supportsHttpsTrafficOnly"): True,
    ("storage-account", "account", "properties.allowBlobPublicAccess"): False,
    ("storage-account", "account", "properties.allowCrossTenantReplication"): False,
    ("storage-account", "blobContainers", "properties.publicAccess"): "None",
    ("function-app", "site", "properties.httpsOnly"): True,
    ("function-app", "site", "properties.siteConfig.minTlsVersion"): "1.2",
    ("function-app", "site", "properties.siteConfig.scmMinTlsVersion"): "1.2",
    ("function-app", "site", "properties.siteConfig.remoteDebuggingEnabled"): False,
    ("function-app", "site", "properties.siteConfig.cors.allowedOrigins"): [],
    ("key-vault", "vault", "properties.enableSoftDelete"): True,
}


@pytest.mark.acceptance("I3")
@pytest.mark.parametrize("place", CLOSED, ids=lambda place: f"{place[1]}.{place[2].rpartition('.')[2]}")
def test_what_must_be_closed_is_closed_by_a_literal(
    project: Project, place: tuple[str, str, str], evidence: Report
) -> None:
    module, symbol, path = place
    given = resource(project, module, symbol).at(path)
    assert (type(given), given) == (type(CLOSED[place]), CLOSED[place])
    evidence(cases=1)


@pytest.mark.acceptance("I3")
def test_purge_protection_and_zone_redundancy_are_the_defaults(project: Project, evidence: Report) -> None:
    params = project.main.params
    assert params["purgeProtection"].default is True
    assert text(project.main.modules["keyVault"].params["enablePurgeProtection"]) == "purgeProtection"
    given = resource(project, "key-vault", "vault").at("properties.enablePurgeProtection")
    assert text(given) == "enablePurgeProtection ? true : null"
    assert params["storageSku"].default == "Standard_ZRS"
    assert {text(project.main.modules[name].params["skuName"]) for name in ("hostStorage", "tokenStorage")} == {
        "storageSku"
    }
    evidence(cases=2)


@pytest.mark.acceptance("I3")
@pytest.mark.parametrize(
    ("module", "symbol", "scope", "category"),
    [
        ("key-vault", "auditLog", "vault", "AuditEvent"),
        ("storage-account", "tableLogs", "tableServices", "StorageWrite"),
        ("storage-account", "tableLogs", "tableServices", "StorageDelete"),
        ("function-app", "hostLog", "site", "FunctionAppLogs"),
    ],
)
def test_diagnostics_are_on(
    project: Project, module: str, symbol: str, scope: str, category: str, evidence: Report
) -> None:
    block = resource(project, module, symbol)
    assert text(block.at("scope")) == scope
    assert text(block.at("properties.workspaceId")) == "diagnosticWorkspaceResourceId"
    assert re.search(rf"category: '{category}'\s+enabled: true", project.module(module).source)
    evidence(cases=1)


def chosen(value: object, given: dict[str, bool]) -> object:
    """What `a ? x : y` and `a && empty(b) ? x : y` come to; names of `given` are true or false."""
    found = re.fullmatch(r"(.+) \? '(\w+)' : '(\w+)'", text(value))
    if not found:
        return value
    parts = re.split(r" && ", found[1])
    holds = all(given[part.removeprefix("empty(").removesuffix(")")] for part in parts)
    return found[2] if holds else found[3]


@pytest.mark.acceptance("I3")
@pytest.mark.parametrize("private", [True, False], ids=["vnetEnabled", "without a network"])
def test_the_network_closes_storage_and_vault_and_nothing_else_depends_on_it(
    project: Project, private: bool, evidence: Report
) -> None:
    """With vnetEnabled default-deny everywhere; without it these doors stand open, and no others."""
    for name in ("hostStorage", "tokenStorage", "keyVault"):
        assert text(project.main.modules[name].params["privateOnly"]) == "vnetEnabled"
    given = {"privateOnly": private, "allowedIpAddress": True}  # `empty(allowedIpAddress)` holds by default
    doors = {}
    for template in project.templates.values():
        for block in template.resources.values():
            for path in ("properties.publicNetworkAccess", "properties.networkAcls.defaultAction"):
                if block.at(path) is not None:
                    doors[(block.name, path.rpartition(".")[2])] = chosen(block.at(path), given)
    public = {door for door, state in doors.items() if state in ("Enabled", "Allow")}
    site = {("site", "publicNetworkAccess")}
    assert public == (site if private else doors.keys())
    assert doors.keys() - site == {
        ("account", "publicNetworkAccess"),
        ("account", "defaultAction"),
        ("vault", "publicNetworkAccess"),
        ("vault", "defaultAction"),
    }
    evidence(cases=len(doors))


@pytest.mark.acceptance("I3")
def test_with_a_network_each_service_has_a_private_endpoint_that_resolves(project: Project, evidence: Report) -> None:
    variables = project.module("private-endpoints").variables
    zones = [text(zone) for zone in variables["zoneNames"].default]
    zone_indexes = variables["zoneIndexes"].default
    services = project.main.modules["privateEndpoints"].at("params.services")
    resolved = {
        (text(it["resourceId"]), it["groupId"], zones[zone_indexes[it["groupId"]]].split(".")[1]) for it in services
    }
    assert resolved == {
        ("hostStorage.outputs.resourceId", "blob", "blob"),
        ("hostStorage.outputs.resourceId", "table", "table"),
        ("tokenStorage.outputs.resourceId", "table", "table"),
        ("keyVault.outputs.resourceId", "vault", "vaultcore"),
    }
    evidence(cases=len(resolved))
