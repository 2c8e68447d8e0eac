"""What the compiler's own linter refuses at level error, where a template is most easily wrong.

Both rules follow the linter's sources (Azure/bicep, NoHardcodedEnvironmentUrlsRule and UseResourceIdFunctionsRule).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.infra_check.project import Project, Rule
from tools.infra_check.template import Code, Template, Value, objects_in

CLOUD_HOSTS = (
    "azuredatalakeanalytics.net",
    "azuredatalakestore.net",
    "batch.core.windows.net",
    "core.windows.net",
    "database.windows.net",
    "datalake.azure.net",
    "gallery.azure.com",
    "graph.windows.net",
    "login.microsoftonline.com",
    "management.azure.com",
    "management.core.windows.net",
    "vault.azure.net",
)
"""Hosts that another cloud has under another name."""

HOST = re.compile(rf"(?<![a-z0-9])({'|'.join(map(re.escape, CLOUD_HOSTS))})(?![a-z0-9])", re.IGNORECASE)

NO_RESOURCE_IDS = frozenset(("clientid", "groupid", "keyid", "objectid", "principalid", "subscriptionid", "tenantid"))
"""Properties that end like a resource id and are none."""


def cloud_hosts(project: Project) -> Iterator[str]:
    for template in project.templates.values():
        for line, text in template.strings():
            if found := HOST.search(text):
                yield f"{project.where(template, line)} {found[1]} differs between clouds"


def resource_ids(project: Project) -> Iterator[str]:
    for template in project.templates.values():
        for block in template.resources.values():
            for name, given in _ids_in(block.at("properties")):
                if _is_no_reference(template, given):
                    yield f"{project.where(template, block.line)} {name} of {block.name} is no reference to a resource"


def _ids_in(given: Value) -> Iterator[tuple[str, Value]]:
    if isinstance(given, list):
        for item in given:
            yield from _ids_in(item)
    elif isinstance(given, dict):
        for name, content in given.items():
            if name.lower().endswith("id") and name.lower() not in NO_RESOURCE_IDS:
                yield name, content
            else:
                yield from _ids_in(content)
    elif isinstance(given, Code):
        yield from (pair for item in objects_in(given) for pair in _ids_in(item))


def _is_no_reference(template: Template, given: Value) -> bool:
    """A literal path, or a variable of a loop: the linter follows names to parameters and resources only."""
    if isinstance(given, Code):
        return re.split(r"[.\[!]", given.text)[0] in template.local_names()
    return isinstance(given, str) and "/" in given


RULES = (
    Rule("cloud-hosts", "No host name that differs between clouds is written out.", cloud_hosts),
    Rule("resource-ids", "What is a resource id comes from a resource or a parameter.", resource_ids),
)
