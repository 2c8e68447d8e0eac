targetScope = 'subscription'

metadata name = 'Gatehouse'
metadata description = 'Everything that Gatehouse needs on Azure: a Flex Consumption app with one identity, a token store and a vault without shared keys, and somebody who is told when something is wrong.'

// --- Where and by whom ---

@description('Name of the azd environment; all names are derived from it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of all resources.')
@minLength(1)
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('Object id of the person or pipeline that deploys, who may then set secrets in the vault; empty for nobody.')
param principalId string = ''

@description('What that principal is. A pipeline is a ServicePrincipal.')
@allowed([
  'User'
  'ServicePrincipal'
])
param principalType string = 'User'

// --- Names; an empty one is derived from the environment ---

@description('Name of the resource group.')
param resourceGroupName string = ''

@description('Name of the app, and of its host before .azurewebsites.net.')
param functionAppName string = ''

@description('Name of the plan.')
param planName string = ''

@description('Name of the identity.')
param identityName string = ''

@description('Name of the host\'s storage account.')
param hostStorageName string = ''

@description('Name of the token store\'s storage account.')
param tokenStorageName string = ''

@description('Name of the vault.')
param keyVaultName string = ''

@description('Name of the Log Analytics workspace.')
param logAnalyticsName string = ''

@description('Name of the Application Insights component.')
param applicationInsightsName string = ''

@description('Name of the virtual network.')
param virtualNetworkName string = ''

@description('Name of the action group.')
param actionGroupName string = ''

// --- Compute ---

@description('Version of Python.')
@allowed([
  '3.13'
  '3.14'
])
param pythonVersion string = '3.13'

