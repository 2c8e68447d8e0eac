"""Names in addresses: decoded once, judged by Azure DevOps' own rules, sent upstream byte-exact (acceptance D1, D2)."""

import itertools
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote, unquote_to_bytes

import pytest

from tests import raw_http
from tests.raw_http import Reply
from tests.site import Browser, Host, Simulator

VIEWS = {"builds": "/_apis/build/builds", "repos": "/_apis/git/repositories", "workitems": "/_apis/wit/wiql"}
PROBLEM = "application/problem+json; charset=utf-8"


class Walker:
    """Somebody who is signed in and types addresses that no browser would send."""

    def __init__(self, host: Host) -> None:
        self._port = host.port
        browser = Browser(host.url)
        browser.sign_in("ada")
        self._cookie = f"Cookie: gatehouse-session={browser.session_cookie}"

    def get(self, target: bytes) -> Reply:
        return raw_http.send(self._port, "GET", target, "Accept: application/json", self._cookie)


@pytest.fixture(scope="module")
def walker(host: Host) -> Walker:
    return Walker(host)


def encoded(raw: bytes, times: int) -> bytes:
    """Percent-encoded so many times: whole, so that the first round hides every byte that is no letter or digit."""
    for _ in range(times):
        raw = quote(raw, safe="").encode()
    return raw


HOSTILE = [
    *(".", "..", "...", "../fabrikam", "fabrikam/..", "./fabrikam", "fabrikam/.", "..;", ".%00."),
    *(
        "a/b",
        "/fabrikam",
        "fabrikam/",
        "//evil.example",
        "https://evil.example",
        "fabrikam/_apis",
        "a\\b",
        "\\fabrikam",
    ),
    *("\\\\evil.example", "..\\fabrikam", "a\u2215b", "a\u2044b", "a\uff0fb", "a\uff3cb", "a\u29f8b"),
    *("evil.example", "fabrikam.evil.example", "fabrikam@evil.example", "evil.example:80", "fabrikam:443", "a:b@c"),
    *("@", ":", "fabrikam@", "fabrikam;x=y", "fabrikam?x=y", "fabrikam#x", "fabrikam&x", "fabrikam=x", "fabrikam,x"),
    *("fabrikam\0", "\0", "fab\0rikam", "fabrikam\r\nX-Injected: y", "fabrikam\n", "fabrikam\r", "fabrikam\t"),
    *("fabrikam\v", "fabrikam\x1b[2J", "fabrikam\x7f", "fabrikam\x85", "fabrikam\u2028", "fabrikam\xa0", " fabrikam"),
    *(
        "fabrikam ",
        "fab rikam",
        "fabrikam+",
        "+fabrikam",
        "ｆａｂｒｉｋａｍ",
        "fabrikａm",
        "fabrıkam",
        "fabriКam",
        "fabrikäm",
    ),
    *(
        "fabrikàm",
        "fabrika\u0308m",
        "fab\u200brikam",
        "fabrikam\u200d",
        "\ufefffabrikam",
        "fab\u00adrikam",
        "\u202efab",
    ),
    *("fabrikam\ufe0f", "ﬁabrikam", "İ", "ſabrikam", "١٢", "Ⅷ", "a\u2024b", "fabrikam\u3002", "プロジェクト", "😀"),
    *("-fabrikam", "fabrikam-", "-", "--", "_fabrikam", "fab_rikam", ".fabrikam", "fabrikam.", "fab.rikam", "a" * 51),
    *("a" * 200, "'", '"', "fabrikam'--", '"fabrikam"', "<script>", "fab|rikam", "fab$rikam", "${fabrikam}"),
    *("{{7*7}}", "%", "%2", "%zz", "fabrikam%", "*", "~", "!", "(fabrikam)", "[::1]", "`fabrikam`", "^"),
]
"""Names that no organization has."""

