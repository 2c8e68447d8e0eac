"""Exactly one correctly named, correctly formed session cookie counts; order never changes who it is (acceptance B4).

Sent as bytes on a socket: client libraries would merge, quote or drop most of this.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests import raw_http
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site

PUBLIC = "https://gatehouse.test"
NAMES = {"ada": b"Ada Lovelace", "bjorn": "Björn Åkesson".encode()}


@dataclass(frozen=True)
class Door:
    """A site as browsers know it, and the cookie values of two people who are signed in there."""

    port: int
    host: str
    name: str
    ada: str
    bjorn: str

    def who(self, *headers: str | bytes) -> str | None:
        """Whom the site takes the sender of these header lines for; None for a stranger, also when it refuses."""
        lines = [f"Host: {self.host}", "Connection: close", *headers]
        head = b"\r\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
        reply = raw_http.exchange(self.port, b"GET /auth/logout HTTP/1.1\r\n" + head + b"\r\n\r\n")
        assert reply.status in (200, 400, 431), reply
        assert reply.all("set-cookie") == []
        found = [person for person, name in NAMES.items() if name in reply.body]
        assert bool(found) is (b'name="csrf"' in reply.body)
        assert len(found) < 2
        return found[0] if found else None


@pytest.fixture(scope="module", params=["__Host-session", "gatehouse-session"])
def door(site: Site, host: Host, request: pytest.FixtureRequest) -> Door:
    values = {}
    for person in NAMES:
        browser = Browser(host.url)
        browser.sign_in(person)
        values[person] = browser.session_cookie
    if request.param == "gatehouse-session":
        return Door(host.port, f"127.0.0.1:{host.port}", request.param, **values)
    return Door(site.start_host(public_url=PUBLIC).port, "gatehouse.test", request.param, **values)


SPACES = ["\u00a0", "\u0085", "\u1680", "\u2000", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff"]
SPACES += ["\u200b", "\u180e", "\x0b", "\x0c", "\x1c", "\x1f", "\x00", "\x7f"]


def misnamed(name: str) -> Iterator[str]:
    """Other names that a lenient reader takes for `name`."""
    yield from {name.lower(), name.upper(), name.swapcase(), name.title(), name.capitalize()} - {name}
    yield from (f"{space}{name}" for space in SPACES)
    yield from (f"{name}{space}" for space in (*SPACES, " ", "\t"))
    yield from ("__Secure-session", "session", "Session", "sessionid", f"__Host-{name}", f"{name}2", f"x{name}")
    yield from (f'"{name}"', name.replace("-", "%2D"), name.replace("s", "%73", 1), f"${name}", f"{name}[]", f".{name}")
    yield from (name.replace("-", "\u2010"), name.replace("s", "\u017f"), f"{name}\u0301", f"={name}", f"{name} x")


def malformed(value: str) -> Iterator[str]:
    """Values that a lenient reader takes for `value`."""
    yield from (f'"{value}"', f'"{value}', f'{value}"', f"'{value}'", f" {value} x", f"={value}", f"{value}=")
    yield f'"{"".join(f"\\{ord(letter):03o}" for letter in value)}"'
    yield f'"\\{ord(value[0]):03o}{value[1:]}"'
    yield from ("".join(f"%{ord(letter):02x}" for letter in value), f"%{ord(value[0]):02x}{value[1:]}")
    yield from (value.upper(), value[:32].upper() + value[32:], value.swapcase(), value[:-1], value + "A", value * 2)
    yield from (f"{value},{value}", f"{value}, x", f"{value}\u00a0", f"\u00a0{value}", f"{value}\x00", f"{value}%00")
    yield from ("", "x", value[:32], value[32:], "0" * 75, value[:32] + "A" * 43, value[:32] + "." + value[32:])
    yield from (f"{value}:{value}", f"j:{value}", f"s:{value}.sig", "deleted", "null", f"{value}/../{value}")


@pytest.mark.acceptance("B4")
def test_the_one_good_cookie_counts_wherever_it_stands(door: Door, evidence: Report) -> None:
    """Else everything below would pass on a site that knows nobody."""
    mine = f"{door.name}={door.ada}"
    for line in (
        mine,
        f"a=b; {mine}",
        f"{mine}; a=b",
        f"{mine};",
        f"; {mine}",
        f"a=b;{mine};c=d",
        f"\t{mine} ; x",
        f"a; {mine}",
    ):
        assert door.who(f"Cookie: {line}") == "ada", line
        evidence(cases=1)


@pytest.mark.acceptance("B4")
def test_two_session_cookies_are_none_in_either_order(door: Door, evidence: Report) -> None:
    """The same value twice, another person's, an empty or a malformed one; and something between them."""
    first = f"{door.name}={door.ada}"
    for second in (
        first,
        f"{door.name}={door.bjorn}",
        f"{door.name}=",
        f"{door.name}=x",
        f"{door.name}={door.ada[:-1]}B",
    ):
        for pair in ((first, second), (second, first)):
            for between in ("; ", ";", "; a=b; ", ";\t"):
                assert door.who(f"Cookie: {between.join(pair)}") is None, between.join(pair)
                evidence(cases=1)


