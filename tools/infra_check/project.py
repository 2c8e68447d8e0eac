"""What the rules read: the templates, and the files that must agree with them. One root, each file read once."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tools.infra_check.template import Code, Template, Value, objects_in, read

DATA = Path(__file__).parent / "data"
SETTING = re.compile(r"[A-Z][A-Z0-9_]{3,}|AzureWebJobsStorage")


@dataclass(frozen=True, slots=True)
class Rule:
    """One promise about `infra/`; `check` yields a sentence for every place that breaks it."""

    name: str
    promise: str
    check: Callable[[Project], Iterator[str]]


class Project:
    """A checkout, or a copy of the parts that the rules read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.infra = root / "infra"

    @cached_property
    def templates(self) -> dict[str, Template]:
        """Every Bicep file, by its path below `infra/`."""
        found = sorted(self.infra.rglob("*.bicep"))
        return {path.relative_to(self.infra).as_posix(): read(path) for path in found}

    @cached_property
    def main(self) -> Template:
        return self.templates["main.bicep"]

    def module(self, name: str) -> Template:
        """The template of `modules/NAME.bicep`."""
        return self.templates[f"modules/{name}.bicep"]

    def called(self, template: Template, target: str) -> Template | None:
        """The template that a module statement of another one names."""
        path = (template.path.parent / target).resolve()
        return next((found for found in self.templates.values() if found.path.resolve() == path), None)

    def json(self, name: str) -> Any:
        """A JSON file below the root."""
        return json.loads((self.root / name).read_text("utf-8"))

    def text(self, name: str) -> str:
        return (self.root / name).read_text("utf-8")

    def where(self, template: Template, line: int) -> str:
        return f"{template.path.relative_to(self.root).as_posix()}:{line}"

    @cached_property
    def settings_read(self) -> set[str]:
        """The settings that the code reads: first arguments of the readers in `config`, and `%NAME%` of triggers."""
        found = {name for call in _calls(self.root / "shared" / "config.py") for name in _setting_of(call)}
        for path in sorted((self.root / "functions").glob("*.py")):
            found |= set(re.findall(r'"%([A-Z][A-Z0-9_]+)%"', path.read_text("utf-8")))
        return found

    @cached_property
    def product_settings(self) -> dict[str, Value]:
        """The settings that `main.bicep` hands to the app, those behind a condition too."""
        given = self.main.modules["functionApp"].params.get("settings")
        names = set(re.findall(r"\w+", given.text)) if isinstance(given, Code) else set()
        parts = [given, *(item.default for name, item in self.main.variables.items() if name in names)]
        return {name: it for part in parts for found in objects_in(part) for name, it in found.items()}

    @cached_property
    def platform_settings(self) -> dict[str, Value]:
        """The settings that the module of the app adds: those of the host and of the worker."""
        site = self.module("function-app").resources["site"].at("properties.siteConfig.appSettings")
        return {str(item["name"]): item.get("value") for item in objects_in(site) if "name" in item}

    @cached_property
    def events_emitted(self) -> set[str]:
        """The events that the code writes: fixed words given to `emit`."""
        sources = [*(self.root / "shared").rglob("*.py"), *(self.root / "functions").glob("*.py")]
        return {name for path in sources for call in _calls(path) for name in _event_of(call)}

    @cached_property
    def tick_fields(self) -> set[str]:
        """The fields of the `tick` event."""
        tree = ast.parse((self.root / "shared" / "custody" / "report.py").read_text("utf-8"))
        report = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "TickReport")
        return {
            node.target.id
            for node in report.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        }


def data(name: str) -> Any:
    """A table of this checker."""
    return json.loads((DATA / name).read_text("utf-8"))


def _calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))


def _setting_of(call: ast.Call) -> Iterator[str]:
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str) and SETTING.fullmatch(first.value):
        yield first.value


def _event_of(call: ast.Call) -> Iterator[str]:
    named = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    first = call.args[0] if call.args else None
    if named in ("emit", "_emit") and isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield first.value
