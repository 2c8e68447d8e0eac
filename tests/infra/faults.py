"""Planted faults: for each rule of the checker at least one change of a copy that the rule must find."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Fault(NamedTuple):
    """`old` becomes `new` in a file below the root; `old` must be there."""

    rule: str
    file: str
    old: str
    new: str

    def plant(self, root: Path) -> None:
        """Change the copy. Raises AssertionError when the template has moved on and the fault no longer applies."""
        path = root / self.file
        text = path.read_text("utf-8")
        assert self.old in text, f"{self.file} no longer contains {self.old!r}"
        path.write_text(text.replace(self.old, self.new, 1), "utf-8")


MAIN = "infra/main.bicep"
PARAMETERS = "infra/main.parameters.json"
APP = "infra/modules/function-app.bicep"
STORAGE = "infra/modules/storage-account.bicep"
VAULT = "infra/modules/key-vault.bicep"
ROLES = "infra/modules/app-roles.bicep"
DEPLOYER = "infra/modules/deployer-roles.bicep"
MONITORING = "infra/modules/monitoring.bicep"
ALERTS = "infra/modules/alerts.bicep"
NETWORK = "infra/modules/virtual-network.bicep"
ENDPOINTS = "infra/modules/private-endpoints.bicep"
IDENTITY = "infra/modules/identity.bicep"
CONFIG = "infra/bicepconfig.json"
README = "infra/README.md"

FAULTS = [
    Fault("syntax", VAULT, "name: name\n", "name: name name\n"),
    Fault("syntax", MAIN, "output AZURE_LOCATION string = location", "output AZURE_LOCATION string ="),
    Fault("descriptions", MAIN, "@description('Name of the plan.')\n", ""),
    Fault("descriptions", STORAGE, "metadata description", "metadata summary"),
    Fault("descriptions", ALERTS, "  @description('Requests that the vault refused.')\n", ""),
    Fault("types", MAIN, "param vnetEnabled bool = false", "param vnetEnabled bool = 'false'"),
    Fault("types", MAIN, "param httpConcurrency int = 16", "param httpConcurrency number = 16"),
    Fault("symbols", MAIN, "location: location", "location: region"),
    Fault("symbols", STORAGE, "concat(changeLogs, readLogs)", "concatenate(changeLogs, readLogs)"),
    Fault("symbols", ROLES, "scope: tokenTables[index]", "scope: tokenTable[index]"),
    Fault("unused", APP, "        version: runtimeVersion\n", "        version: '3.13'\n"),
    Fault("unused", NETWORK, "= network::app.id", "= network.id"),
    Fault("scopes", MAIN, "targetScope = 'subscription'", "targetScope = 'resourceGroup'"),
    Fault("scopes", MAIN, "  scope: group\n", "  scope: resourceGroup('rg-gatehouse')\n"),
    Fault("scopes", MAIN, "name: 'token-storage'", "name: 'host-storage'"),
    Fault("arguments", MAIN, "'modules/workbook.bicep'", "'modules/workbooks.bicep'"),
    Fault("arguments", MAIN, "    workspaceResourceId: monitoring.outputs.workspaceResourceId\n", ""),
    Fault("arguments", MAIN, "    serviceName: 'app'\n", "    serviceName: 'app'\n    slot: 'staging'\n"),
    Fault("arguments", MAIN, "    logTableReads: false\n", "    logTableReads: 'false'\n"),
    Fault("outputs", MAIN, "keyVault.outputs.uri", "keyVault.outputs.vaultUri"),
    Fault("outputs", MAIN, "network!.outputs.resourceId", "network.outputs.resourceId"),
    Fault("outputs", MAIN, "vnetEnabled ? network!.outputs.resourceId : ''", "network!.outputs.resourceId"),
    Fault("contract", MAIN, "output AZURE_KEY_VAULT_NAME", "output AZURE_VAULT_NAME"),
    Fault(
        "no-secrets-out", MONITORING, "= applicationInsights.name", "= applicationInsights.properties.ConnectionString"
    ),
    Fault("no-secrets-out", MAIN, "param supportUrl string", "param clientSecret string"),
    Fault("no-secrets-out", PARAMETERS, '"supportUrl"', '"clientSecret"'),
    Fault("parameters-file", PARAMETERS, "${VNET_ENABLED=false}", "${VNET_ENABLED}"),
    Fault("parameters-file", PARAMETERS, "${HTTP_CONCURRENCY=16}", "${HTTP_CONCURRENCY=1}"),
    Fault("parameters-file", PARAMETERS, '"alertEmail"', '"alertMail"'),
    Fault("parameters-file", PARAMETERS, "${CUSTOM_PUBLIC_URL=}", "${PUBLIC_URL=}"),
    Fault("parameters-file", PARAMETERS, "${PLAN_NAME=}", "${IDENTITY_NAME=}"),
    Fault("names", MAIN, "storageStorageAccounts}token${", "storageStorageAccounts}tokenstorage${"),
    Fault("names", MAIN, "'${abbreviations.keyVaultVaults}${resourceToken}'", "'${abbreviations.keyVaultVaults}app'"),
    Fault("names", MAIN, "param planName string", "param serverFarmName string"),
    Fault("names", "infra/abbreviations.json", '"webServerFarms"', '"webServerfarms"'),
    Fault("tags", MAIN, "'azd-env-name'", "'environment'"),
    Fault("tags", APP, "'azd-service-name'", "'service'"),
    Fault("tags", MAIN, "serviceName: 'app'", "serviceName: 'api'"),
    Fault("tags", IDENTITY, "  tags: tags\n", ""),
    Fault("locations", MAIN, "@metadata({\n  azd: {\n    type: 'location'\n  }\n})\n", "@allowed(['westeurope'])\n"),
    Fault("locations", VAULT, "  location: location\n", "  location: 'westeurope'\n"),
    Fault("api-versions", VAULT, "vaults@2025-05-01", "vaults@2019-09-01"),
    Fault("schemas", STORAGE, "allowBlobPublicAccess: false", "allowPublicBlobAccess: false"),
    Fault("schemas", APP, "type: 'blobContainer'", "type: 'blobcontainers'"),
    Fault("schemas", ALERTS, "windowSize: alert.window", "window: alert.window"),
    Fault("schemas", VAULT, "family: 'A'", "family: 'B'"),
    Fault("schemas", ENDPOINTS, "registrationEnabled: false", "registrationEnabled: 'false'"),
    Fault("role-ids", "infra/role-definitions.json", "4633458b", "4633458c"),
    Fault("role-ids", DEPLOYER, "roles.keyVaultSecretsOfficer)\n", "'b86a8fe4-44ce-4948-aee5-eccb2c155cd7')\n"),
    Fault("least-privilege", ROLES, "scope: tokenTables[index]", "scope: tokenStorage"),
    Fault("least-privilege", ROLES, "scope: vaultSecrets[index]", "scope: vault"),
    Fault(
        "least-privilege", ROLES, "'Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser", "'x', roles.y"
    ),
    Fault("least-privilege", DEPLOYER, "  scope: vault\n", ""),
    Fault("assignments", ROLES, "name: guid(hostStorage.id, ", "name: guid(hostStorage.name, "),
    Fault("assignments", ROLES, "    principalType: 'ServicePrincipal'\n", ""),
    Fault("assignments", DEPLOYER, "principalType: principalType", "principalType: 'User'"),
    Fault("assignments", MAIN, "if (!empty(principalId))", "if (vnetEnabled)"),
    Fault("roles-first", MAIN, "    appRoles\n", ""),
    Fault("roles-first", MAIN, "    privateEndpoints\n", ""),
    Fault("no-shared-keys", APP, "value: hostStorageBlobEndpoint", "value: storage.listKeys().keys[0].value"),
    Fault("no-shared-keys", MAIN, "SUPPORT_URL: supportUrl", "SUPPORT_URL: 'AccountKey=abc'"),
    Fault("literals", STORAGE, "allowSharedKeyAccess: false", "allowSharedKeyAccess: privateOnly"),
    Fault("literals", STORAGE, "'TLS1_2'", "'TLS1_0'"),
    Fault("literals", STORAGE, "publicAccess: 'None'", "publicAccess: 'Blob'"),
    Fault("literals", VAULT, "enableRbacAuthorization: true", "enableRbacAuthorization: false"),
    Fault("literals", MONITORING, "DisableLocalAuth: true", "DisableLocalAuth: false"),
    Fault("literals", APP, "httpsOnly: true", "httpsOnly: false"),
    Fault("literals", APP, "allowedOrigins: []", "allowedOrigins: ['*']"),
    Fault("literals", APP, "      remoteDebuggingEnabled: false\n", ""),
    Fault("separate-stores", MAIN, "TOKEN_STORE_URL: tokenStorage", "TOKEN_STORE_URL: hostStorage"),
    Fault(
        "separate-stores",
        MAIN,
        "    tables: tokenTables\n    privateOnly",
        "    containers: tokenTables\n    privateOnly",
    ),
    Fault("tables", MAIN, "  'logins'\n", "  'states'\n"),
    Fault("tables", "shared/storage/logins.py", 'TABLE = "logins"', 'TABLE = "states"'),
    Fault("vault", VAULT, "enablePurgeProtection ? true : null", "enablePurgeProtection"),
    Fault("vault", MAIN, "param purgeProtection bool = true", "param purgeProtection bool = false"),
    Fault("vault", MAIN, "  'entra-client-secret'\n", ""),
    Fault("vault", ROLES, "vaults/secrets@2025-05-01' existing =", "vaults/secrets@2025-05-01' ="),
    Fault("replication", MAIN, "param storageSku string = 'Standard_ZRS'", "param storageSku string = 'Standard_LRS'"),
    Fault("logs", VAULT, "category: 'AuditEvent'", "category: 'AzurePolicyEvaluationDetails'"),
    Fault("logs", STORAGE, "category: 'StorageDelete'", "category: 'StorageRead'"),
    Fault("logs", APP, "workspaceId: diagnosticWorkspaceResourceId", "workspaceId: plan.id"),
    Fault("telemetry", APP, ";Authorization=AAD", ""),
    Fault("telemetry", MONITORING, "dailyQuotaGb: dailyQuotaGb", "dailyQuotaGb: 1"),
    Fault("telemetry", "host.json", "Request;Exception;Trace", "Request;Exception"),
    Fault("forbidden-settings", APP, "'AzureWebJobsDisableHomepage'", "'FUNCTIONS_WORKER_RUNTIME'"),
    Fault("forbidden-settings", MAIN, "APP_NAME: siteTitle", "AzureWebJobsStorage: ''"),
    Fault("forbidden-settings", APP, "http20Enabled: true", "http20Enabled: true\n      linuxFxVersion: 'Python|3.13'"),
    Fault("forbidden-settings", APP, "http20Enabled: true", "http20Enabled: true\n      ftpsState: 'Disabled'"),
    Fault("flex", APP, "name: 'FC1'", "name: 'Y1'"),
    Fault("flex", APP, "perInstanceConcurrency: httpConcurrency", "perInstanceConcurrency: 1"),
    Fault("flex", APP, "max(alwaysReadyHttpCount, leastReady)", "alwaysReadyHttpCount"),
    Fault("host-settings", APP, "name: 'AzureWebJobsStorage__clientId'", "name: 'AzureWebJobsStorage__tenantId'"),
    Fault("host-settings", APP, "value: 'true'", "value: 'false'"),
    Fault("host-settings", "host.json", '"routePrefix": ""', '"routePrefix": "api"'),
    Fault("one-identity", APP, "'${identityResourceId}': {}", "'${identityResourceId}': {}\n      '${plan.id}': {}"),
    Fault("one-identity", MAIN, "principalId: identity.outputs.principalId", "principalId: principalId"),
    Fault("bounds", MAIN, "param threadCount int = 32", "param threadCount int = 8"),
    Fault("bounds", MAIN, "@maxValue(256)\n", ""),
    Fault("bounds", MAIN, "  '3.13'\n", "  '3.12'\n"),
    Fault("private-endpoints", MAIN, "groupId: 'vault'", "groupId: 'secrets'"),
    Fault("private-endpoints", ENDPOINTS, "vault: 2", "vault: 1"),
    Fault("doors", STORAGE, "privateOnly ? 'Deny' : 'Allow'", "'Allow'"),
    Fault("doors", VAULT, "privateOnly && empty(allowedIpAddress) ? 'Disabled' : 'Enabled'", "'Enabled'"),
    Fault("doors", MAIN, "    privateOnly: vnetEnabled\n", "    privateOnly: false\n"),
    Fault("subnets", NETWORK, "Microsoft.App/environments", "Microsoft.Web/serverFarms"),
    Fault("subnets", MAIN, "vnetEnabled ? network!.outputs.appSubnetResourceId : ''", "''"),
    Fault("settings-parity", MAIN, "      ALLOWED_HOSTS: allowedHosts\n", ""),
    Fault("settings-parity", MAIN, "ALLOWED_HOSTS: allowedHosts", "ALLOWED_HOST: allowedHosts"),
    Fault("settings-parity", MAIN, "APP_NAME: siteTitle", "TOKEN_ENCRYPTION_KEY: siteTitle"),
    Fault("settings-parity", "shared/config.py", 'self._text("AZURE_CLIENT_ID")', 'self._text("AZURE_IDENTITY")'),
    Fault(
        "settings-conditional", MAIN, "SUPPORT_URL: supportUrl", "SUPPORT_URL: supportUrl\n      ALLOWED_TENANTS: ''"
    ),
    Fault("settings-documents", "local.settings.example.json", '"APP_NAME"', '"TITLE"'),
    Fault("settings-documents", "README.md", "`SESSIONS_NOT_BEFORE`", "`SESSIONS_SINCE`"),
    Fault("settings-defaults", MAIN, "param sessionIdleHours int = 8", "param sessionIdleHours int = 24"),
    Fault("alerts", ALERTS, "name: 'vault-stale'", "name: 'vault-old'"),
    Fault("alerts", ALERTS, "window: 'PT1H'", "window: 'PT90M'"),
    Fault("alerts", ALERTS, "loadTextContent('alerts/app-fault.kql')", "'AppTraces'"),
    Fault("alerts-told", ALERTS, "      actionGroups: actionGroups\n", "      customProperties: {}\n"),
    Fault("alerts-told", MAIN, "    alertEmail: alertEmail\n", ""),
    Fault("alerts-events", "infra/modules/alerts/app-fault.kql", '"app_fault"', '"application_fault"'),
    Fault("alerts-events", "infra/modules/alerts/timer-behind.kql", "e.behind_seconds", "e.seconds_behind"),
    Fault("alerts-events", "infra/modules/workbook.json", "e.revocations_waiting", "e.waiting_revocations"),
    Fault("alerts-events", "shared/custody/tick.py", "behind_seconds: int = 0", "lag_seconds: int = 0"),
    Fault("alerts-pages", README, "| `unreadable-rows` |", "| `rows` |"),
    Fault("cloud-hosts", MAIN, "AuthorityUrl string = ''", "AuthorityUrl string = 'https://login.microsoftonline.com'"),
    Fault("resource-ids", ENDPOINTS, "services[index].resourceId", "service.resourceId"),
    Fault("resource-ids", ALERTS, "actionGroups: actionGroups", "actionGroupId: '/subscriptions/1/actionGroups/a'"),
    Fault("linter", CONFIG, '"outputs-should-not-contain-secrets": { "level": "error" }', '"x": { "level": "error" }'),
    Fault("points", README, "| 20 |", "| 21 |"),
    Fault("points", README, "| `roles-first` | not yet |", "| `roles-first` | yes |"),
    Fault("points", README, "| `roles-first` | not yet |", "| by eye | not yet |"),
]
