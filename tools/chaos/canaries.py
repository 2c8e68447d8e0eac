"""Whether secrets stand where they must not, in whatever form: `needles_of` names the forms, `Canaries` looks for them.

A value is looked for by the first and the last 12 characters of its unique part: as it is, escaped for URLs, JSON and
HTML, as hex digits, and in base64 at each of its three alignments. So a value that was cut short is found too, and one
that was put into something longer. What is found is told by kind and place, never by value.

Signs that no secret of ours has (blanks, quotes) end a run: of a value that has some the longer parts are looked for.
Text is kept as the set of its distinct runs of characters that secrets are made of: logs repeat themselves, and a
secret that is learned of later is still found in what was read before.
"""

import base64
import html
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

WIDTH = 12
"""Characters that give a secret away (acceptance G1); what is shorter can't be told from other text."""
_ENOUGH = 2 * WIDTH
"""Characters at either end of a long value of which the forms are made."""
_RUN = re.compile(rb"[A-Za-z0-9+/_.~%=\\-]{12,}")
_JWT = re.compile(r"eyJ[\w-]*\.[\w-]*\.(?P<signature>[\w-]*)")
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A secret of this kind, in this form, at this place."""

    kind: str
    form: str
    place: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.form}) in {self.place}"


def unique_part(value: str) -> str:
    """Of a JWT its signature, for all of them begin alike; else the whole value."""
    jwt = _JWT.fullmatch(value)
    return jwt["signature"] if jwt else value


def needles_of(value: str) -> Iterator[tuple[str, bytes]]:
    """Form and bytes, each `WIDTH` long, of which any gives `value` away; none where it is too short to be told."""
    unique = unique_part(value)
    if len(unique) < WIDTH:
        return
    whole = {unique} if len(unique) <= _ENOUGH or _HEX_KEY.fullmatch(unique) else {unique[:_ENOUGH], unique[-_ENOUGH:]}
    for part in whole:
        for form, text in _forms(part):
            for run in _ends(text):
                yield form, run


def _forms(unique: str) -> Iterator[tuple[str, bytes]]:
    raw = unique.encode()
    yield "plain", raw
    yield "for a URL", quote(unique, safe="").encode()
    yield "for a form", quote_plus(unique).encode()
    yield "in JSON", json.dumps(unique)[1:-1].encode()
    yield "in HTML", html.escape(unique).encode()
    yield "as hex digits", raw.hex().encode()
    yield "as hex digits", raw.hex().upper().encode()
    yield from _in_base64(raw)
    if _HEX_KEY.fullmatch(unique):
        yield from (("as hex digits", unique.lower().encode()), ("as hex digits", unique.upper().encode()))
        key = bytes.fromhex(unique)
        yield from _in_base64(key)
        yield "as bytes", repr(key)[2:-1].encode()


def _in_base64(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """The digits that depend on nothing but `raw`, whatever stands before and after it."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + raw)
        first, last = (before * 8 + 5) // 6, (before + len(raw)) * 8 // 6
        yield "in base64", whole[first:last]
        yield "in base64", whole[first:last].translate(bytes.maketrans(b"+/", b"-_"))


def _ends(text: bytes) -> Iterator[bytes]:
    """First and last characters of what a run of `_RUN` can hold of it."""
    runs = _RUN.findall(text)
    if runs:
        yield runs[0][:WIDTH]
        yield runs[-1][-WIDTH:]


class Canaries:
    """The secrets that are alive, and the places that were read; `hits` compares them."""

    def __init__(self) -> None:
        self._needles: dict[bytes, dict[str, str]] = defaultdict(dict)
        self._known: set[tuple[str, str]] = set()
        self._seen: dict[str, set[bytes]] = defaultdict(set)
        self._allowed: dict[str, frozenset[str]] = {}
        self.kinds: dict[str, int] = defaultdict(int)
        """How many secrets of each kind are looked for."""
        self.read: dict[str, int] = defaultdict(int)
        """How many bytes were read at each place."""

    def learn(self, kind: str, *values: str) -> None:
        """Look for these too; what is too short to be told is left out."""
        for value in values:
            if (kind, value) in self._known:
                continue
            self._known.add((kind, value))
            needles = list(needles_of(value))
            self.kinds[kind] += bool(needles)
            for form, needle in needles:
                self._needles[needle].setdefault(kind, form)

    def note(self, place: str, data: bytes, allowed: Iterable[str] = ()) -> None:
        """This was found at `place`, where secrets of the `allowed` kinds may stand."""
        self.read[place] += len(data)
        self._seen[place].update(_RUN.findall(data))
        self._allowed[place] = frozenset(allowed)

    def hits(self) -> list[Hit]:
        """Every secret at a place that is not for its kind; each kind and form once a place.

        What is secret in two ways (a token that tells a state) is at home where one of them is.
        """
        found = ((place, self._needles[needle]) for place in self._seen for needle in self._found(place))
        return sorted(
            {
                Hit(kind, form, place)
                for place, kinds in found
                if self._allowed[place].isdisjoint(kinds)
                for kind, form in kinds.items()
            }
        )

    def _found(self, place: str) -> set[bytes]:
        needles = self._needles.keys()
        windows = (run[start : start + WIDTH] for run in self._seen[place] for start in range(len(run) - WIDTH + 1))
        return {window for window in windows if window in needles}
