metadata name = 'Workbook'
metadata description = 'The health of the custody on one page: timer, refreshes, sign-ins, revocations, keys and secrets.'

@description('Name that people see.')
param displayName string

@description('Region of the workbook.')
param location string

@description('Tags of the workbook.')
param tags object

@description('Workspace whose logs the workbook shows.')
param workspaceResourceId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // A workbook's name must be a GUID, and the same one at every deployment.
  name: guid(workspaceResourceId, 'custody')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    category: 'workbook'
    displayName: displayName
    serializedData: replace(loadTextContent('workbook.json'), '{workspace}', workspaceResourceId)
    sourceId: workspaceResourceId
    version: '1.0'
  }
}

@description('Resource id of the workbook.')
output resourceId string = workbook.id