@description('Memory of an instance in MB: 512 has a quarter of a core, 2048 one, 4096 two.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('Most instances at a time.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that always wait for requests, without a cold start; each costs money while idle.')
@minValue(0)
@maxValue(1000)
param alwaysReadyHttpCount int = 0

@description('Instances that always wait for the timer.')
@minValue(0)
@maxValue(1000)
param alwaysReadyTimerCount int = 0

@description('Requests that one instance serves at a time.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

@description('Threads of the Python worker in one instance.')
@minValue(1)
@maxValue(256)
param threadCount int = 32

@description('How instances are replaced by a deployment. RollingUpdate has no downtime and is a preview of the platform.')
@allowed([
  'Recreate'
  'RollingUpdate'
])
param siteUpdateStrategy string = 'Recreate'

@description('Whether instances are spread over the zones of the region.')
param zoneRedundant bool = false

// --- Data ---

@description('Replication of both storage accounts. Regions without zones need Standard_LRS.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
param storageSku string = 'Standard_ZRS'

@description('Whether nobody can purge the vault before its retention is over. Cannot be taken back once it is on.')
param purgeProtection bool = true

@description('Days that a deleted vault or secret can be recovered. Fixed once the vault exists.')
@minValue(7)
@maxValue(90)
param softDeleteRetentionDays int = 90

@description('Whether to recover a soft-deleted vault of the same name, as after azd down with purge protection.')
param recoverKeyVault bool = false

@description('Whether vault and token store are locked against deletion; azd down then fails until the locks are removed.')
param deletionLocks bool = false

// --- Network ---

@description('Whether vault and storage are reached by private endpoints only.')
param vnetEnabled bool = false

@description('With vnetEnabled: the one public address that still reaches the vault, while secrets are set; empty for none.')
param deployerIpAddress string = ''

@description('Address range of the virtual network.')
param vnetAddressPrefix string = '10.0.0.0/16'

@description('Address range of the private endpoints.')
param endpointsSubnetPrefix string = '10.0.1.0/24'

@description('Address range of the app\'s outgoing traffic.')
param appSubnetPrefix string = '10.0.2.0/24'

// --- Monitoring ---

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Gigabytes of logs a day after which ingestion stops until the next day, at least 1; -1 for no cap.')
@minValue(-1)
param logDailyQuotaGb int = 1

@description('Whether every read of the token store is logged, not only changes; one record for each page view.')
param logTableReads bool = false

@description('Whether alert rules are created; they are most of the cost of an idle deployment.')
param alertsEnabled bool = true

@description('Address that alerts are mailed to; empty for none.')
param alertEmail string = ''

@description('Resource id of an action group that exists already; empty for none.')
param actionGroupResourceId string = ''

@description('Time without a timer run that raises an alert: at least three periods of refreshSchedule.')
@allowed([
  'PT15M'
  'PT30M'
  'PT1H'
  'PT2H'
  'PT3H'
])
param heartbeatWindow string = 'PT15M'

// --- Settings of the application (README, Settings) ---

@description('Origin of the site, where it has a domain of its own; empty for the host name of the app.')
param publicUrl string = ''

@description('App ID of the legacy Azure DevOps registration; empty without one.')
param azureDevOpsAppId string = ''

@description('Scopes of the legacy registration, to the letter.')
param azureDevOpsScopes string = 'vso.work vso.build vso.code vso.project vso.profile'

@description('Whether new sign-ins with the legacy registration are taken; live sessions go on.')
@allowed([
  'on'
  'off'
])
param azureDevOpsSignIn string = 'on'

@description('Address of Azure DevOps.')
param azureDevOpsUrl string = 'https://dev.azure.com'

@description('Address of the legacy token service.')
param azureDevOpsIdentityUrl string = 'https://app.vssps.visualstudio.com'

@description('Address of Microsoft Entra ID; empty for that of the public cloud.')
param entraAuthorityUrl string = ''

@description('Application id of the Entra registration; empty without one.')
param entraClientId string = ''

@description('Tenant of the Entra registration; empty for the tenant of the deployment.')
param entraTenantId string = ''

@description('Further tenants whose people may sign in, comma-separated.')
param allowedTenants string = ''

@description('Organizations to show, comma-separated; empty for all.')
param allowedOrganizations string = ''

@description('Further host names to answer under, comma-separated.')
param allowedHosts string = ''

@description('Hours that a session lasts at most.')
@minValue(1)
@maxValue(2160)
param sessionLifetimeHours int = 24

@description('Hours that an unused session lasts.')
@minValue(1)
@maxValue(2160)
param sessionIdleHours int = 8

@description('The incident switch: sessions from before this UTC time (2026-01-31T12:00:00Z) are dead at once.')
param sessionsNotBefore string = ''

@description('NCRONTAB of the timer, in UTC.')
param refreshSchedule string = '0 */5 * * * *'

@description('Minutes before its end that the timer refreshes an access token.')
@minValue(6)
@maxValue(55)
param refreshMarginMinutes int = 15

@description('Refreshes per second of one instance.')
@minValue(1)
@maxValue(1000)
param refreshCallsPerSecond int = 50

@description('Name of the site that people see.')
@maxLength(60)
param siteTitle string = 'Gatehouse'

@description('Where people find help: an https or mailto address; empty for none.')
param supportUrl string = ''

var abbreviations = loadJsonContent('abbreviations.json')
var resourceToken = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
}
var appName = empty(functionAppName) ? '${abbreviations.webSitesFunctions}gatehouse-${resourceToken}' : functionAppName
var networkName = empty(virtualNetworkName) ? '${abbreviations.networkVirtualNetworks}${resourceToken}' : virtualNetworkName
var origin = empty(publicUrl) ? 'https://${appName}.azurewebsites.net' : publicUrl
var deploymentContainer = 'app-package'
var tokenTables = [
  'connections'
  'due'
  'logins'
]
var vaultItems = [
  'azure-devops-client-secret'
  'entra-client-secret'
  'token-encryption-key'
]
var entraSettings = empty(entraClientId) ? {} : {
  ENTRA_CLIENT_ID: entraClientId
  ENTRA_TENANT_ID: empty(entraTenantId) ? tenant().tenantId : entraTenantId
}
var authoritySettings = empty(entraAuthorityUrl) ? {} : {
  ENTRA_AUTHORITY_URL: entraAuthorityUrl
}
var tenantSettings = empty(allowedTenants) ? {} : {
  ALLOWED_TENANTS: allowedTenants
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: empty(resourceGroupName) ? '${abbreviations.resourcesResourceGroups}${environmentName}' : resourceGroupName
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: empty(identityName) ? '${abbreviations.managedIdentityUserAssignedIdentities}${resourceToken}' : identityName
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: empty(logAnalyticsName) ? '${abbreviations.operationalInsightsWorkspaces}${resourceToken}' : logAnalyticsName
    applicationInsightsName: empty(applicationInsightsName) ? '${abbreviations.insightsComponents}${resourceToken}' : applicationInsightsName
    location: location
    tags: tags
    dataRetention: logRetentionDays
    dailyQuotaGb: logDailyQuotaGb
  }
}

module hostStorage 'modules/storage-account.bicep' = {
  name: 'host-storage'
  scope: group
  params: {
    name: empty(hostStorageName) ? '${abbreviations.storageStorageAccounts}host${resourceToken}' : hostStorageName
    location: location
    tags: tags
    skuName: storageSku
    containers: [
      deploymentContainer
    ]
    privateOnly: vnetEnabled
    diagnosticWorkspaceResourceId: monitoring.outputs.workspaceResourceId
    logTableReads: false
    deletionLock: false
  }
}

module tokenStorage 'modules/storage-account.bicep' = {
  name: 'token-storage'
  scope: group
  params: {
    name: empty(tokenStorageName) ? '${abbreviations.storageStorageAccounts}token${resourceToken}' : tokenStorageName
    location: location
    tags: tags
    skuName: storageSku
    tables: tokenTables
    privateOnly: vnetEnabled
    diagnosticWorkspaceResourceId: monitoring.outputs.workspaceResourceId
    logTableReads: logTableReads
    deletionLock: deletionLocks
  }
}

module keyVault 'modules/key-vault.bicep' = {
  name: 'key-vault'
  scope: group
  params: {
    name: empty(keyVaultName) ? '${abbreviations.keyVaultVaults}${resourceToken}' : keyVaultName
    location: location
    tags: tags
    enablePurgeProtection: purgeProtection
    softDeleteRetentionInDays: softDeleteRetentionDays
    recover: recoverKeyVault
    privateOnly: vnetEnabled
    allowedIpAddress: deployerIpAddress
    diagnosticWorkspaceResourceId: monitoring.outputs.workspaceResourceId
    deletionLock: deletionLocks
  }
}

module appRoles 'modules/app-roles.bicep' = {
  name: 'app-roles'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    hostStorageName: hostStorage.outputs.name
    tokenStorageName: tokenStorage.outputs.name
    tables: tokenTables
    keyVaultName: keyVault.outputs.name
    vaultItems: vaultItems
    applicationInsightsName: monitoring.outputs.applicationInsightsName
  }
}