@pytest.mark.acceptance("B4")
def test_a_cookie_of_another_name_is_nobody_s_and_changes_nobody(door: Door, evidence: Report) -> None:
    """Alone it makes a stranger; beside a good one, before or after, that one counts, or none where it is refused."""
    mine = f"{door.name}={door.ada}"
    for name in misnamed(door.name):
        other = f"{name}={door.bjorn}"
        assert door.who(f"Cookie: {other}") is None, ascii(name)
        both = {door.who(f"Cookie: {line}") for line in (f"{mine}; {other}", f"{other}; {mine}")}
        assert both in ({"ada"}, {None}), ascii(name)
        evidence(cases=3)


@pytest.mark.acceptance("B4")
def test_a_malformed_value_is_nobody_s(door: Door, evidence: Report) -> None:
    """No quotes are taken off, nothing is decoded, folded, cut or completed."""
    for value in malformed(door.ada):
        assert door.who(f"Cookie: {door.name}={value}") is None, ascii(value)
        evidence(cases=1)


@pytest.mark.acceptance("B4")
def test_an_attribute_of_rfc_2965_makes_the_whole_header_nobody_s(door: Door, evidence: Report) -> None:
    """`$Version` switches old readers to rules by which quotes may hide cookies in other cookies."""
    mine, other = f"{door.name}={door.ada}", f"{door.name}={door.bjorn}"
    for line in (
        *(f"$Version=1; {mine}", f"{mine}; $Version=1", f'$Version="1"; {mine}; $Path="/"', f"$Version=0; {mine}"),
        *(f'$Version=1; a="x; {mine}; b=y"', f'$Version=1; a="; {other}; "; {mine}', f"{mine}; $Path=/; $Domain=x"),
        *(f"$Version=1, {mine}", f"$version=1; {mine}", f"$Port; $Version=1; {mine}"),
    ):
        assert door.who(f"Cookie: {line}") is None, line
        evidence(cases=1)


@pytest.mark.acceptance("B4")
def test_quotes_hide_and_show_nothing(door: Door, evidence: Report) -> None:
    """A semicolon ends a pair inside quotes too, so a value that is planted there counts as what it is."""
    mine, other = f"{door.name}={door.ada}", f"{door.name}={door.bjorn}"
    for line in (f'a="x; {other}; b=y"; {mine}', f'{mine}; a="x; {other}; b=y"', f'a="; {mine}', f"a='; {mine}; '"):
        assert door.who(f"Cookie: {line}") in (None, "ada"), line
        evidence(cases=1)
    assert door.who(f'Cookie: a="x; {other}; b=y"; {mine}') is None


@pytest.mark.acceptance("B4")
def test_two_cookie_headers_are_none_of_two_people(door: Door, evidence: Report) -> None:
    """The host joins them by a comma, which no value of ours holds."""
    mine, other = f"{door.name}={door.ada}", f"{door.name}={door.bjorn}"
    for first, second in (
        (mine, mine),
        (mine, other),
        (other, mine),
        (mine, "a=b"),
        ("a=b", mine),
        (mine, f"x; {other}"),
    ):
        for name in ("Cookie", "cookie", "COOKIE"):
            assert door.who(f"Cookie: {first}", f"{name}: {second}") is None, (first, second)
            evidence(cases=1)


@pytest.mark.acceptance("B4")
@pytest.mark.parametrize("kilobytes", [4, 8, 16, 31, 33, 64])
def test_a_large_header_is_read_as_any_other_or_refused(door: Door, kilobytes: int, evidence: Report) -> None:
    """The good cookie before or behind all that; a second one there makes it none; over 32 KB nothing is read."""
    mine, other = f"{door.name}={door.ada}", f"{door.name}={door.bjorn}"
    size = kilobytes * 1024 - 300
    some = "; ".join(f"c{n}={'x' * 90}" for n in range(kilobytes * 12))[:size]
    one = "c=" + "x" * (size - 2)
    for filler in (some, one):
        expected = "ada" if kilobytes < 32 else None
        assert {door.who(f"Cookie: {line}") for line in (f"{mine}; {filler}", f"{filler}; {mine}")} == {expected}
        assert door.who(f"Cookie: {mine}; {filler}; {other}") is None
        assert door.who(f"Cookie: {door.name}={filler}") is None
        evidence(cases=4)


@pytest.mark.acceptance("B4")
def test_bytes_that_are_no_utf8_make_nobody(door: Door, evidence: Report) -> None:
    for raw in (b"\xff", b"\xc0\xaf", b"\xa0", b"\x85", b"\xed\xa0\x80"):
        for line in (raw + b"%b=%b", b"a=" + raw + b"; %b=%b", b"%b=%b" + raw):
            assert door.who(b"Cookie: " + line % (door.name.encode(), door.ada.encode())) in (None, "ada")
            evidence(cases=1)


@pytest.mark.acceptance("B4")
def test_the_cookie_of_the_other_scheme_does_not_count(door: Door, simulator: Simulator, evidence: Report) -> None:
    """Nor beside the right one: `__Host-` can't be set from a subdomain or over http, the plain name can."""
    mine = f"{door.name}={door.ada}"
    other = "gatehouse-session" if door.name.startswith("__Host") else "__Host-session"
    assert door.who(f"Cookie: {other}={door.ada}") is None
    for line in (f"{mine}; {other}={door.bjorn}", f"{other}={door.bjorn}; {mine}"):
        assert door.who(f"Cookie: {line}") == "ada"
    evidence(cases=3)
