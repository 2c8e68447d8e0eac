"""The text of WIQL queries. Pure.

Text of other people appears in string literals only; fields come from a closed list, because nothing can be escaped
inside their brackets (facts/azure-devops.md 4.4).
"""

from collections.abc import Mapping
from enum import StrEnum

from shared.azure_devops.names import is_control
from shared.errors import BadRequest


class Field(StrEnum):
    """The fields that our queries may name."""

    ID = "System.Id"
    PROJECT = "System.TeamProject"
    TYPE = "System.WorkItemType"
    STATE = "System.State"
    ASSIGNED_TO = "System.AssignedTo"
    CHANGED = "System.ChangedDate"


class Macro(StrEnum):
    """What the service itself fills in; text of people is never one, whatever it says."""

    PROJECT = "@project"
    """The project in the URL of the query."""


def literal(text: str) -> str:
    """A string literal that stands for exactly this text; BadRequest when it holds control characters."""
    if any(map(is_control, text)):
        raise BadRequest(advice="A filter holds no control characters.")
    return "'" + text.replace("'", "''") + "'"


def newest_first(equal: Mapping[Field, str | Macro]) -> str:
    """The query for ids of work items whose fields equal these values, latest change first, ties by id."""
    conditions = " AND ".join(f"[{field.value}] = {_operand(value)}" for field, value in equal.items())
    return (
        f"SELECT [{Field.ID}] FROM WorkItems WHERE {conditions} "  # noqa: S608 - WIQL of literals and the closed list above
        f"ORDER BY [{Field.CHANGED}] DESC, [{Field.ID}] DESC"
    )


def _operand(value: str | Macro) -> str:
    return value.value if isinstance(value, Macro) else literal(value)
