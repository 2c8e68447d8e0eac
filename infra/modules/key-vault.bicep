metadata name = 'Key Vault'
metadata description = 'The vault of the three secrets, with Azure RBAC only. The secrets themselves are set after the deployment: no template sees a value.'

@description('Name of the vault, unique in Azure.')
@minLength(3)
@maxLength(24)
param name string

@description('Region of the vault.')
param location string

@description('Tags of the vault.')
param tags object

@description('Whether nobody can purge the vault or a secret before its retention is over. Cannot be taken back.')
param enablePurgeProtection bool

@description('Days that deleted secrets, and the deleted vault, can be recovered. Fixed once the vault exists.')
@minValue(7)
@maxValue(90)
param softDeleteRetentionInDays int

@description('Whether to recover a soft-deleted vault of this name instead of creating one.')
param recover bool

@description('Whether only private endpoints reach the vault.')
param privateOnly bool

@description('One public address that reaches the vault although it is private, for setting secrets; empty for none.')
param allowedIpAddress string

@description('Workspace that takes the audit log.')
param diagnosticWorkspaceResourceId string

@description('Whether the vault is locked against deletion.')
param deletionLock bool

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  // checkov:skip=CKV_AZURE_42: recoverable: soft delete is literal, purge protection a parameter that is on by default
  // checkov:skip=CKV_AZURE_109: denied with privateOnly; without a network Azure RBAC is the guard
  // checkov:skip=CKV_AZURE_110: a parameter that is on by default
  // checkov:skip=CKV_AZURE_189: disabled with privateOnly
  name: name
  location: location
  tags: tags
  properties: {
    createMode: recover ? 'recover' : 'default'
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    // The service refuses false: absent is how purge protection stays off.
    enablePurgeProtection: enablePurgeProtection ? true : null
    enableRbacAuthorization: true
    enableSoftDelete: true
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: privateOnly ? 'Deny' : 'Allow'
      ipRules: empty(allowedIpAddress) ? [] : [
        {
          value: allowedIpAddress
        }
      ]
    }
    publicNetworkAccess: privateOnly && empty(allowedIpAddress) ? 'Disabled' : 'Enabled'
    sku: {
      family: 'A'
      name: 'standard'
    }
    softDeleteRetentionInDays: softDeleteRetentionInDays
    tenantId: tenant().tenantId
  }
}

// A preview: the only stable version is of 2016.
#disable-next-line use-recent-api-versions
resource auditLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: vault
  properties: {
    workspaceId: diagnosticWorkspaceResourceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (deletionLock) {
  name: 'keep'
  scope: vault
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds the encryption key of all tokens; remove this lock before azd down.'
  }
}

@description('Name of the vault.')
output name string = vault.name

@description('Resource id of the vault.')
output resourceId string = vault.id

@description('Address of the vault.')
output uri string = vault.properties.vaultUri
