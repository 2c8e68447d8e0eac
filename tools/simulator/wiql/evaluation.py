"""A WIQL tree over work items.

Text compares without regard to case. A missing value counts as '' (so `= ''` finds the unassigned), or as
nothing for numbers and times (so no order comparison finds it). Times compare by day unless `time_precision`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tools.simulator.sample.people import Person
from tools.simulator.sample.times import parse_time
from tools.simulator.sample.work_items import WorkItem
from tools.simulator.wiql.fields import Field
from tools.simulator.wiql.syntax import (
    Comparison,
    Condition,
    Every,
    Literal,
    Macro,
    Not,
    Query,
    Some,
    SortKey,
    WiqlError,
)  # fmt: skip


@dataclass(frozen=True)
class Asker:
    """What macros stand for."""

    person: Person
    project: str | None  # None: no project in the URL
    now: datetime
    time_precision: bool


type Value = str | float | datetime | None
type Predicate = Callable[[WorkItem], bool]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
}


def run(query: Query, items: Iterable[WorkItem], asker: Asker) -> list[WorkItem]:
    """The items that match, in the query's order (by id where it names none). Raises WiqlError."""
    matches = _predicate(query.where, asker) if query.where else lambda _: True
    found = sorted(filter(matches, items), key=lambda item: item.id)
    for key in reversed(query.order):
        found.sort(key=lambda item, key=key: _sort_value(item, key), reverse=key.descending)  # type: ignore[misc] # mypy cannot type the default argument
    return found


def _sort_value(item: WorkItem, key: SortKey) -> tuple[bool, Any]:
    value = _value_of(item, key.field, exact=True)
    return (value is not None, value)


def _predicate(condition: Condition, asker: Asker) -> Predicate:
    match condition:
        case Comparison():
            return _comparison(condition, asker)
        case Not(operand):
            inner = _predicate(operand, asker)
            return lambda item: not inner(item)
        case Every(operands):
            parts = [_predicate(each, asker) for each in operands]
            return lambda item: all(part(item) for part in parts)
        case Some(operands):
            parts = [_predicate(each, asker) for each in operands]
            return lambda item: any(part(item) for part in parts)


def _comparison(comparison: Comparison, asker: Asker) -> Predicate:
    field, operator = comparison.field, comparison.operator
    if field.kind == "person" and operator in ("=", "<>", "IN"):
        return _person_comparison(comparison, asker)
    wanted = [_literal(field, value, asker) for value in comparison.values]

    def holds(item: WorkItem) -> bool:
        value = _value_of(item, field, exact=asker.time_precision)
        return _holds(operator, value, wanted)

    return holds


def _holds(operator: str, value: Value, wanted: list[Value]) -> bool:
    match operator:
        case "=" | "IN":
            return value in wanted
        case "<>":
            return value != wanted[0]
        case "CONTAINS":
            return str(wanted[0]) in str(value or "")
        case "UNDER":
            return value == wanted[0] or str(value).startswith(f"{wanted[0]}\\")
        case _:
            return value is not None and wanted[0] is not None and _ORDER[operator](value, wanted[0])


def _person_comparison(comparison: Comparison, asker: Asker) -> Predicate:
    wanted = {str(_literal(comparison.field, value, asker)) for value in comparison.values}

    def holds(item: WorkItem) -> bool:
        names = _names_of(item.fields.get(comparison.field.reference_name))
        return names.isdisjoint(wanted) == (comparison.operator == "<>")

    return holds


def _names_of(identity: dict[str, Any] | None) -> set[str]:
    """All spellings by which a query may name the person."""
    if identity is None:
        return {""}
    name, mail = identity["displayName"].casefold(), identity["uniqueName"].casefold()
    return {name, mail, f"{name} <{mail}>"}


def _value_of(item: WorkItem, field: Field, *, exact: bool) -> Value:
    value = item.fields.get(field.reference_name)
    match field.kind:
        case "integer":
            return value
        case "time":
            return None if value is None else _time(parse_time(value), exact=exact)
        case "person":
            return value["displayName"].casefold() if value else ""
        case _:
            return str(value or "").casefold()


def _literal(field: Field, literal: Literal, asker: Asker) -> Value:
    if isinstance(literal, Macro):
        literal = _macro(literal, asker)
    match field.kind:
        case "integer":
            return _as_number(field, literal)
        case "time":
            return _as_time(field, literal, asker)
        case _:
            return str(literal).casefold()


def _macro(macro: Macro, asker: Asker) -> str:
    match macro.name:
        case "me":
            return asker.person.mail
        case "today":
            return f"{asker.now + timedelta(days=macro.days):%Y-%m-%d}"
    if asker.project is None:
        raise WiqlError("TF51011: The macro @project needs a project in the URL. The error is caused by «@project».")
    return asker.project


def _as_number(field: Field, literal: str | float) -> float:
    try:
        return float(literal)
    except ValueError:
        raise WiqlError(
            f"TF51009: Expecting a number. The error is caused by «[{field.reference_name}] and '{literal}'»."
        ) from None


def _as_time(field: Field, literal: str | float, asker: Asker) -> Value:
    if literal == "":
        return None
    try:
        moment = parse_time(str(literal))
    except ValueError:
        raise WiqlError(
            f"TF51008: A date is expected. The error is caused by «[{field.reference_name}] and '{literal}'»."
        ) from None
    has_time = len(str(literal)) > len("2026-11-24")
    if has_time and not asker.time_precision:
        raise WiqlError(
            "TF51022: You cannot supply a time with the date when running a query using date precision. "
            f"The error is caused by «[{field.reference_name}] and '{literal}'»."
        )
    return _time(moment, exact=asker.time_precision)


def _time(moment: datetime, *, exact: bool) -> datetime:
    moment = moment.astimezone(UTC)
    return moment if exact else moment.replace(hour=0, minute=0, second=0, microsecond=0)
