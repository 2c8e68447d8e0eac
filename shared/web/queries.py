"""Query parameters, declared once per function: what is checked before any work is also what the contract says.

Each parameter that a page takes is a `Parameter`; everything else in a query is refused (acceptance D3). The check
costs no store operation and no call, so it comes before the session is even looked up.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from shared.azure_devops.paging import CONTINUATION_PATTERN, DEFAULT_TOP, MAX_CONTINUATION, MAX_TOP
from shared.errors import BadParameter, BadRequest
from shared.web import requests

_SHOWABLE = re.compile(r"[A-Za-z0-9$._\[\]-]{1,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter[T]:
    """One query parameter. It may be absent, and is then `default`; it is never given twice.

    `read` raises ValueError or BadRequest for what is not allowed. `allowed` ends the sentence “name” is …, for people;
    `schema` is the same rule as JSON Schema, for the OpenAPI document.
    """

    name: str
    allowed: str
    schema: Mapping[str, object]
    read: Callable[[str], T]
    default: T


type Parameters = Sequence[Parameter[Any]]


class Query:
    """The parameters of one request, each valid."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def value[T](self, parameter: Parameter[T]) -> T:
        """What was given for it, else its default."""
        return cast("T", self._values.get(parameter.name, parameter.default))


def read(text: str, declared: Parameters | None) -> Query:
    """Check a raw query. Raises BadParameter for the first parameter that is unknown, repeated or out of its range.

    Nothing is read where nothing is declared at all: the function judges its query itself.
    """
    if declared is None:
        return Query({})
    known = {parameter.name: parameter for parameter in declared}
    values: dict[str, object] = {}
    for name, value in requests.decoded_pairs(text):
        parameter = known.get(name)
        if parameter is None:
            raise _unknown(name, list(known))
        if name in values:
            raise BadParameter(name, f"“{name}” is given more than once. It is {parameter.allowed}.")
        try:
            values[name] = parameter.read(value)
        except (ValueError, BadRequest):
            raise BadParameter(name, f"“{name}” is {parameter.allowed}.") from None
    return Query(values)


def whole_number(name: str, least: int, most: int, default: int) -> Parameter[int]:
    """A number in ASCII digits: `int` alone would take `1_000`, `+5`, ` 5` and the digits of every script."""
    digits = re.compile(rf"[0-9]{{1,{len(str(most))}}}")

    def parse(text: str) -> int:
        if not digits.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(name)
        return int(text)

    return Parameter(
        name=name,
        allowed=f"a whole number from {least} to {most}, in the digits 0 to 9",
        schema={"type": "integer", "minimum": least, "maximum": most, "default": default},
        read=parse,
        default=default,
    )


def text(name: str, allowed: str, *, longest: int, pattern: str = r"[\s\S]*") -> Parameter[str]:
    """A text of at most `longest` characters; "" when absent."""
    shape = re.compile(pattern)

    def parse(given: str) -> str:
        if len(given) > longest or not shape.fullmatch(given):
            raise ValueError(name)
        return given

    schema = {"type": "string", "maxLength": longest, "pattern": f"^{pattern}$"}
    return Parameter(name=name, allowed=allowed, schema=schema, read=parse, default="")


def flag(name: str) -> Parameter[bool]:
    """`name=1`, or absent."""

    def parse(given: str) -> bool:
        if given != "1":
            raise ValueError(name)
        return True

    schema = {"type": "string", "const": "1"}
    return Parameter(name=name, allowed="1, or absent", schema=schema, read=parse, default=False)


TOP = whole_number("top", 1, MAX_TOP, DEFAULT_TOP)
CONTINUATION = text(
    "continuation",
    "one that this site gave out with a page of this list; start again at the first page",
    longest=MAX_CONTINUATION,
    pattern=CONTINUATION_PATTERN,
)


def paged(check: Callable[[str], object]) -> Parameters:
    """The parameters of a list; `check` raises BadRequest for a continuation that this list never gave out."""

    def parse(given: str) -> str:
        check(CONTINUATION.read(given))
        return given

    return (TOP, replace(CONTINUATION, read=parse))


def _unknown(name: str, known: Sequence[str]) -> BadParameter:
    takes = " and ".join(f"“{one}”" for one in known) or "no parameters"
    shown = name if _SHOWABLE.fullmatch(name) else None
    given = f"“{shown}”" if shown else "another one"
    return BadParameter(shown or "", f"This address takes {takes}, and was given {given}.")
