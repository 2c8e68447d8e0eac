"""Every property that a resource sets exists in the recorded schema of its type, and every literal is one it takes."""

from __future__ import annotations

from collections.abc import Iterator

from tools.infra_check.project import Project, Rule, data
from tools.infra_check.template import Block, Code, Value

OF_THE_LANGUAGE = frozenset(("parent", "scope", "dependsOn"))
NEWER_THAN_RECORDED = {"Microsoft.Web/sites": {"siteUpdateStrategy"}}
"""Properties that the service took up after the recorded version (facts of the infrastructure, section 1.3)."""

PRIMITIVE = {"string": str, "int": int, "bool": bool}

type Objects = dict[str, dict[str, str]]


def schemas(project: Project) -> Iterator[str]:
    recorded = {**data("schemas.json"), **data("schemas_by_hand.json")}
    for template in project.templates.values():
        for block in template.resources.values():
            if block.existing:
                continue
            here = f"{project.where(template, block.line)} {block.name}"
            schema = recorded.get(block.resource_type)
            if schema is None:
                yield f"{here}: no schema of {block.resource_type} is recorded"
                continue
            yield from _object(here, _own(block), "", schema["objects"], block.resource_type)
            if "name" not in block.body:
                yield f"{here} has no name"


def _own(block: Block) -> dict[str, Value]:
    return {name: it for name, it in block.body.items() if name not in OF_THE_LANGUAGE}


def _object(here: str, given: dict[str, Value], kind: str, objects: Objects, resource_type: str) -> Iterator[str]:
    known = objects[kind]
    for name, it in given.items():
        if name in NEWER_THAN_RECORDED.get(resource_type, ()):
            continue
        wanted = known.get(name) or known.get("*")
        if wanted is None:
            yield f"{here}: {kind or resource_type} has no property {name}"
        else:
            yield from _value(f"{here}.{name}", it, wanted, objects, resource_type)


def _value(here: str, given: Value, wanted: str, objects: Objects, resource_type: str) -> Iterator[str]:
    if given is None or isinstance(given, Code) or wanted == "any":
        return
    if wanted.endswith("[]"):
        if not isinstance(given, list):
            yield f"{here} is no list"
            return
        for item in given:
            yield from _value(here, item, wanted.removesuffix("[]"), objects, resource_type)
    elif wanted in objects:
        if not isinstance(given, dict):
            yield f"{here} is no object"
            return
        yield from _object(here, given, wanted, objects, resource_type)
    elif wanted in PRIMITIVE:
        if type(given) is not PRIMITIVE[wanted]:
            yield f"{here} is {given!r}, {wanted} is wanted"
    elif isinstance(given, str) and given not in wanted.split(" | "):
        yield f"{here} is {given!r}, which is none of {wanted}"


RULES = (Rule("schemas", "Properties and their words are those of the recorded schemas.", schemas),)
