"""Rules about what holds data: no shared keys, literal security properties, two accounts, tables, vault, logs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.infra_check.project import Project, Rule, data
from tools.infra_check.template import Code, at

KEYS = re.compile(
    r"\blist(?:Keys|AccountSas|ServiceSas|Secrets)?\(|\.list(?:Keys|AccountSas|ServiceSas)\b|AccountKey=|"
    r"SharedAccessKey|SharedAccessSignature|\bsharedKey|DefaultEndpointsProtocol|StorageAccountConnectionString",
    re.IGNORECASE,
)
SECRETS = ["azure-devops-client-secret", "entra-client-secret", "token-encryption-key"]
"""The names that the application reads (design, Settings)."""

LOGS = {
    "key-vault": ("auditLog", {"AuditEvent"}),
    "storage-account": ("tableLogs", {"StorageWrite", "StorageDelete", "StorageRead"}),
    "function-app": ("hostLog", {"FunctionAppLogs"}),
}


def no_shared_keys(project: Project) -> Iterator[str]:
    for template in project.templates.values():
        for number, line in enumerate(template.source.splitlines(), 1):
            if KEYS.search(line.partition("//")[0]):
                yield f"{project.where(template, number)} uses a shared key"
    for name, given in {**project.platform_settings, **project.product_settings}.items():
        if isinstance(given, str) and re.search(r"(?:key|secret|password)=", given, re.IGNORECASE):
            yield f"setting {name} holds a key"


def literals(project: Project) -> Iterator[str]:
    wanted = data("literals.json")
    seen = set()
    for template in project.templates.values():
        for block in template.resources.values():
            if block.existing or block.resource_type not in wanted:
                continue
            seen.add(block.resource_type)
            for path, value in wanted[block.resource_type].items():
                if block.at(path) != value or type(block.at(path)) is not type(value):
                    here = project.where(template, block.line)
                    yield f"{here} {block.name}: {path} is not the literal {value!r}"
    for missing in sorted(wanted.keys() - seen):
        yield f"no template declares {missing}"


def separate_stores(project: Project) -> Iterator[str]:
    modules = project.main.modules
    accounts = [item for item in modules.values() if item.target == "modules/storage-account.bicep"]
    if {item.name for item in accounts} != {"hostStorage", "tokenStorage"}:
        yield "infra/main.bicep: host storage and token store are not two accounts"
        return
    if modules["hostStorage"].params.get("tables") or modules["tokenStorage"].params.get("containers"):
        yield "infra/main.bicep: one account holds both tokens and the host's blobs"
    if _text(modules["appRoles"].params.get("tokenStorageName")) != "tokenStorage.outputs.name":
        yield "infra/main.bicep: the tables' roles are not on the token store"
    if _text(project.product_settings.get("TOKEN_STORE_URL")) != "tokenStorage.outputs.tableEndpoint":
        yield "infra/main.bicep: TOKEN_STORE_URL is not the table endpoint of the token store"
    if _text(modules["functionApp"].params.get("hostStorageBlobEndpoint")) != "hostStorage.outputs.blobEndpoint":
        yield "infra/main.bicep: the host does not use its own account"


def tables(project: Project) -> Iterator[str]:
    used = {
        found[1]
        for path in sorted((project.root / "shared" / "storage").glob("*.py"))
        for found in re.finditer(r'^TABLE = "(\w+)"', path.read_text("utf-8"), re.MULTILINE)
    }
    created = project.main.variables["tokenTables"].default
    if not isinstance(created, list) or set(map(str, created)) != used:
        yield f"infra/main.bicep creates the tables {created}, the code uses {sorted(used)}"
    for module in ("tokenStorage", "appRoles"):
        if _text(project.main.modules[module].params.get("tables")) != "tokenTables":
            yield f"infra/main.bicep: {module} does not get the list of tables"
    if "accountTables" not in project.module("storage-account").resources:
        yield "infra/modules/storage-account.bicep creates no tables"


def vault(project: Project) -> Iterator[str]:
    block = project.module("key-vault").resources["vault"]
    purge = _text(block.at("properties.enablePurgeProtection"))
    if purge != "enablePurgeProtection ? true : null":
        yield "infra/modules/key-vault.bicep: purge protection is not true or absent (false is refused)"
    if project.main.params["purgeProtection"].default is not True:
        yield "infra/main.bicep: purge protection is not on by default"
    if block.at("properties.accessPolicies"):
        yield "infra/modules/key-vault.bicep has access policies beside Azure RBAC"
    if project.main.variables["vaultItems"].default != SECRETS:
        yield f"infra/main.bicep: the secrets with a role are not {SECRETS}"
    for template in project.templates.values():
        for item in template.resources.values():
            if item.resource_type.startswith("Microsoft.KeyVault/vaults/secrets") and not item.existing:
                yield f"{project.where(template, item.line)} writes a secret: the hooks do, and never overwrite"


def replication(project: Project) -> Iterator[str]:
    if project.main.params["storageSku"].default != "Standard_ZRS":
        yield "infra/main.bicep: storage is not zone-redundant by default"
    for name in ("hostStorage", "tokenStorage"):
        if _text(project.main.modules[name].params.get("skuName")) != "storageSku":
            yield f"infra/main.bicep: {name} does not get the replication of the parameter"


def logs(project: Project) -> Iterator[str]:
    for module, (symbol, wanted) in LOGS.items():
        template = project.module(module)
        block = template.resources.get(symbol)
        found = set(re.findall(r"category: '(\w+)'", template.source))
        if block is None or block.resource_type != "Microsoft.Insights/diagnosticSettings":
            yield f"infra/modules/{module}.bicep has no diagnostic settings"
        elif _text(block.at("properties.workspaceId")) != "diagnosticWorkspaceResourceId":
            yield f"infra/modules/{module}.bicep does not log to the workspace"
        elif not isinstance(block.at("properties.logs"), Code | list) or not wanted <= found:
            yield f"infra/modules/{module}.bicep does not log {', '.join(sorted(wanted - found)) or 'anything'}"


def telemetry(project: Project) -> Iterator[str]:
    workspace = project.module("monitoring").resources["workspace"]
    if _text(workspace.at("properties.retentionInDays")) != "dataRetention":
        yield "infra/modules/monitoring.bicep: the days that logs are kept are no parameter"
    if _text(workspace.at("properties.workspaceCapping.dailyQuotaGb")) != "dailyQuotaGb":
        yield "infra/modules/monitoring.bicep: the daily cap is no parameter"
    component = project.module("monitoring").resources["applicationInsights"]
    if _text(component.at("properties.WorkspaceResourceId")) != "workspace.id":
        yield "infra/modules/monitoring.bicep: Application Insights has no workspace"
    given = _text(project.platform_settings.get("APPLICATIONINSIGHTS_AUTHENTICATION_STRING"))
    if given != "'ClientId=${identityClientId};Authorization=AAD'":
        yield "infra/modules/function-app.bicep: telemetry does not authenticate with the identity"
    sampled = at(project.json("host.json"), "logging.applicationInsights.samplingSettings.excludedTypes")
    if "Trace" not in str(sampled).split(";"):
        yield "host.json lets sampling drop traces, and with them the audit events that the alerts read"


def _text(given: object) -> str:
    return given.text if isinstance(given, Code) else str(given or "")


RULES = (
    Rule("no-shared-keys", "No key, SAS or connection string of storage anywhere.", no_shared_keys),
    Rule("literals", "Security properties are literals, not parameters.", literals),
    Rule("separate-stores", "Host storage and token store are two accounts, each used for its own.", separate_stores),
    Rule("tables", "The tables that the code uses are created, and no others.", tables),
    Rule("vault", "RBAC only, recoverable, purge-protected by default, and no secret in a template.", vault),
    Rule("replication", "Storage is zone-redundant by default, by parameter.", replication),
    Rule("logs", "Vault, tables and host log to the workspace.", logs),
    Rule(
        "telemetry", "Telemetry comes from the identity alone, is capped, and events are never sampled away.", telemetry
    ),
)
