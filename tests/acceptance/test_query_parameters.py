"""Query parameters: known, each once, typed and in range; else 400 with a reason and no work (acceptance D3)."""

import base64
import json
from collections.abc import Iterator

import pytest

from tests import raw_http
from tests.acceptance.conftest import Untouched
from tests.evidence import Report
from tests.route_table import Page, pages
from tests.site import Browser, Host, Simulator

STRICT = [page for page in pages() if page.route.query is not None]
"""All but those that judge their query themselves: the callback (A5) and the 404 page."""
WITH_NUMBERS = [(page, it) for page in STRICT for it in page.route.query if it.schema["type"] == "integer"]
WITH_CONTINUATION = [page for page in STRICT if any(it.name == "continuation" for it in page.route.query)]

NO_NUMBERS = [
    *("", "0", "-0", "-1", "+5", "%2B5", "+", "5+", "%205", "5%20", "5%0A", "5%00", "%095", "5.0", "5.", ".5", "5e0"),
    *("1e9", "1E1", "1000000000", "9" * 30, "9" * 3000, "201", "2147483648", "18446744073709551617", "1_000", "1,000"),
    *("NaN", "nan", "Infinity", "-inf", "0x10", "0b1", "0o7", "010b", "ten", "true", "null", "None", "[5]", "%5B5%5D"),
    *("%D9%A1%D9%A2", "%EF%BC%95", "%C2%B2", "%E0%A5%AB", "%F0%9D%9F%93", "%E2%85%A4", "5;top=6", "5,6", "5%26", "'5'"),
]
UNKNOWN = [
    *("x=1", "X", "=1", "TOP=5", "Top=5", "to%70%00=5", "top%20=5", "+top=5", "top[]=5", "top%5B0%5D=5", "$top=5"),
    *("t%D0%BEp=5", "t%CE%BFp=5", "%EF%BD%94op=5", "skip=5", "$skip=5", "code=abc", "state=x", "access_token=x"),
    *("continuationToken=x", "return_to=/&x", "__proto__=1", "csrf=x", "_method=POST", "debug=1", "format=json"),
    *("api-version=7.1", "%0D%0AX-Injected:%20y=1", "%1B%5B2J=1", "a" * 100 + "=1", "%E2%80%AEx=1", "%00=1"),
    "%3Cb%3E=1",
]
BROKEN = ["%", "top=%", "top=%2", "top=%zz", "top=%u0035", "top=%ff", "top=%c0%b5", "%ED%A0%80=1", "top=5%E2%82"]


