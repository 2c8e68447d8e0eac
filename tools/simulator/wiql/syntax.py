"""WIQL text to a tree.

    query      := SELECT field {, field} FROM WorkItems [WHERE either] [ORDER BY key {, key}]
    either     := all {OR all}
    all        := term {AND term}
    term       := [NOT] ( "(" either ")" | field operator value )
    operator   := = | <> | < | > | <= | >= | [NOT] IN | [NOT] CONTAINS | [NOT] UNDER
    value      := literal | "(" literal {, literal} ")"      (the list after IN only)
    literal    := 'text' | "text" | number | @project | @me | @today [(+|-) days]
    key        := field [ASC|DESC]

A quote inside a literal is doubled. Key words, fields and macros are case-insensitive.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from tools.simulator.wiql.fields import Field, find_field

MAX_QUERY = 32_000  # facts 4.4: query text at most 32K characters
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<field>\[[^\]]*\])
    | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<macro>@\w+)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<symbol><>|<=|>=|[=<>(),+-])
    | (?P<word>[A-Za-z_][\w.]*)
    )""",
    re.VERBOSE,
)
_RESERVED = ("SELECT", "FROM", "WHERE", "ORDER", "BY", "AND", "OR", "NOT")
_COMPARISONS = ("=", "<>", "<", ">", "<=", ">=")
_WORD_OPERATORS = ("IN", "CONTAINS", "UNDER")


class WiqlError(ValueError):
    """The query cannot be understood; the message is the service's, with its TF code."""


@dataclass(frozen=True)
class Macro:
    """`@project`, `@me` or `@today` with an offset in days."""

    name: str
    days: int = 0


type Literal = str | int | float | Macro


@dataclass(frozen=True)
class Comparison:
    field: Field
    operator: str
    values: tuple[Literal, ...]


@dataclass(frozen=True)
class Not:
    operand: "Condition"


@dataclass(frozen=True)
class Every:
    operands: tuple["Condition", ...]


@dataclass(frozen=True)
class Some:
    operands: tuple["Condition", ...]


type Condition = Comparison | Not | Every | Some


@dataclass(frozen=True)
class SortKey:
    field: Field
    descending: bool


@dataclass(frozen=True)
class Query:
    columns: tuple[Field, ...]
    where: Condition | None
    order: tuple[SortKey, ...]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind in ("word", "symbol") else ""


def parse(text: str) -> Query:
    """The query's tree. Raises WiqlError."""
    if len(text) > MAX_QUERY:
        raise WiqlError(f"VS402335: The query text exceeds the limit of {MAX_QUERY} characters.")
    return _Parser(_tokens(text)).query()


def _tokens(text: str) -> list[_Token]:
    found, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            _refuse("Unexpected character", text[position:].strip()[:20])
        assert match.lastgroup is not None
        found.append(_Token(match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return found


def _refuse(what: str, cause: str) -> NoReturn:
    raise WiqlError(f"TF51006: The query statement is not valid: {what}. The error is caused by «{cause}».")


class _Parser:
    """Recursive descent, one method per rule of the grammar above."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def query(self) -> Query:
        self._expect("SELECT")
        columns = self._separated(self._field)
        self._expect("FROM")
        if (source := self._next("a source")).word != "WORKITEMS":
            _refuse("The source must be WorkItems", source.text)
        where = self._either() if self._accept("WHERE") else None
        order: tuple[SortKey, ...] = ()
        if self._accept("ORDER"):
            self._expect("BY")
            order = self._separated(self._sort_key)
        if self._position < len(self._tokens):
            _refuse("Unexpected token", self._tokens[self._position].text)
        return Query(columns, where, order)

    def _either(self) -> Condition:
        operands = [self._all()]
        while self._accept("OR"):
            operands.append(self._all())
        return operands[0] if len(operands) == 1 else Some(tuple(operands))

    def _all(self) -> Condition:
        operands = [self._term()]
        while self._accept("AND"):
            operands.append(self._term())
        return operands[0] if len(operands) == 1 else Every(tuple(operands))

    def _term(self) -> Condition:
        if self._accept("NOT"):
            return Not(self._term())
        if self._accept("("):
            inner = self._either()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Condition:
        field = self._field()
        negated = self._accept("NOT")
        operator = self._next("an operator")
        allowed = _WORD_OPERATORS if negated else (*_COMPARISONS, *_WORD_OPERATORS)
        if operator.word not in allowed:
            _refuse("Expecting an operator", operator.text)
        values = self._list() if operator.word == "IN" else (self._literal(),)
        comparison = Comparison(field, operator.word, values)
        return Not(comparison) if negated else comparison

    def _list(self) -> tuple[Literal, ...]:
        self._expect("(")
        values = self._separated(self._literal)
        self._expect(")")
        return values

    def _literal(self) -> Literal:
        token = self._next("a value")
        match token.kind:
            case "text":
                quote = token.text[0]
                return token.text[1:-1].replace(quote * 2, quote)
            case "number":
                return float(token.text) if "." in token.text else int(token.text)
            case "macro":
                return self._macro(token)
        if token.word == "-":
            return -self._number()
        _refuse("Expecting a value", token.text)

    def _macro(self, token: _Token) -> Macro:
        name = token.text[1:].lower()
        if name not in ("project", "me", "today"):
            _refuse("The macro is not supported", token.text)
        if name == "today" and self._accept("-"):
            return Macro(name, -int(self._number()))
        if name == "today" and self._accept("+"):
            return Macro(name, int(self._number()))
        return Macro(name)

    def _number(self) -> int | float:
        token = self._next("a number")
        if token.kind != "number":
            _refuse("Expecting a number", token.text)
        return float(token.text) if "." in token.text else int(token.text)

    def _sort_key(self) -> SortKey:
        field = self._field()
        descending = self._accept("DESC")
        if not descending:
            self._accept("ASC")
        return SortKey(field, descending)

    def _field(self) -> Field:
        token = self._next("a field")
        if token.kind not in ("field", "word") or token.word in _RESERVED:
            _refuse("Expecting a field name", token.text)
        field = find_field(token.text.strip("[]"))
        if field is None:
            raise WiqlError(
                f"TF51005: The query references a field that does not exist. The error is caused by «{token.text}»."
            )
        return field

    def _separated[T](self, rule: Callable[[], T]) -> tuple[T, ...]:
        found = [rule()]
        while self._accept(","):
            found.append(rule())
        return tuple(found)

    def _next(self, wanted: str) -> _Token:
        if self._position >= len(self._tokens):
            _refuse(f"Expecting {wanted}", "end of query")
        self._position += 1
        return self._tokens[self._position - 1]

    def _accept(self, word: str) -> bool:
        found = self._position < len(self._tokens) and self._tokens[self._position].word == word
        self._position += found
        return found

    def _expect(self, word: str) -> None:
        if (token := self._next(word)).word != word:
            _refuse(f"Expecting {word}", token.text)
