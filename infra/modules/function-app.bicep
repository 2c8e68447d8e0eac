metadata name = 'Function App'
metadata description = 'A Flex Consumption plan and the one app on it. The runtime is told in functionAppConfig only; settings of older plans would break it.'

@description('Name of the app; also its host name before .azurewebsites.net.')
@minLength(2)
@maxLength(60)
param name string

@description('Name of the plan.')
param planName string

@description('Region of plan and app.')
param location string

@description('Tags of the plan.')
param tags object

@description('Name of the service in azure.yaml: azd finds the app by this tag.')
param serviceName string

@description('Resource id of the identity.')
param identityResourceId string

@description('Client id of the identity.')
param identityClientId string

@description('Blob endpoint of the host\'s storage account, with a slash at its end.')
param hostStorageBlobEndpoint string

@description('Table endpoint of the host\'s storage account.')
param hostStorageTableEndpoint string

@description('Container of the deployment package; it must exist.')
param deploymentContainerName string

@description('Name of the Application Insights component.')
param applicationInsightsName string

@description('Settings of the application, by name.')
param settings object

@description('Version of Python.')
@allowed([
  '3.13'
  '3.14'
])
param runtimeVersion string

@description('Memory of an instance in MB: 512 has a quarter of a core, 2048 one, 4096 two.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int

@description('Most instances at a time.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int

@description('Instances that always wait for requests.')
@minValue(0)
@maxValue(1000)
param alwaysReadyHttpCount int

@description('Instances that always wait for the timer.')
@minValue(0)
@maxValue(1000)
param alwaysReadyTimerCount int

@description('Requests that one instance serves at a time.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int

@description('Threads of the Python worker; more than the concurrency, so that a burst never queues behind slow calls.')
@minValue(1)
param threadCount int

@description('How instances are replaced by a deployment. RollingUpdate is a preview of the platform.')
@allowed([
  'Recreate'
  'RollingUpdate'
])
param siteUpdateStrategy string

@description('Whether instances are spread over zones.')
param zoneRedundant bool

@description('Subnet for outgoing traffic; empty without a virtual network.')
param virtualNetworkSubnetResourceId string

@description('Workspace that takes the log of the host.')
param diagnosticWorkspaceResourceId string

// The platform refuses a single always-ready instance in a zone-redundant plan.
var leastReady = zoneRedundant ? 2 : 1
var readyForHttp = [
  {
    name: 'http'
    instanceCount: max(alwaysReadyHttpCount, leastReady)
  }
]
var readyForTimer = [
  {
    name: 'function:refresh_tokens'
    instanceCount: max(alwaysReadyTimerCount, leastReady)
  }
]
var applicationSettings = [for setting in items(settings): {
  name: setting.key
  value: setting.value
}]

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  // checkov:skip=CKV_AZURE_225: a parameter: not every region has zones
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  // checkov:skip=CKV_AZURE_78: Flex Consumption has no FTP, and newer regions refuse the property that says so
  // checkov:skip=CKV_AZURE_17: people come with browsers, not with client certificates
  // checkov:skip=CKV_AZURE_212: Flex Consumption scales by load; alwaysReadyHttpCount keeps instances
  // checkov:skip=CKV_AZURE_213: Flex Consumption has no health check of its own
  // checkov:skip=CKV_AZURE_222: people sign in from the internet
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': serviceName })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityResourceId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    clientAffinityEnabled: false
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(virtualNetworkSubnetResourceId) ? null : virtualNetworkSubnetResourceId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostStorageBlobEndpoint}${deploymentContainerName}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityResourceId
          }
        }
      }
      runtime: {
        name: 'python'
        version: runtimeVersion
      }
      scaleAndConcurrency: {
        alwaysReady: concat(alwaysReadyHttpCount > 0 ? readyForHttp : [], alwaysReadyTimerCount > 0 ? readyForTimer : [])
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
      // The service knows this property; the compiler's types do not yet.
      #disable-next-line BCP037
      siteUpdateStrategy: {
        type: siteUpdateStrategy
      }
    }
    siteConfig: {
      http20Enabled: true
      minTlsVersion: '1.2'
      remoteDebuggingEnabled: false
      scmMinTlsVersion: '1.2'
      cors: {
        allowedOrigins: []
        supportCredentials: false
      }
      // In one write with the site, so that the host never starts without its storage.
      appSettings: concat([
        {
          name: 'AzureWebJobsStorage__credential'
          value: 'managedidentity'
        }
        {
          name: 'AzureWebJobsStorage__clientId'
          value: identityClientId
        }
        {
          name: 'AzureWebJobsStorage__blobServiceUri'
          value: hostStorageBlobEndpoint
        }
        {
          name: 'AzureWebJobsStorage__tableServiceUri'
          value: hostStorageTableEndpoint
        }
        {
          name: 'AzureWebJobsDisableHomepage'
          value: 'true'
        }
        {
          name: 'APPLICATIONINSIGHTS_CONNECTION_STRING'
          value: applicationInsights.properties.ConnectionString
        }
        {
          name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
          value: 'ClientId=${identityClientId};Authorization=AAD'
        }
        {
          name: 'AZURE_CLIENT_ID'
          value: identityClientId
        }
        {
          name: 'PYTHON_THREADPOOL_THREAD_COUNT'
          value: string(threadCount)
        }
      ], applicationSettings)
    }
  }
}

// A preview: the only stable version is of 2016.
#disable-next-line use-recent-api-versions
resource hostLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: site
  properties: {
    workspaceId: diagnosticWorkspaceResourceId
    logs: [
      {
        category: 'FunctionAppLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

@description('Name of the app.')
output name string = site.name

@description('Resource id of the app.')
output resourceId string = site.id

@description('Host name that the platform gave the app.')
output defaultHostName string = site.properties.defaultHostName
