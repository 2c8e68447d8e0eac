"""Rules about single files: they parse, are described, and every name in them means something."""

from __future__ import annotations

from collections.abc import Iterator

from tools.infra_check.project import Project, Rule, data
from tools.infra_check.template import Declaration, walk

FUNCTIONS = frozenset(data("functions.json"))
"""Functions and decorators of Bicep, as of its version 0.38."""

NAMESPACES = frozenset(("az", "sys"))


def syntax(project: Project) -> Iterator[str]:
    for template in project.templates.values():
        for line in template.errors:
            yield f"{project.where(template, line)} does not parse"


def descriptions(project: Project) -> Iterator[str]:
    for template in project.templates.values():
        for name in {"name", "description"} - template.metadata.keys():
            yield f"{project.where(template, 1)} has no metadata {name}"
        for item in template.declarations:
            described = len(item.description) > 10 and item.description.endswith(".")
            if item.kind in ("param", "output", "type") and not described:
                yield f"{project.where(template, item.line)} {item.kind} {item.name} has no sentence of description"
            yield from _undescribed_properties(template.path.name, item)


def _undescribed_properties(file: str, item: Declaration) -> Iterator[str]:
    if item.kind != "type":
        return
    nodes = list(walk(item.node))
    properties = sum(node.type == "object_property" for node in nodes)
    described = sum(node.type == "decorator" and b"description(" in (node.text or b"") for node in nodes)
    if described < properties:
        yield f"{file}:{item.line} type {item.name} has a property without description"


def symbols(project: Project) -> Iterator[str]:
    for template in project.templates.values():
        known = {item.name.rpartition("::")[2] for item in template.declarations}
        known |= template.local_names() | NAMESPACES
        for line, name in template.identifiers():
            if name not in known:
                yield f"{project.where(template, line)} {name} is declared nowhere"
        for line, name, _ in template.calls():
            if name not in FUNCTIONS:
                yield f"{project.where(template, line)} {name}() is no function of Bicep"
        names = [item.name for item in template.declarations if item.kind != "output"]
        for name in {name for name in names if names.count(name) > 1}:
            yield f"{project.where(template, 1)} {name} is declared twice"


def unused(project: Project) -> Iterator[str]:
    for template in project.templates.values():
        used = {name for _, name in template.identifiers()}
        for item in template.declarations:
            counts = item.kind in ("param", "var") or (item.kind == "resource" and getattr(item, "existing", False))
            if counts and item.name.rpartition("::")[2] not in used and item.name not in used:
                yield f"{project.where(template, item.line)} {item.kind} {item.name} is never used"


def typed(project: Project) -> Iterator[str]:
    known = {"string", "int", "bool", "array", "object"}
    for template in project.templates.values():
        for item in template.declarations:
            if item.kind in ("param", "output") and item.type not in known | template.types.keys():
                yield f"{project.where(template, item.line)} {item.name} has the unknown type {item.type or '(none)'}"
            if item.kind == "param" and isinstance(item.default, dict | list) and item.type not in template.types:
                continue
            given = item.default if item.kind == "param" else None
            wrong = (isinstance(given, bool) and item.type != "bool") or (
                isinstance(given, int) and not isinstance(given, bool) and item.type != "int"
            )
            if wrong or (isinstance(given, str) and item.type != "string"):
                yield f"{project.where(template, item.line)} {item.name} is {item.type} and defaults to {given!r}"


RULES = (
    Rule("syntax", "Every file parses.", syntax),
    Rule("descriptions", "Every file, parameter, output and type says what it is.", descriptions),
    Rule("types", "Every parameter and output has a type, and defaults are of it.", typed),
    Rule("symbols", "Every name is declared once, every function exists.", symbols),
    Rule("unused", "Every parameter, variable and existing resource is used.", unused),
)
