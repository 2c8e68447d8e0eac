metadata name = 'Roles of the deployer'
metadata description = 'Whoever runs the deployment may set secrets, and may do nothing with the token store.'

@description('Object id of the person or pipeline that deploys.')
param principalId string

@description('What the principal is: a role assignment that names the wrong type is refused.')
@allowed([
  'User'
  'ServicePrincipal'
])
param principalType string

@description('Name of the vault.')
param keyVaultName string

var roles = loadJsonContent('../role-definitions.json')

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: keyVaultName
}

resource secretWriter 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, roles.keyVaultSecretsOfficer)
  scope: vault
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsOfficer)
  }
}
