"""A form counts when it comes from a page of ours and carries the token of its session (acceptance C2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Forbidden
from shared.models.custody import new_secret
from shared.web import csrf
from shared.web.requests import Request

ORIGIN = "https://gatehouse.test"
SECRET = "s" * 43
TOKEN = csrf.token(SECRET)


def post(**headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", "/auth/logout", "", named, b"")


OURS = [
    {"sec_fetch_site": "same-origin"},
    {"sec_fetch_site": "none"},
    {"sec_fetch_site": "same-origin", "origin": "null"},
    {"origin": ORIGIN},
    {"origin": ORIGIN, "referer": "https://evil.example/"},
    {"referer": ORIGIN + "/account?x=1"},
    {"referer": ORIGIN},
]

FOREIGN = [
    {},
    {"sec_fetch_site": ""},
    {"sec_fetch_site": "same-site"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "Same-Origin"},
    {"sec_fetch_site": "same-origin,cross-site"},
    {"sec_fetch_site": "cross-site", "origin": ORIGIN},
    {"origin": ""},
    {"origin": "null"},
    {"origin": "null", "referer": ORIGIN},
    {"origin": "https://evil.example"},
    {"origin": "http://gatehouse.test"},
    {"origin": ORIGIN + ":444"},
    {"origin": ORIGIN + "/"},
    {"origin": ORIGIN + ".evil.example"},
    {"origin": f"{ORIGIN},{ORIGIN}"},
    {"referer": ""},
    {"referer": "https://evil.example/https://gatehouse.test/"},
    {"referer": "https://gatehouse.test@evil.example/"},
    {"referer": "https://evil.example@gatehouse.test/"},
    {"referer": "https://gatehouse.test.evil.example/"},
    {"referer": "http://gatehouse.test/"},
    {"referer": "/account"},
    {"referer": "https://[gatehouse.test/"},
    {"referer": "https://gatehouse.test\\@evil.example/"},
]


@pytest.mark.parametrize("headers", OURS, ids=str)
def test_a_page_of_ours_is_known_by_fetch_metadata_else_by_origin_else_by_referer(headers):
    csrf.check_origin(post(**headers), ORIGIN)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_every_other_page_is_refused(headers):
    with pytest.raises(Forbidden):
        csrf.check_origin(post(**headers), ORIGIN)


def test_the_token_of_this_session_is_taken():
    csrf.check_token(TOKEN, SECRET)


@pytest.mark.parametrize(
    "given_token",
    [None, "", "x", TOKEN[:-1], TOKEN + "=", TOKEN.swapcase(), " " + TOKEN, SECRET, "é" * 43, csrf.token(new_secret())],
    ids=range(10),
)
def test_every_other_token_is_refused(given_token):
    with pytest.raises(Forbidden):
        csrf.check_token(given_token, SECRET)


def test_the_token_tells_nothing_of_the_secret_and_is_the_session_s_own():
    tokens = {csrf.token(new_secret()) for _ in range(100)}
    assert len(tokens) == 100
    assert csrf.token(SECRET) == TOKEN
    assert SECRET not in TOKEN
    assert len(TOKEN) == 43


@given(st.text())
def test_no_origin_or_referer_makes_the_check_fail_otherwise_than_by_yes_or_no(text):
    for name in ("origin", "referer", "sec_fetch_site"):
        assert csrf.from_our_pages(post(**{name: text}), ORIGIN) in (True, False)