module deployerRoles 'modules/deployer-roles.bicep' = if (!empty(principalId)) {
  name: 'deployer-roles'
  scope: group
  params: {
    principalId: principalId
    principalType: principalType
    keyVaultName: keyVault.outputs.name
  }
}

module network 'modules/virtual-network.bicep' = if (vnetEnabled) {
  name: 'virtual-network'
  scope: group
  params: {
    name: networkName
    location: location
    tags: tags
    addressPrefix: vnetAddressPrefix
    appSubnetPrefix: appSubnetPrefix
    endpointsSubnetPrefix: endpointsSubnetPrefix
  }
}

// Even where the condition is false its parameters are evaluated (Azure/bicep#3990), so they ask for it themselves.
module privateEndpoints 'modules/private-endpoints.bicep' = if (vnetEnabled) {
  name: 'private-endpoints'
  scope: group
  params: {
    location: location
    tags: tags
    virtualNetworkResourceId: vnetEnabled ? network!.outputs.resourceId : ''
    subnetResourceId: vnetEnabled ? network!.outputs.endpointsSubnetResourceId : ''
    services: [
      {
        name: 'host-blob'
        resourceId: hostStorage.outputs.resourceId
        groupId: 'blob'
      }
      {
        name: 'host-table'
        resourceId: hostStorage.outputs.resourceId
        groupId: 'table'
      }
      {
        name: 'token-table'
        resourceId: tokenStorage.outputs.resourceId
        groupId: 'table'
      }
      {
        name: 'vault'
        resourceId: keyVault.outputs.resourceId
        groupId: 'vault'
      }
    ]
    nameSuffix: resourceToken
  }
}

