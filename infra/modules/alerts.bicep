metadata name = 'Alerts'
metadata description = 'Who is told, and of what. Each query is a file of alerts/ and reads the audit events of the application; what to do is in infra/README.md under the alert\'s name.'

@export()
@description('How many matches within its window raise an alert.')
type alertThresholds = {
  @description('Failed sign-ins, those that people cancelled left out.')
  @minValue(1)
  signInFailures: int

  @description('Failed refreshes, those that Azure DevOps throttled left out.')
  @minValue(1)
  refreshFailures: int

  @description('Connections that ended although nobody signed out.')
  @minValue(1)
  connectionsEnded: int

  @description('Answers with a status of 500 or more.')
  @minValue(1)
  serverErrors: int

  @description('Requests that the vault refused.')
  @minValue(1)
  vaultRefusals: int
}

@description('Prefix of the alerts\' names.')
param namePrefix string

@description('Name of the action group.')
param actionGroupName string

@description('Region of the log alerts.')
param location string

@description('Tags of everything here.')
param tags object

@description('Workspace that holds the logs.')
param workspaceResourceId string

@description('Resource id of the token store\'s account.')
param tokenStorageResourceId string

@description('Resource id of the vault.')
param keyVaultResourceId string

@description('Address that alerts are mailed to; empty for none.')
param alertEmail string

@description('Resource id of an action group that exists already; empty for none.')
param actionGroupResourceId string

@description('Time without a timer run that raises an alert: three periods of the schedule.')
@allowed([
  'PT15M'
  'PT30M'
  'PT1H'
  'PT2H'
  'PT3H'
])
param heartbeatWindow string

@description('How many matches raise an alert.')
param thresholds alertThresholds = {
  signInFailures: 10
  refreshFailures: 10
  connectionsEnded: 20
  serverErrors: 5
  vaultRefusals: 10
}

