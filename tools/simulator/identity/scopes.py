"""Azure DevOps scopes: their names in words and what each implies (scopes.json)."""

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _table() -> dict[str, dict[str, Any]]:
    scopes: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("scopes.json").read_text())["scopes"]
    return scopes


def is_known(scope: str) -> bool:
    return scope in _table()


def in_words(scope: str) -> str:
    """The name Microsoft gives the scope, such as "Work items (read)"."""
    return str(_table()[scope]["name"])


@cache
def implied(scopes: str) -> frozenset[str]:
    """Everything that the space-separated `scopes` allow, through the whole chain of inheritance."""
    asked = scopes.split()
    return frozenset(asked).union(*(_table()[scope]["implies"] for scope in asked))