module functionApp 'modules/function-app.bicep' = {
  name: 'function-app'
  scope: group
  params: {
    name: appName
    planName: empty(planName) ? '${abbreviations.webServerFarms}${resourceToken}' : planName
    location: location
    tags: tags
    serviceName: 'app'
    identityResourceId: identity.outputs.resourceId
    identityClientId: identity.outputs.clientId
    hostStorageBlobEndpoint: hostStorage.outputs.blobEndpoint
    hostStorageTableEndpoint: hostStorage.outputs.tableEndpoint
    deploymentContainerName: deploymentContainer
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    runtimeVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyHttpCount: alwaysReadyHttpCount
    alwaysReadyTimerCount: alwaysReadyTimerCount
    httpConcurrency: httpConcurrency
    threadCount: threadCount
    siteUpdateStrategy: siteUpdateStrategy
    zoneRedundant: zoneRedundant
    virtualNetworkSubnetResourceId: vnetEnabled ? network!.outputs.appSubnetResourceId : ''
    diagnosticWorkspaceResourceId: monitoring.outputs.workspaceResourceId
    settings: union({
      PUBLIC_URL: origin
      CALLBACK_URL: '${origin}/auth/callback'
      ALLOWED_HOSTS: allowedHosts
      AZURE_DEVOPS_APP_ID: azureDevOpsAppId
      AZURE_DEVOPS_SCOPES: azureDevOpsScopes
      AZURE_DEVOPS_SIGN_IN: azureDevOpsSignIn
      AZURE_DEVOPS_URL: azureDevOpsUrl
      AZURE_DEVOPS_IDENTITY_URL: azureDevOpsIdentityUrl
      ALLOWED_ORGANIZATIONS: allowedOrganizations
      KEY_VAULT_URL: keyVault.outputs.uri
      TOKEN_STORE_URL: tokenStorage.outputs.tableEndpoint
      SESSION_LIFETIME_HOURS: string(sessionLifetimeHours)
      SESSION_IDLE_HOURS: string(sessionIdleHours)
      SESSIONS_NOT_BEFORE: sessionsNotBefore
      REFRESH_SCHEDULE: refreshSchedule
      REFRESH_MARGIN_MINUTES: string(refreshMarginMinutes)
      REFRESH_CALLS_PER_SECOND: string(refreshCallsPerSecond)
      APP_NAME: siteTitle
      SUPPORT_URL: supportUrl
    }, entraSettings, authoritySettings, tenantSettings)
  }
  // The host reads its storage as it starts: the roles, and in a network the private names, come first.
  dependsOn: [
    appRoles
    privateEndpoints
  ]
}

module alerts 'modules/alerts.bicep' = if (alertsEnabled) {
  name: 'alerts'
  scope: group
  params: {
    namePrefix: appName
    actionGroupName: empty(actionGroupName) ? '${abbreviations.insightsActionGroups}${resourceToken}' : actionGroupName
    location: location
    tags: tags
    workspaceResourceId: monitoring.outputs.workspaceResourceId
    tokenStorageResourceId: tokenStorage.outputs.resourceId
    keyVaultResourceId: keyVault.outputs.resourceId
    alertEmail: alertEmail
    actionGroupResourceId: actionGroupResourceId
    heartbeatWindow: heartbeatWindow
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    displayName: '${siteTitle}: health of the custody'
    location: location
    tags: tags
    workspaceResourceId: monitoring.outputs.workspaceResourceId
  }
}

@description('Resource group of the deployment.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Region of the deployment.')
output AZURE_LOCATION string = location

@description('Tenant of the deployment, and of the identity.')
output AZURE_TENANT_ID string = tenant().tenantId

@description('Name of the app.')
output AZURE_FUNCTION_APP_NAME string = functionApp.outputs.name

@description('Origin of the site.')
output PUBLIC_URL string = origin

@description('Name of the vault, into which the hooks put the secrets.')
output AZURE_KEY_VAULT_NAME string = keyVault.outputs.name

@description('Address of the vault.')
output KEY_VAULT_URL string = keyVault.outputs.uri

@description('Client id of the identity.')
output AZURE_IDENTITY_CLIENT_ID string = identity.outputs.clientId

@description('Object id of the identity: the subject of the federated credential.')
output AZURE_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId

@description('Table endpoint of the token store.')
output TOKEN_STORE_URL string = tokenStorage.outputs.tableEndpoint
