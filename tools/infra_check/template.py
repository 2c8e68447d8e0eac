"""Bicep files as declarations: parameters, variables, resources, modules, outputs, on the tree of tree-sitter-bicep.

The grammar binds operators otherwise than the compiler does (`a ? b : c.d` is a member of the whole ternary), so rules
read literals and identifiers from the tree and everything else from the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import tree_sitter
import tree_sitter_bicep
from tree_sitter import Node

_PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
_ESCAPES = {"\\'": "'", "\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\$": "$"}
_OUTPUT_READ = re.compile(r"\b([A-Za-z_]\w*)([!?]?)\.\??outputs\.([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Code:
    """An expression that is no literal."""

    text: str
    node: Node


type Value = str | int | bool | list["Value"] | dict[str, "Value"] | Code | None


@dataclass(frozen=True)
class Declaration:
    """A named statement: `kind` is param, var, type, output, resource or module."""

    kind: str
    name: str
    line: int
    node: Node
    decorators: dict[str, list[Value]]

    @property
    def description(self) -> str:
        """The text of its @description, empty without one."""
        given = self.decorators.get("description", [])
        return given[0] if given and isinstance(given[0], str) else ""

    @cached_property
    def type(self) -> str:
        """The declared type of a parameter or output."""
        found = [child for child in self.node.children[2:] if child.is_named and child.type != "comment"]
        return _text(found[0]) if found else ""

    @cached_property
    def default(self) -> Value:
        """What stands behind the equals sign; None without one."""
        node = _behind_equals(self.node)
        return None if node is None else value(node)

    @property
    def required(self) -> bool:
        return _behind_equals(self.node) is None and not self.type.endswith("?")

    @property
    def text(self) -> str:
        return _text(self.node)


@dataclass(frozen=True)
class Block(Declaration):
    """A resource or a module. `target` is its type with version, or its file."""

    target: str
    existing: bool
    condition: str
    loop: str
    body: dict[str, Value]

    @property
    def resource_type(self) -> str:
        return self.target.partition("@")[0]

    @property
    def api_version(self) -> str:
        return self.target.partition("@")[2]

    def at(self, path: str) -> Value:
        """The value at a dotted path of the body; None where there is nothing."""
        return at(self.body, path)

    @property
    def params(self) -> dict[str, Value]:
        """The arguments of a module."""
        given = self.body.get("params")
        return given if isinstance(given, dict) else {}

    @property
    def depends_on(self) -> set[str]:
        """The symbols in `dependsOn`."""
        listed = self.body.get("dependsOn")
        return {item.text for item in listed if isinstance(item, Code)} if isinstance(listed, list) else set()


class Template:
    """One Bicep file."""

    def __init__(self, path: Path, source: bytes) -> None:
        self.path = path
        self.source = source.decode()
        self._root = _PARSER.parse(source).root_node

    def __repr__(self) -> str:
        return f"Template({self.path.name})"

    @cached_property
    def errors(self) -> list[int]:
        """The lines that do not parse."""
        return [node.start_point[0] + 1 for node in walk(self._root) if node.type == "ERROR" or node.is_missing]

    @cached_property
    def metadata(self) -> dict[str, Value]:
        return {
            _text(node.named_children[0]): value(node.named_children[-1])
            for node in self._root.named_children
            if node.type == "metadata_declaration"
        }

    @cached_property
    def target_scope(self) -> str:
        found = re.search(r"^targetScope = '(\w+)'", self.source, re.MULTILINE)
        return found.group(1) if found else "resourceGroup"

    @cached_property
    def declarations(self) -> list[Declaration]:
        return list(_declarations(self._root))

    def _of(self, kind: str) -> dict[str, Declaration]:
        return {item.name: item for item in self.declarations if item.kind == kind}

    @cached_property
    def params(self) -> dict[str, Declaration]:
        return self._of("param")

    @cached_property
    def variables(self) -> dict[str, Declaration]:
        return self._of("var")

    @cached_property
    def outputs(self) -> dict[str, Declaration]:
        return self._of("output")

    @cached_property
    def types(self) -> dict[str, Declaration]:
        return self._of("type")

    @cached_property
    def blocks(self) -> list[Block]:
        return [item for item in self.declarations if isinstance(item, Block)]

    @cached_property
    def resources(self) -> dict[str, Block]:
        return {item.name: item for item in self.blocks if item.kind == "resource"}

    @cached_property
    def modules(self) -> dict[str, Block]:
        return {item.name: item for item in self.blocks if item.kind == "module"}

    def output_reads(self) -> Iterator[tuple[int, str, str, str]]:
        """Every `module.outputs.name`: line, module, the mark before the dot (`!`, `?` or nothing), output."""
        for number, line in enumerate(self.source.splitlines(), 1):
            for found in _OUTPUT_READ.finditer(line):
                yield number, found[1], found[2], found[3]

    def identifiers(self) -> Iterator[tuple[int, str]]:
        """Every identifier that is read as a value, with its line."""
        for node in walk(self._root):
            if node.type == "identifier" and _is_read(node):
                yield node.start_point[0] + 1, _text(node)

    def calls(self) -> Iterator[tuple[int, str, list[Value]]]:
        """Every call of a function, decorators included: line, name, arguments."""
        for node in walk(self._root):
            if node.type == "call_expression":
                yield node.start_point[0] + 1, _call_name(node), arguments(node)

    def strings(self) -> Iterator[tuple[int, str]]:
        """Every string with its line; what decorators say is left out."""
        for node in walk(self._root, but="decorators"):
            if node.type == "string":
                yield node.start_point[0] + 1, _text(node)

    def local_names(self) -> set[str]:
        """Variables of loops and lambdas."""
        loops = re.findall(r"\[\s*for\s+(?:(\w+)|\((\w+),\s*(\w+)\))\s+in\b", self.source)
        lambdas = re.findall(r"(?:(\w+)|\((\w+),\s*(\w+)\))\s*=>", self.source)
        return {name for found in (*loops, *lambdas) for name in found if name}


def read(path: Path) -> Template:
    return Template(path, path.read_bytes())


def walk(node: Node, but: str = "") -> Iterator[Node]:
    """The node and all below it, in the order of the source, without nodes of one type."""
    yield node
    for child in node.children:
        if child.type != but:
            yield from walk(child, but)


def value(node: Node) -> Value:
    """The literal that a node spells, or its code."""
    if node.type == "string" and not any(child.type == "interpolation" for child in node.named_children):
        return "".join(
            _ESCAPES.get(_text(part), _text(part)) if part.type == "escape_sequence" else _text(part)
            for part in node.named_children
        )
    if node.type == "number":
        return int(_text(node))
    if node.type == "boolean":
        return _text(node) == "true"
    if node.type == "null":
        return None
    if node.type == "array":
        return [value(child) for child in node.named_children if not _is_remark(child)]
    if node.type == "object":
        return dict(_properties(node))
    return Code(_text(node), node)


def arguments(call: Node) -> list[Value]:
    """The arguments of a call expression."""
    found = call.child_by_field_name("arguments")
    return [value(child) for child in found.named_children if not _is_remark(child)] if found else []


def objects_in(given: Value) -> Iterator[dict[str, Value]]:
    """Every outermost object literal in a value: in arrays, in branches of ternaries, in arguments of calls."""
    if isinstance(given, dict):
        yield given
    elif isinstance(given, list):
        for item in given:
            yield from objects_in(item)
    elif isinstance(given, Code):
        yield from _outermost(given.node)


def at(given: Value, path: str) -> Value:
    """The value at a dotted path; None where there is nothing."""
    for name in path.split("."):
        if not isinstance(given, dict):
            return None
        given = given.get(name)
    return given


def _outermost(node: Node) -> Iterator[dict[str, Value]]:
    for child in node.named_children:
        if child.type == "object":
            yield dict(_properties(child))
        else:
            yield from _outermost(child)


def _properties(node: Node) -> Iterator[tuple[str, Value]]:
    for child in node.named_children:
        if child.type == "object_property" and child.named_children[0].type != "resource_declaration":
            name, content = child.named_children[0], child.named_children[-1]
            yield _text(name).strip("'"), value(content)


def _declarations(root: Node) -> Iterator[Declaration]:
    decorators: dict[str, list[Value]] = {}
    for node in root.named_children:
        if node.type == "decorators":
            decorators = {_call_name(call): arguments(call) for call in _calls_of(node)}
            continue
        if _is_remark(node):
            continue
        kind = _KINDS.get(node.type)
        if kind in ("resource", "module"):
            yield from _blocks(kind, node, decorators)
        elif kind:
            yield Declaration(kind, _text(node.named_children[0]), node.start_point[0] + 1, node, decorators)
        decorators = {}


_KINDS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "type_declaration": "type",
    "output_declaration": "output",
    "resource_declaration": "resource",
    "module_declaration": "module",
}


def _blocks(kind: str, node: Node, decorators: dict[str, list[Value]], prefix: str = "") -> Iterator[Block]:
    name = prefix + _text(node.named_children[0])
    body, condition, loop = _behind_equals(node), "", ""
    while body is not None and body.type in ("for_statement", "if_statement"):
        if body.type == "for_statement":
            loop = " ".join(_text(part) for part in body.named_children[:-1])
        else:
            condition = _text(body.named_children[0])[1:-1]
        body = body.named_children[-1]
    assert body is not None, f"{name} has no body"
    assert body.type == "object", f"{name} has a {body.type} for a body"
    yield Block(
        kind,
        name,
        node.start_point[0] + 1,
        node,
        decorators,
        target=_text(node.named_children[1]).strip("'"),
        existing=any(child.type == "existing" for child in node.children),
        condition=condition,
        loop=loop,
        body=dict(_properties(body)),
    )
    for child in body.named_children:
        if child.type == "object_property" and child.named_children[0].type == "resource_declaration":
            yield from _blocks(kind, child.named_children[0], {}, f"{name}::")


def _calls_of(node: Node) -> Iterator[Node]:
    return (call for decorator in node.named_children for call in decorator.named_children)


def _call_name(call: Node) -> str:
    named = call.child_by_field_name("function")
    return _text(named).removeprefix("sys.") if named else ""


def _is_read(node: Node) -> bool:
    """Whether an identifier is an expression: no declaration's name, property's name, function or type."""
    parent = node.parent
    if parent is None or parent.type in ("type", "decorator", "lambda_expression"):
        return False
    first: bool = parent.named_children[0] == node
    names_something = parent.type in (*_KINDS, "metadata_declaration", "object_property", "call_expression")
    return not (names_something and first)


def _is_remark(node: Node) -> bool:
    return node.type in ("comment", "diagnostic_comment")


def _behind_equals(node: Node) -> Node | None:
    behind = False
    for child in node.children:
        if behind and child.is_named and not _is_remark(child):
            return child
        behind = behind or child.type == "="
    return None


def _text(node: Node) -> str:
    return (node.text or b"").decode()
