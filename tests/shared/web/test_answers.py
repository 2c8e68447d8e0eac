import pytest

from shared.web.answers import Answer, plain, redirect, to_response
from shared.web.headers import security_headers

SECURITY = security_headers("https://gate.example")


def test_both_cookies_reach_the_response():
    answer = redirect("/").with_cookies("a=1; Path=/").with_cookies("b=2; Path=/")

    assert to_response(answer, SECURITY).headers.get_all("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/"]


@pytest.mark.parametrize("answer", [plain("ok"), redirect("/dashboard"), Answer(404), Answer(500, b"x")])
def test_every_answer_but_an_asset_is_not_stored_and_carries_the_security_headers(answer):
    headers = to_response(answer, SECURITY).headers

    assert headers["Cache-Control"] == "no-store"
    assert {name: headers[name] for name in SECURITY} == dict(SECURITY)


def test_a_handler_cannot_weaken_caching_or_security():
    weak = {"Cache-Control": "public", "Content-Security-Policy": "default-src *"}
    headers = to_response(plain("ok").with_headers(weak), SECURITY).headers

    assert headers.get_all("Cache-Control") == ["no-store"]
    assert headers.get_all("Content-Security-Policy") == [SECURITY["Content-Security-Policy"]]


def test_a_handler_cannot_weaken_them_in_another_case_either():
    headers = to_response(plain("ok").with_headers({"cache-control": "public"}), SECURITY).headers

    assert headers.get_all("Cache-Control") == ["no-store"]


def test_an_asset_keeps_its_own_caching():
    asset = Answer(200, b"x", "text/css", {"Cache-Control": "public, immutable"}, cacheable=True)

    assert to_response(asset, SECURITY).headers.get_all("Cache-Control") == ["public, immutable"]


def test_a_redirect_is_a_303_with_its_location():
    response = to_response(redirect("/dashboard?top=5"), SECURITY)

    assert (response.status_code, response.headers["Location"]) == (303, "/dashboard?top=5")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_header_set_again_is_replaced_whatever_its_case():
    answer = plain("ok").with_headers({"Vary": "Accept"}).with_headers({"vary": "Accept, Cookie"})

    assert dict(answer.headers) == {"vary": "Accept, Cookie"}


def test_an_answer_to_head_keeps_everything_but_the_body():
    answer = plain("ok").with_headers({"Vary": "Cookie"})

    assert answer.without_body() == Answer(200, b"", answer.content_type, answer.headers)


def test_an_answer_is_never_changed_in_place():
    answer = plain("ok")
    answer.with_cookies("a=1")
    answer.with_headers({"Vary": "Cookie"})

    assert answer == plain("ok")


@pytest.mark.parametrize("location", ["/x\r\nSet-Cookie: a=1", "/x\n", "/\x00", "/é"])
def test_a_location_that_would_split_the_header_is_refused(location):
    with pytest.raises(ValueError, match="location"):
        redirect(location)