def opaque(value: object) -> str:
    """What a continuation of this content looks like."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


NEVER_GIVEN = [
    *("", "x", "20", "-1", "null", "W10=", "W10%3D", "W10%0A", "W1+0", "%C3%A9", "..%2F..", "A" * 2048, "A" * 2049),
    *map(
        opaque, [None, 5, {}, {"a": 1}, "20", [20], [None], [["20"]], [""], ["a b"], ["\r\nX: y"], ["x" * 513], ["é"]]
    ),
]
NO_OFFSETS = [opaque([text]) for text in ("-1", "1e3", "1_000", "١٢", "9" * 7, "20.0", "abc", "99999999")] + [
    opaque(["20", "40"])
]


class Asker:
    """Somebody who is signed in and asks for JSON."""

    def __init__(self, host: Host, browser: Browser) -> None:
        self._port = host.port
        self._headers = ("Accept: application/json", f"Cookie: gatehouse-session={browser.session_cookie}")

    def ask(self, page: Page, query: str) -> raw_http.Reply:
        return raw_http.send(self._port, page.method, f"{page.path}?{query}", *self._headers)

    def refused(self, page: Page, query: str) -> dict:
        """The problem document of the refusal."""
        reply = self.ask(page, query)
        assert reply.status == 400, (page.name, query[:80], reply.status)
        assert reply.header("content-type").startswith("application/problem+json"), (page.name, query[:80])
        problem = json.loads(reply.body)
        assert problem["status"] == 400
        assert problem["detail"]
        return problem


@pytest.fixture(scope="module")
def asker(counted: Host, ada: Browser) -> Asker:
    return Asker(counted, ada)


def of_name(pair: tuple) -> str:
    page, parameter = pair
    return f"{page.name}-{parameter.name}"


@pytest.mark.acceptance("D3")
@pytest.mark.parametrize("pair", WITH_NUMBERS, ids=of_name)
def test_a_number_is_in_ascii_digits_and_in_range(asker: Asker, untouched: Untouched, pair, evidence: Report) -> None:
    """The reason names the parameter and the range."""
    page, parameter = pair
    with untouched():
        for text in NO_NUMBERS:
            problem = asker.refused(page, f"{parameter.name}={text}")
            assert problem["parameter"] == parameter.name, text[:40]
            assert f"“{parameter.name}”" in problem["detail"]
            assert str(parameter.schema["maximum"]) in problem["detail"]
    evidence(cases=len(NO_NUMBERS))


@pytest.mark.acceptance("D3")
@pytest.mark.parametrize("page", STRICT, ids=lambda page: page.name)
def test_no_page_takes_a_parameter_that_it_did_not_declare(
    asker: Asker, untouched: Untouched, page: Page, evidence: Report
) -> None:
    """Also one of another page, in another case or script; the reason tells which there are."""
    known = [parameter.name for parameter in page.route.query]
    queries = [query for query in UNKNOWN if query.partition("=")[0] not in known]
    with untouched():
        for query in queries:
            detail = asker.refused(page, query)["detail"]
            assert detail.startswith("This address takes ")
            assert all(f"“{name}”" in detail for name in known)
            assert detail.isprintable(), query
    evidence(cases=len(queries))


@pytest.mark.acceptance("D3")
@pytest.mark.parametrize("page", STRICT, ids=lambda page: page.name)
def test_a_parameter_comes_once_and_a_thousand_never(
    asker: Asker, untouched: Untouched, page: Page, evidence: Report
) -> None:
    """Whether the values agree or not, and however the name is encoded."""
    queries = ["&".join(f"p{n}" for n in range(700)), "&".join(["x"] * 1000), "&".join(["a=1"] * 1000)]
    for parameter in page.route.query:
        one = f"{parameter.name}=1" if parameter.name != "continuation" else "continuation=W10"
        queries += [f"{one}&{one}", f"{one}&%{ord(one[0]):02x}{one[1:]}", f"{one}&&{one}", "&".join([one] * 100)]
    with untouched():
        for query in queries:
            assert asker.refused(page, query)["parameter"] in [it.name for it in page.route.query] + ["p0", "x", "a"]
    evidence(cases=len(queries))


@pytest.mark.acceptance("D3")
@pytest.mark.parametrize("page", STRICT, ids=lambda page: page.name)
def test_broken_encoding_is_no_parameter(asker: Asker, untouched: Untouched, page: Page, evidence: Report) -> None:
    with untouched():
        for query in BROKEN:
            asker.refused(page, query)
    evidence(cases=len(BROKEN))


@pytest.mark.acceptance("D3")
@pytest.mark.parametrize("page", WITH_CONTINUATION, ids=lambda page: page.name)
def test_a_continuation_is_one_that_this_list_could_have_given(
    asker: Asker, untouched: Untouched, page: Page, evidence: Report
) -> None:
    """Bounded, decoded and checked before any call; the reason says where to start again."""
    by_offset = page.name in ("work_items", "repos")
    values = NEVER_GIVEN + (NO_OFFSETS if by_offset else [])
    with untouched():
        for text in values:
            problem = asker.refused(page, f"continuation={text}")
            assert problem["parameter"] == "continuation"
            assert "first page" in problem["detail"]
    evidence(cases=len(values))


def good_queries() -> Iterator[tuple[Page, str]]:
    for page in WITH_CONTINUATION:
        for query in ("", "top=1", "top=200", "continuation=W10", "%74op=%35&continuation=W10", "&top=5&"):
            yield page, query


def test_good_parameters_are_answered_by_azure_devops(asker: Asker, simulator: Simulator) -> None:
    """Else everything above could pass on a site that refuses all."""
    for page, query in good_queries():
        simulator.clear_calls()
        assert asker.ask(page, query).status == 200, (page.name, query)
        assert simulator.calls() != []
