"""Validates answers against the response schemas of the swagger 2.0 documents of Azure DevOps and Key Vault.

Stricter than the documents: a property that a definition does not declare is an error. Where the recorded
answers differ from the documents is listed below, each with the place it was recorded.
"""

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SPECS = Path(__file__).parents[2] / "data" / "specs"

# Properties on the wire that no definition declares.
UNDECLARED = {
    # profile: the short shape has the core attributes at the top (facts 4.2, and the swagger's own example)
    "Profile": ("displayName", "publicAlias", "emailAddress"),
    # builds_18_failed_and_notstarted.json (and facts 4.6); `drafts` is declared on a subtype of the reference
    "Build": ("keepForever",),
    "DefinitionReference": ("drafts",),
}
# Properties that are null on the wire (builds_18_failed_and_notstarted.json, and keyvault's wire-extract.json).
NULLABLE = {
    "Build": ("triggeredByBuild",),
    "BuildRepository": ("clean",),
    "SecretListResult": ("nextLink",),
    "DeletedSecretListResult": ("nextLink",),
}


def operation(document: str, path: str, method: str) -> dict[str, Any]:
    """One operation as the document declares it."""
    return _load(document)["paths"][path][method]


def validator(document: str, path: str, method: str) -> Draft202012Validator:
    """The validator of the 200 answer of one operation, the list envelope taken into account."""
    schema = _closed(operation(document, path, method)["responses"]["200"]["schema"])
    if schema.get("type") == "array":
        schema = {
            "type": "object",
            "properties": {"count": {"type": "integer"}, "value": schema},
            "required": ["count", "value"],
            "additionalProperties": False,
        }
    return Draft202012Validator({**schema, "definitions": _definitions(document)})


@cache
def _load(document: str) -> dict[str, Any]:
    return json.loads((SPECS / document).read_text(encoding="utf-8-sig"))


@cache
def _definitions(document: str) -> dict[str, Any]:
    """Every definition twice: open, to be built upon by `allOf`, and closed against undeclared properties."""
    made: dict[str, Any] = {}
    for name, definition in copy.deepcopy(_load(document)["definitions"]).items():
        _follow_the_wire(name, definition)
        closed_parts = {key: _closed(part) for key, part in definition.get("properties", {}).items()}
        if closed_parts:
            definition["properties"] = closed_parts
        made[name] = definition
        reference = {"$ref": f"#/definitions/{name}"}
        is_open = "properties" not in definition and "allOf" not in definition
        made[f"closed {name}"] = reference if is_open else {**reference, "unevaluatedProperties": False}
    return made


def _follow_the_wire(name: str, definition: dict[str, Any]) -> None:
    properties = definition.get("properties", {})
    for key in UNDECLARED.get(name, ()):
        properties[key] = {}
    for key in NULLABLE.get(name, ()):
        properties[key] = {"anyOf": [properties[key], {"type": "null"}]}
    # projects_38_mixed_visibility.json: a third visibility
    if "enum" in properties.get("visibility", {}):
        properties["visibility"]["enum"].append("organization")
    # Declared as an object around `links`; on the wire the links themselves.
    if name == "ReferenceLinks":
        definition["additionalProperties"] = {
            "type": "object",
            "properties": {"href": {"type": "string"}},
            "required": ["href"],
        }
    # Work item fields are typed as objects; on the wire they are of any type.
    if name == "WorkItem":
        properties["fields"]["additionalProperties"] = {}


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with every reference led to the closed twin of its definition."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace("#/definitions/", "#/definitions/closed ")}
    made = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _closed(made[key])
    return made