var logAlerts = [
  {
    name: 'timer-heartbeat'
    description: 'The timer did not run: tokens expire, and revocations and purges wait.'
    query: loadTextContent('alerts/timer-heartbeat.kql')
    severity: 1
    frequency: 'PT5M'
    window: heartbeatWindow
    atLeast: 1
  }
  {
    name: 'timer-behind'
    description: 'The timer runs, but users wait more than 15 minutes for their look.'
    query: loadTextContent('alerts/timer-behind.kql')
    severity: 2
    frequency: 'PT5M'
    window: 'PT15M'
    atLeast: 1
  }
  {
    name: 'sign-in-failures'
    description: 'Many sign-ins fail.'
    query: loadTextContent('alerts/sign-in-failures.kql')
    severity: 2
    frequency: 'PT5M'
    window: 'PT15M'
    atLeast: thresholds.signInFailures
  }
  {
    name: 'refresh-failures'
    description: 'Many refreshes fail: access tokens run out within the hour.'
    query: loadTextContent('alerts/refresh-failures.kql')
    severity: 2
    frequency: 'PT5M'
    window: 'PT15M'
    atLeast: thresholds.refreshFailures
  }
  {
    name: 'app-fault'
    description: 'The token service refuses this application: wrong or expired client secret, or a registration that changed.'
    query: loadTextContent('alerts/app-fault.kql')
    severity: 1
    frequency: 'PT5M'
    window: 'PT15M'
    atLeast: 1
  }
  {
    name: 'connections-ended'
    description: 'Many people must sign in anew although they did not sign out.'
    query: loadTextContent('alerts/connections-ended.kql')
    severity: 2
    frequency: 'PT15M'
    window: 'PT1H'
    atLeast: thresholds.connectionsEnded
  }
  {
    name: 'revocation-overdue'
    description: 'A token of somebody who signed out more than an hour ago is still not revoked.'
    query: loadTextContent('alerts/revocation-overdue.kql')
    severity: 2
    frequency: 'PT15M'
    window: 'PT2H' // every user is looked at within the hour, and only then is the age told
    atLeast: 1
  }
  {
    name: 'revocation-given-up'
    description: 'A token could not be revoked before its own end.'
    query: loadTextContent('alerts/revocation-given-up.kql')
    severity: 3
    frequency: 'PT15M'
    window: 'PT1H'
    atLeast: 1
  }
  {
    name: 'server-errors'
    description: 'Requests end with a status of 500 or more.'
    query: loadTextContent('alerts/server-errors.kql')
    severity: 1
    frequency: 'PT5M'
    window: 'PT15M'
    atLeast: thresholds.serverErrors
  }
  {
    name: 'vault-stale'
    description: 'The vault does not answer; the application goes on with the secrets that it has read before.'
    query: loadTextContent('alerts/vault-stale.kql')
    severity: 2
    frequency: 'PT5M'
    window: 'PT15M'
    atLeast: 1
  }
  {
    name: 'secret-days-left'
    description: 'A client secret expires in less than two weeks; every token minted with it dies with it.'
    query: loadTextContent('alerts/secret-days-left.kql')
    severity: 2
    frequency: 'PT1H'
    window: 'PT1H'
    atLeast: 1
  }
  {
    name: 'unreadable-rows'
    description: 'A stored row cannot be opened: it was changed from outside, or its key is gone.'
    query: loadTextContent('alerts/unreadable-rows.kql')
    severity: 1
    frequency: 'PT5M'
    window: 'PT15M'
    atLeast: 1
  }
  {
    name: 'vault-refusals'
    description: 'The vault refuses somebody again and again.'
    query: loadTextContent('alerts/vault-refusals.kql')
    severity: 2
    frequency: 'PT15M'
    window: 'PT1H'
    atLeast: thresholds.vaultRefusals
  }
  {
    name: 'log-cap-reached'
    description: 'The daily cap of the workspace is reached: no alert of this list can fire before tomorrow.'
    query: loadTextContent('alerts/log-cap-reached.kql')
    severity: 1
    frequency: 'PT15M'
    window: 'PT1H'
    atLeast: 1
  }
]
var availabilityAlerts = [
  {
    name: 'token-store-availability'
    description: 'The token store fails more than one request in a hundred.'
    resourceId: tokenStorageResourceId
    namespace: 'Microsoft.Storage/storageAccounts'
  }
  {
    name: 'vault-availability'
    description: 'The vault fails more than one request in a hundred.'
    resourceId: keyVaultResourceId
    namespace: 'Microsoft.KeyVault/vaults'
  }
]
var actionGroups = concat(empty(alertEmail) ? [] : [actionGroup.id], empty(actionGroupResourceId) ? [] : [actionGroupResourceId])

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(alertEmail)) {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'gatehouse'
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

// Newer versions are not in every compiler yet.
#disable-next-line use-recent-api-versions
resource logAlertRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for alert in logAlerts: {
  name: '${namePrefix}-${alert.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: alert.name
    description: alert.description
    enabled: true
    severity: alert.severity
    scopes: [
      workspaceResourceId
    ]
    evaluationFrequency: alert.frequency
    windowSize: alert.window
    autoMitigate: true
    // In a new workspace the tables come with their first record.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: alert.query
          timeAggregation: 'Count'
          operator: 'GreaterThanOrEqual'
          threshold: alert.atLeast
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: actionGroups
    }
  }
}]

#disable-next-line use-recent-api-versions
resource availabilityRules 'Microsoft.Insights/metricAlerts@2018-03-01' = [for alert in availabilityAlerts: {
  name: '${namePrefix}-${alert.name}'
  location: 'global'
  tags: tags
  properties: {
    description: alert.description
    enabled: true
    severity: 2
    scopes: [
      alert.resourceId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'availability'
          metricNamespace: alert.namespace
          metricName: 'Availability'
          timeAggregation: 'Average'
          operator: 'LessThan'
          threshold: 99
        }
      ]
    }
    actions: [for index in range(0, length(actionGroups)): {
      actionGroupId: actionGroups[index]
    }]
  }
}]