BROKEN_UTF8 = [
    *(
        b"fabrikam\xc0\xaf",
        b"\xc0\xae\xc0\xae",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"fabrikam\xff",
        b"\xfe",
        b"\x80",
    ),
    *(b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc1\xa6abrikam", b"fab\xe2\x28\xa1rikam"),
]

TRICKS = [
    *(b"%u0066abrikam", b"%u002e%u002e", b"&#102;abrikam", b"\\u0066abrikam", b"=?utf-8?q?fabrikam?=", b"%%66abrikam"),
    *(b"%6", b"fabrikam%0", b"%c0%2e", b"%2e%2e%5c", b"%2e%2e;", b"%252e%252e%252f", b"..%2f", b"%2e%2e%2ffabrikam"),
    *(b"%66%61%62%72%69%6b%61%6d%2f", b"fabrikam%20", b"fabrikam%09", b"fabrikam%00.html", b"%ef%bd%86abrikam", b""),
]
"""Spellings that only some parser reads as a name."""


def hostile_segments() -> Iterator[bytes]:
    """Each hostile value as it is and encoded once, twice and three times; then real names encoded too often."""
    for raw in [*(text.encode() for text in HOSTILE), *BROKEN_UTF8]:
        yield from (encoded(raw, times) for times in (0, 1, 2, 3))
    yield from TRICKS
    for name in ("fabrikam", "contoso-labs"):
        for letters in (name[:1], name[1:2], name[-1:], name):
            once = "".join(f"%{ord(letter):02x}" for letter in letters).encode()
            hidden = name.encode().replace(letters.encode(), once, 1)
            yield from (encoded(hidden, times) for times in (1, 2))


@pytest.mark.acceptance("D1")
def test_an_organization_that_can_not_exist_never_reaches_azure_devops(
    walker: Walker, simulator: Simulator, evidence
) -> None:
    """However it is written: 400 or 404 and not one call upstream, mostly by the application and not by the host."""
    segments = list(dict.fromkeys(hostile_segments()))
    tails = itertools.cycle(
        [b"/projects", *(b"/project/Lighthouse/" + view.encode() for view in VIEWS), b"/projects?top=5"]
    )
    by_whom: Counter[str] = Counter()
    wrong = []
    for segment, tail in zip(segments, tails, strict=False):
        reply = walker.get(b"/org/" + segment + tail)
        by_whom["application" if reply.header("content-type") == PROBLEM else "host"] += 1
        if reply.status not in (400, 404):
            wrong.append((segment, reply.status))
    assert wrong == []
    assert simulator.calls() == []
    assert by_whom["application"] > 0.75 * len(segments), by_whom
    evidence(cases=len(segments))


@pytest.mark.acceptance("D1")
@pytest.mark.parametrize("segment", ["fabrikam", "%66abrikam", "%66%61%62%72%69%6B%61%6d", "FABRIKAM"])
def test_an_organization_is_decoded_exactly_once(walker: Walker, simulator: Simulator, segment: str, evidence) -> None:
    """One round of percent-encoding is what a browser may send; it reaches the service as the plain name."""
    assert walker.get(f"/org/{segment}/projects".encode()).status == 200
    (call,) = simulator.calls("/_apis/projects")
    name = unquote_to_bytes(segment).decode()
    assert call["target"].startswith(f"/{name}/_apis/projects?")
    evidence(cases=1)


FORBIDDEN = "/:\\~&%;@'\"?<>|#$*}{,+=[]"
LEGAL = [
    *("Tools (new)!", "a.b-c_d", "Ünïcode プロジェクト", "Payments Platform", "two  spaces", " leading", "trailing "),
    *("a", "x" * 64, "プ" * 64, "0f8fad5b-d9cb-469f-a165-70867728950e", "web.config", "CON", "NUL", "App_Code"),
    *("a..b", "a...b", "-a", "a-", "a_", "!", "()", "(a", "a^b", "a`b", "^", "no.dot.at.end", "100", "1e9", "null"),
    *(
        "café",
        "cafe\u0301",
        "Å",
        "A\u030a",
        "\u212b",
        "ﬁle",
        "ｆｕｌｌ",
        "full／width",
        "full：width",
        "full？width",
        "％２Ｆ",
    ),
    *(
        "a\u2215b",
        "a\u2044b",
        "a\u2024b",
        "\u2025",
        "a\u200bb",
        "a\u200db",
        "\u202eabc",
        "\ufeffa",
        "a\u00adb",
        "a\xa0b",
    ),
    *(
        "Straße",
        "STRASSE",
        "ıI",
        "İi",
        "ſ",
        "ǆ",
        "Привет",
        "Ελλάδα",
        "עברית",
        "العربية",
        "हिन्दी",
        "ไทย",
        "한국어",
        "中文",
    ),
    *(
        "日本語",
        "١٢٣",
        "Ⅷ",
        "½",
        "№",
        "☃",
        "★",
        "→",
        "€",
        "a\u0300\u0301\u0302",
        "\u0300a",
        "\u3000",
        "\uffff",
        "\ue000",
    ),
]
LEGAL += [f"x{chr(code)}" for code in range(0xC0, 0x100)]
THERE = {"Payments Platform", "Tools (new)!", "Ünïcode プロジェクト"}
CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
BEYOND = ["😀", "a😀", "𝒳", "\U00010000", "\U0010ffff", "👩‍👩‍👧", "🇩🇪", "a" * 60 + "😀"]
EDGES = ["_a", "_", ".a", "a.", ".", "..", "...", "._", "._a", "a/..", "../a", "x" * 65, "プ" * 65, "x" * 300, "_apis"]


def illegal_names() -> Iterator[str]:
    yield from EDGES
    yield from BEYOND
    yield from (f"a{chr(code)}b" for code in CONTROLS)
    for character in FORBIDDEN:
        yield from (character, f"a{character}b", f"{character}Lighthouse", f"Lighthouse{character}")


def spellings(name: str) -> Iterator[str]:
    """The ways in which an honest client may write a name into an address: all mean the same bytes."""
    whole = quote(name, safe="")
    yield whole
    yield "".join(part.lower() if part.startswith("%") else part for part in _escapes(whole))
    yield quote(name, safe="!()-._")
    yield "".join(f"%{byte:02X}" for byte in name.encode())


def _escapes(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        size = 3 if text[at] == "%" else 1
        yield text[at : at + size]
        at += size


@pytest.mark.acceptance("D2")
def test_a_legal_project_name_reaches_azure_devops_byte_for_byte_in_one_segment(
    walker: Walker, simulator: Simulator, evidence
) -> None:
    """Neither normalised nor folded nor cut, whatever its spelling; the host is always the configured one."""
    hosts = set()
    views = itertools.cycle(VIEWS.items())
    for name in LEGAL:
        for spelling in dict.fromkeys(spellings(name)):
            view, api = next(views)
            simulator.clear_calls()
            reply = walker.get(f"/org/fabrikam/project/{spelling}/{view}".encode())
            assert reply.status == (200 if name in THERE else 404), (name, spelling)
            calls = simulator.calls()
            paths = {call["target"].partition("?")[0] for call in calls if api in call["target"]}
            assert paths == {f"/fabrikam/{quote(name, safe='')}{api}"}, (name, spelling)
            hosts |= {call["host"] for call in calls}
            evidence(cases=1)
    assert hosts == {simulator.url.removeprefix("http://")}


@pytest.mark.acceptance("D2")
def test_a_project_name_that_azure_devops_refuses_never_reaches_it(
    walker: Walker, simulator: Simulator, evidence
) -> None:
    """Encoded as a browser would, and once more: 400 or 404, and not one call upstream."""
    names = [*(name.encode() for name in illegal_names()), *BROKEN_UTF8]
    segments = list(dict.fromkeys(encoded(name, times) for name in names for times in (1, 2)))
    views = itertools.cycle(VIEWS)
    wrong = []
    for segment in segments:
        reply = walker.get(b"/org/fabrikam/project/%b/%b" % (segment, next(views).encode()))
        if reply.status not in (400, 404):
            wrong.append((segment, reply.status))
    assert wrong == []
    assert simulator.calls() == []
    evidence(cases=len(segments))
