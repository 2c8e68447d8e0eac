"""Settings parity: what the templates emit, what the code reads, and what example and README tell are the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.infra_check.project import Project, Rule, data
from tools.infra_check.template import Code, Value


def emitted_is_read(project: Project) -> Iterator[str]:
    lists = data("settings.json")
    emitted = {**project.platform_settings, **project.product_settings}
    for name in sorted(project.settings_read - emitted.keys() - lists["replaced"].keys()):
        yield f"the code reads {name}, no template emits it"
    for name in sorted(emitted.keys() & lists["replaced"].keys()):
        yield f"{name} is emitted, but {lists['replaced'][name]} replaces it"
    known = project.settings_read | lists["platform"].keys() | lists["not_yet_read"].keys()
    for name in sorted(emitted.keys() - known):
        yield f"{name} is emitted, but nothing reads it"
    for name in sorted(lists["not_yet_read"].keys() & project.settings_read):
        yield f"settings.json: {name} is read by now; take it from not_yet_read"


def conditional(project: Project) -> Iterator[str]:
    given = project.main.modules["functionApp"].params.get("settings")
    always = given.text if isinstance(given, Code) else ""
    for name in data("settings.json")["conditional"]:
        if f"{name}:" in always:
            yield f"infra/main.bicep emits {name} even when it is empty"
        if name not in project.product_settings:
            yield f"infra/main.bicep never emits {name}"


def documents_agree(project: Project) -> Iterator[str]:
    lists = data("settings.json")
    later = lists["not_yet_read"].keys()
    example = project.json("local.settings.example.json")["Values"]
    rows = re.findall(r"^\| (`.+?`) \|", project.text("README.md"), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]{3,}|AzureWebJobsStorage)`", row)}
    for place, names in (("local.settings.example.json", set(example)), ("README.md", told)):
        for name in sorted(project.settings_read - names):
            yield f"{place} does not tell {name}, which the code reads"
        for name in sorted(names - project.settings_read - later - lists["platform"].keys()):
            yield f"{place} tells {name}, which nothing reads"


def defaults_agree(project: Project) -> Iterator[str]:
    example = project.json("local.settings.example.json")["Values"]
    lists = data("settings.json")
    own = {*lists["own_default"], *lists["conditional"]}
    for name, given in project.product_settings.items():
        default = _default(project, given)
        if name in example and name not in own and default is not None and default != example[name]:
            yield f"{name} is {default!r} on Azure and {example[name]!r} in local.settings.example.json"


def _default(project: Project, given: Value) -> str | None:
    found = re.fullmatch(r"(?:string\()?(\w+)\)?", given.text) if isinstance(given, Code) else None
    item = project.main.params.get(found[1]) if found else None
    return None if item is None or item.default is None else str(item.default)


RULES = (
    Rule(
        "settings-parity",
        "Every setting that the code reads is emitted, and every one emitted is read.",
        emitted_is_read,
    ),
    Rule("settings-conditional", "Settings of a provider that is not there are not emitted.", conditional),
    Rule("settings-documents", "Example and README tell the settings that the code reads.", documents_agree),
    Rule("settings-defaults", "A setting has one default, on Azure and on a developer's machine.", defaults_agree),
)
