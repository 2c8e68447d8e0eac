metadata name = 'Identity'
metadata description = 'The one identity of the application: it deploys the package, runs the host and reads the vault and the token store.'

@description('Name of the identity.')
param name string

@description('Region of the identity.')
param location string

@description('Tags of the identity.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id, for the site that carries the identity.')
output resourceId string = identity.id

@description('Client id, by which SDKs and the Functions host choose this identity.')
output clientId string = identity.properties.clientId

@description('Object id in Entra ID: the principal of role assignments, and the subject of the federated credential.')
output principalId string = identity.properties.principalId
