metadata name = 'Private endpoints'
metadata description = 'One private endpoint for each service that the app calls in its own subscription, with the DNS zones that lead to them.'

@description('Region of the endpoints.')
param location string

@description('Tags of endpoints and zones.')
param tags object

@description('Resource id of the network in which the names resolve.')
param virtualNetworkResourceId string

@description('Resource id of the endpoints\' subnet.')
param subnetResourceId string

@description('The services, one endpoint each: name, resourceId, and groupId, which is blob, table or vault.')
param services array

@description('Suffix that makes the names of the endpoints unique in the resource group.')
param nameSuffix string

var zoneNames = [
  'privatelink.blob.${environment().suffixes.storage}'
  'privatelink.table.${environment().suffixes.storage}'
  'privatelink.vaultcore.azure.net'
]
var zoneIndexes = {
  blob: 0
  table: 1
  vault: 2
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zoneName in zoneNames: {
  name: zoneName
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zoneName, index) in zoneNames: {
  parent: zones[index]
  name: 'to-${nameSuffix}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: virtualNetworkResourceId
    }
  }
}]

// One after the other: two at once on one storage account get in each other's way.
@batchSize(1)
resource endpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [for (service, index) in services: {
  name: 'pep-${service.name}-${nameSuffix}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetResourceId
    }
    privateLinkServiceConnections: [
      {
        name: service.name
        properties: {
          privateLinkServiceId: services[index].resourceId
          groupIds: [
            service.groupId
          ]
        }
      }
    ]
  }
}]

@batchSize(1)
resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [for (service, index) in services: {
  parent: endpoints[index]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: service.groupId
        properties: {
          privateDnsZoneId: zones[zoneIndexes[service.groupId]].id
        }
      }
    ]
  }
}]
