"""Rules about the app itself: Flex Consumption as it wants to be told, one identity, scale within bounds."""

from __future__ import annotations

from collections.abc import Iterator

from tools.infra_check.project import Project, Rule
from tools.infra_check.template import Code

FORBIDDEN = frozenset(
    (
        "AzureWebJobsStorage",
        "AzureWebJobsDashboard",
        "ENABLE_ORYX_BUILD",
        "FUNCTIONS_EXTENSION_VERSION",
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_WORKER_RUNTIME_VERSION",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "TZ",
        "WEBSITES_CONTAINER_START_TIME_LIMIT",
        "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
        "WEBSITE_CONTENTSHARE",
        "WEBSITE_RUN_FROM_PACKAGE",
        "WEBSITE_TIME_ZONE",
    )
)
"""Settings of older plans that break Flex Consumption, and the empty connection string (facts, infrastructure 1.5)."""

OF_OLDER_PLANS = (
    "linuxFxVersion",
    "alwaysOn",
    "pythonVersion",
    "numberOfWorkers",
    "functionAppScaleLimit",
    "ftpsState",
    "use32BitWorkerProcess",
    "netFrameworkVersion",
    "preWarmedInstanceCount",
    "functionsRuntimeScaleMonitoringEnabled",
)
"""What Azure Resource Manager refuses in the siteConfig of Flex Consumption (51021), region by region
(Azure/azure-cli#31414, microsoft/azure-pipelines-tasks#21032, Azure/terraform-azurerm-avm-res-web-site#345)."""

PYTHON = ["3.13", "3.14"]

BOUNDS: dict[str, dict[str, object]] = {
    "pythonVersion": {"allowed": PYTHON, "default": "3.13"},
    "instanceMemoryMB": {"allowed": [512, 2048, 4096], "default": 2048},
    "maximumInstanceCount": {"minValue": 40, "maxValue": 1000},
    "alwaysReadyHttpCount": {"minValue": 0, "maxValue": 1000, "default": 0},
    "alwaysReadyTimerCount": {"minValue": 0, "maxValue": 1000, "default": 0},
    "httpConcurrency": {"minValue": 1, "maxValue": 1000, "default": 16},
    "threadCount": {"minValue": 1, "maxValue": 256, "default": 32},
    "siteUpdateStrategy": {"allowed": ["Recreate", "RollingUpdate"], "default": "Recreate"},
}
CONFIG = "properties.functionAppConfig"


def forbidden_settings(project: Project) -> Iterator[str]:
    for name in sorted(FORBIDDEN & {*project.platform_settings, *project.product_settings}):
        yield f"setting {name} breaks Flex Consumption"
    for template in project.templates.values():
        for name in OF_OLDER_PLANS:
            if f" {name}:" in template.source:
                yield f"{template.path.name}: {name} belongs to older plans"


def flex(project: Project) -> Iterator[str]:
    here = "infra/modules/function-app.bicep"
    plan, site = (project.module("function-app").resources[name] for name in ("plan", "site"))
    if plan.at("sku") != {"name": "FC1", "tier": "FlexConsumption"} or plan.at("properties.reserved") is not True:
        yield f"{here}: the plan is not Flex Consumption on Linux"
    wanted = {
        "properties.serverFarmId": "plan.id",
        f"{CONFIG}.deployment.storage.value": "'${hostStorageBlobEndpoint}${deploymentContainerName}'",
        f"{CONFIG}.deployment.storage.authentication.userAssignedIdentityResourceId": "identityResourceId",
        f"{CONFIG}.runtime.version": "runtimeVersion",
        f"{CONFIG}.scaleAndConcurrency.instanceMemoryMB": "instanceMemoryMB",
        f"{CONFIG}.scaleAndConcurrency.maximumInstanceCount": "maximumInstanceCount",
        f"{CONFIG}.scaleAndConcurrency.triggers.http.perInstanceConcurrency": "httpConcurrency",
        f"{CONFIG}.siteUpdateStrategy.type": "siteUpdateStrategy",
    }
    for path, text in wanted.items():
        given = site.at(path)
        if not isinstance(given, Code) or given.text != text:
            yield f"{here}: {path} is not {text}"
    if site.at(f"{CONFIG}.runtime.name") != "python":
        yield f"{here}: the runtime is not Python"
    if not isinstance(site.at(f"{CONFIG}.scaleAndConcurrency.alwaysReady"), Code):
        yield f"{here}: always-ready instances are no parameter"
    if "max(alwaysReadyHttpCount, leastReady)" not in project.module("function-app").source:
        yield f"{here}: a zone-redundant plan may get a single always-ready instance"


def host_settings(project: Project) -> Iterator[str]:
    wanted = {
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": "identityClientId",
        "AzureWebJobsStorage__blobServiceUri": "hostStorageBlobEndpoint",
        "AzureWebJobsStorage__tableServiceUri": "hostStorageTableEndpoint",
        "AzureWebJobsDisableHomepage": "true",
        "PYTHON_THREADPOOL_THREAD_COUNT": "string(threadCount)",
        "AZURE_CLIENT_ID": "identityClientId",
    }
    for name, value in wanted.items():
        given = project.platform_settings.get(name)
        if (given.text if isinstance(given, Code) else given) != value:
            yield f"infra/modules/function-app.bicep: {name} is not {value}"
    if project.json("host.json")["extensions"]["http"].get("routePrefix") != "":
        yield "host.json: routePrefix is not empty"


def one_identity(project: Project) -> Iterator[str]:
    declared = [
        block
        for template in project.templates.values()
        for block in template.resources.values()
        if block.resource_type == "Microsoft.ManagedIdentity/userAssignedIdentities"
    ]
    if len(declared) != 1:
        yield f"{len(declared)} identities are declared"
    site = project.module("function-app").resources["site"]
    if site.at("identity.userAssignedIdentities") != {"${identityResourceId}": {}}:
        yield "infra/modules/function-app.bicep: the site does not carry exactly the one identity"
    for module, argument, output in (
        ("functionApp", "identityResourceId", "resourceId"),
        ("functionApp", "identityClientId", "clientId"),
        ("appRoles", "principalId", "principalId"),
    ):
        given = project.main.modules[module].params.get(argument)
        if not isinstance(given, Code) or given.text != f"identity.outputs.{output}":
            yield f"infra/main.bicep: {module}.{argument} is not that of the identity"


def bounds(project: Project) -> Iterator[str]:
    for name, wanted in BOUNDS.items():
        item = project.main.params.get(name)
        if item is None:
            yield f"infra/main.bicep has no parameter {name}"
            continue
        for what, value in wanted.items():
            given = item.default if what == "default" else (item.decorators.get(what) or [None])[0]
            if given != value:
                yield f"infra/main.bicep: {what} of {name} is {given!r}, not {value!r}"
        passed = [it.text for it in project.main.modules["functionApp"].params.values() if isinstance(it, Code)]
        if name not in passed:
            yield f"infra/main.bicep: {name} does not reach the app"


RULES = (
    Rule("forbidden-settings", "No setting of older plans, and no empty connection string.", forbidden_settings),
    Rule("flex", "Plan, package, runtime and scale are told in functionAppConfig.", flex),
    Rule(
        "host-settings",
        "The host reaches its storage with the identity, serves no home page and no prefix.",
        host_settings,
    ),
    Rule("one-identity", "One user-assigned identity deploys, hosts and reads.", one_identity),
    Rule("bounds", "Scale, memory, concurrency and Python version stay within what the platform takes.", bounds),
)
