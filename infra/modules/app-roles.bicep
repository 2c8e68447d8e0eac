metadata name = 'Roles of the application'
metadata description = 'What the identity of the application may do, each role at the narrowest scope that carries it.'

@description('Object id of the application\'s identity.')
param principalId string

@description('Name of the storage account of the Functions host.')
param hostStorageName string

@description('Name of the storage account of the token store.')
param tokenStorageName string

@description('Tables of the token store.')
param tables array

@description('Name of the vault.')
param keyVaultName string

@description('Names of the secrets that the application reads. They need not exist yet.')
param vaultItems array

@description('Name of the Application Insights component.')
param applicationInsightsName string

var roles = loadJsonContent('../role-definitions.json')

resource hostStorage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hostStorageName
}

// Package, host keys, and the leases that let one instance run the timer.
resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, principalId, roles.storageBlobDataOwner)
  scope: hostStorage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataOwner)
  }
}

// The host writes its diagnostic events to a table of its own account.
resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, principalId, roles.storageTableDataContributor)
  scope: hostStorage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataContributor)
  }
}

resource tokenStorage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: tokenStorageName
}

resource tokenTableService 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' existing = {
  parent: tokenStorage
  name: 'default'
}

resource tokenTables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' existing = [for table in tables: {
  parent: tokenTableService
  name: table
}]

resource tokenRows 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (table, index) in tables: {
  name: guid(tokenTables[index].id, principalId, roles.storageTableDataContributor)
  scope: tokenTables[index]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataContributor)
  }
}]

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: keyVaultName
}

resource vaultSecrets 'Microsoft.KeyVault/vaults/secrets@2025-05-01' existing = [for item in vaultItems: {
  parent: vault
  name: item
}]

resource secretReader 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (item, index) in vaultItems: {
  name: guid(vaultSecrets[index].id, principalId, roles.keyVaultSecretsUser)
  scope: vaultSecrets[index]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
  }
}]

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource telemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(applicationInsights.id, principalId, roles.monitoringMetricsPublisher)
  scope: applicationInsights
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.monitoringMetricsPublisher)
  }
}
