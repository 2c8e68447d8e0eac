"""What a page takes in its query is declared once; everything else is refused by name (acceptance D3)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure_devops.paging import parse_tokens
from shared.errors import BadParameter, BadRequest
from shared.web import queries
from shared.web.queries import CONTINUATION, TOP

LIST = queries.paged(parse_tokens)
FIRST_PAGE = "W10"
"""The continuation `[]`."""


def refusal(text, declared=LIST):
    with pytest.raises(BadParameter) as refused:
        queries.read(text, declared)
    return refused.value


@pytest.mark.parametrize(
    ("text", "top", "continuation"),
    [
        ("", 20, ""),
        ("top=1", 1, ""),
        ("top=200", 200, ""),
        ("top=007", 7, ""),
        ("t%6Fp=%35", 5, ""),
        (f"continuation={FIRST_PAGE}&top=5", 5, FIRST_PAGE),
        ("&&top=5&", 5, ""),
    ],
)
def test_what_is_given_is_read_and_what_is_not_has_its_default(text, top, continuation):
    query = queries.read(text, LIST)
    assert (query.value(TOP), query.value(CONTINUATION)) == (top, continuation)


TOPS = ["", "0", "000", "201", "999", "0020", "-1", "%2B1", "+1", "1+", "1%0A", "1_0", "1_000", "1.0", "1e2", "1e9"]
TOPS += ["NaN", "Infinity", "0x1", "0b1", "%D9%A1%D9%A2", "%C2%B2", "%EF%BC%91", "twenty", "1,0", "1%00"]


@pytest.mark.parametrize("text", TOPS)
def test_any_other_top_is_refused_by_its_name_with_what_is_allowed(text):
    error = refusal(f"top={text}")
    assert (error.status, error.parameter) == (400, "top")
    assert "from 1 to 200" in error.advice


@given(st.text(max_size=6))
def test_a_number_is_in_range_and_of_ascii_digits_or_refused(text):
    try:
        top = TOP.read(text)
    except ValueError:
        return
    assert 1 <= top <= 200
    assert text.isascii()
    assert int(text) == top


@pytest.mark.parametrize(
    "text", ["", "!", "a", "A" * 2049, "bnVsbA", "WzFd", "e30", "W1wi", "%C3%A9", "W10%0A", "W10="]
)
def test_a_continuation_that_this_list_never_gave_out_is_refused(text):
    error = refusal(f"continuation={text}")
    assert error.parameter == "continuation"
    assert "first page" in error.advice


@pytest.mark.parametrize(
    "text", ["top=5&top=5", "top=5&t%6Fp=6", f"continuation={FIRST_PAGE}&continuation={FIRST_PAGE}"]
)
def test_a_parameter_is_given_once(text):
    assert "more than once" in refusal(text).advice


@pytest.mark.parametrize(("text", "shown"), [("TOP=5", "TOP"), ("x=1", "x"), ("$top=5", "$top"), ("a[]=1", "a[]")])
def test_an_unknown_parameter_is_named_beside_those_that_are_taken(text, shown):
    error = refusal(text)
    assert error.parameter == shown
    assert "“top” and “continuation”" in error.advice
    assert "no parameters" in refusal(text, ()).advice


@pytest.mark.parametrize("name", ["%0D%0Aevent", "%1B%5B31m", "%3Cscript%3E", "a" * 41, "%E2%80%AE", "", "a+b"])
def test_a_name_that_is_unfit_to_show_is_not_shown(name):
    error = refusal(f"{name}=1")
    assert error.parameter == ""
    assert "another one" in error.advice


def test_a_thousand_parameters_are_refused_at_the_first_wrong_one():
    assert refusal("&".join(f"p{number}=1" for number in range(1000))).parameter == "p0"
    assert refusal("&".join(["top=1"] * 1000)).parameter == "top"


@pytest.mark.parametrize("text", ["top=%", "top=%zz", "top=%ff", "%c0%af=1", "top=é"])
def test_broken_encoding_is_refused(text):
    with pytest.raises(BadRequest):
        queries.read(text, LIST)


def test_a_flag_is_1_or_absent():
    consent = queries.flag("consent")
    assert queries.read("consent=1", [consent]).value(consent) is True
    assert queries.read("", [consent]).value(consent) is False
    for text in ("consent=0", "consent=true", "consent=", "consent"):
        assert refusal(text, [consent]).parameter == "consent"


def test_a_text_has_a_longest_length():
    note = queries.text("note", "at most three characters", longest=3)
    assert queries.read("note=a%0Ab", [note]).value(note) == "a\nb"
    assert refusal("note=abcd", [note]).advice == "“note” is at most three characters."


def test_a_function_that_declares_nothing_at_all_judges_its_query_itself():
    assert queries.read("code=1&code=2&%", None).value(TOP) == 20


@given(st.integers(-10, 1000), st.text(max_size=8))
def test_the_schema_of_a_parameter_says_what_its_check_does(number, text):
    schema = TOP.schema
    assert accepts(TOP, str(number)) is (schema["minimum"] <= number <= schema["maximum"])
    schema = CONTINUATION.schema
    fits = len(text) <= schema["maxLength"] and re.fullmatch(schema["pattern"], text) is not None
    assert accepts(CONTINUATION, text) is (fits and "\n" not in text)


def accepts(parameter, text):
    try:
        parameter.read(text)
    except ValueError:
        return False
    return True
