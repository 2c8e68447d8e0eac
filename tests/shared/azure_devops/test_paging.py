import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure_devops import paging
from shared.errors import AzureDevOpsError, BadRequest

tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "continuation",
    [
        "",
        "=",
        "A",
        "W10=",
        "W10 ",
        "!!!!",
        "W١0",
        "a" * 2049,
        encoded({}),
        encoded([1]),
        encoded([None]),
        encoded(["a", ["b"]]),
        encoded([""]),
        encoded(["a b"]),
        encoded(["a\r\nX: y"]),
        encoded(["ü"]),
        encoded(["x" * 513]),
        base64.urlsafe_b64encode(b'["a').decode().rstrip("="),
        base64.urlsafe_b64encode(b'["\xff"]').decode().rstrip("="),
    ],
)
def test_a_continuation_that_we_never_gave_is_refused(continuation):
    with pytest.raises(BadRequest):
        paging.parse_tokens(continuation)
    with pytest.raises(BadRequest):
        paging.parse_offset(continuation, 100)


@pytest.mark.parametrize("offset", [["100"], ["-1"], ["1.5"], ["٣"], ["1", "2"], ["9999999"], [" 1"]])
def test_an_offset_beyond_the_list_or_no_number_is_refused(offset):
    with pytest.raises(BadRequest):
        paging.parse_offset(encoded(offset), 100)


@given(st.text(max_size=60))
def test_any_text_is_a_continuation_or_refused(text):
    try:
        found = paging.parse_tokens(text)
    except BadRequest:
        return
    assert all(token.isascii() and token.isprintable() for token in found)


@given(st.lists(tokens, min_size=1, max_size=15))
def test_going_on_and_back_passes_the_same_pages(upstream_tokens):
    reached = []
    for number, following in enumerate(upstream_tokens):
        page = paging.token_page([], reached, following)
        assert paging.parse_tokens(page.prev_continuation) == upstream_tokens[: max(0, number - 1)]
        reached = paging.parse_tokens(page.next_continuation)
        assert reached == upstream_tokens[: number + 1]


def test_the_first_page_has_no_previous_and_the_last_no_next_one():
    assert paging.token_page([], [], None) == paging.Page([])
    assert paging.offset_page([], 0, 20, more=False) == paging.Page([])


@pytest.mark.parametrize("size", [5, 28, 512])
def test_a_long_way_forgets_its_oldest_pages_and_stays_short(size):
    given = [str(number).rjust(size, "t") for number in range(300)]
    reached = []
    for following in given:
        continuation = paging.token_page([], reached, following).next_continuation
        assert len(continuation) <= paging.MAX_CONTINUATION
        reached = paging.parse_tokens(continuation)
    assert len(reached) >= 2
    assert reached == given[-len(reached) :]


@pytest.mark.parametrize("following", ["x" * 513, "a b", "ü", "a\tb"])
def test_an_upstream_token_that_we_could_not_send_back_is_an_error(following):
    with pytest.raises(AzureDevOpsError):
        paging.token_page([], [], following)


@given(st.integers(0, 5000), st.integers(1, 200))
def test_offsets_go_on_and_back(offset, top):
    page = paging.offset_page([], offset, top, more=True)
    assert paging.parse_offset(page.next_continuation, 100_000) == offset + top
    assert paging.parse_offset(page.prev_continuation, 100_000) == max(0, offset - top)
    assert (page.prev_continuation is None) == (offset == 0)
