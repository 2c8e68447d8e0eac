metadata name = 'Virtual network'
metadata description = 'One subnet for the app\'s outgoing traffic and one for the private endpoints of vault and storage.'

@description('Name of the network.')
param name string

@description('Region of the network.')
param location string

@description('Tags of the network.')
param tags object

@description('Address range of the network.')
param addressPrefix string

@description('Address range of the app\'s subnet.')
param appSubnetPrefix string

@description('Address range of the private endpoints\' subnet.')
param endpointsSubnetPrefix string

resource securityGroup 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: '${name}-nsg'
  location: location
  tags: tags
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        addressPrefix
      ]
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: appSubnetPrefix
          // The app calls Azure DevOps and Entra ID through the subnet.
          defaultOutboundAccess: true
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
          networkSecurityGroup: {
            id: securityGroup.id
          }
        }
      }
      {
        name: 'private-endpoints'
        properties: {
          addressPrefix: endpointsSubnetPrefix
          defaultOutboundAccess: false
          networkSecurityGroup: {
            id: securityGroup.id
          }
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }

  resource app 'subnets' existing = {
    name: 'app'
  }

  resource endpoints 'subnets' existing = {
    name: 'private-endpoints'
  }
}

@description('Resource id of the network.')
output resourceId string = network.id

@description('Resource id of the app\'s subnet.')
output appSubnetResourceId string = network::app.id

@description('Resource id of the private endpoints\' subnet.')
output endpointsSubnetResourceId string = network::endpoints.id
