"""`openapi.json` of a running site, and that it speaks of exactly what answers as data."""

import json

import pytest

from tests import raw_http
from tests.route_table import Page, pages
from tests.site import Browser, Host

DATA = ("application/json", "text/plain")


@pytest.fixture(scope="module")
def ada(host: Host) -> Browser:
    browser = Browser(host.url)
    browser.sign_in("ada")
    browser.sign_out()  # leaves a receipt
    browser.sign_in("ada")
    return browser


@pytest.fixture(scope="module")
def document(host: Host) -> dict:
    return json.loads(raw_http.send(host.port, "GET", "/openapi.json").body)


def test_everybody_may_read_it_and_nobody_keeps_it(host: Host) -> None:
    reply = raw_http.send(host.port, "GET", "/openapi.json")
    assert (reply.status, reply.header("content-type")) == (200, "application/json; charset=utf-8")
    assert reply.header("cache-control") == "no-store"
    assert reply.all("set-cookie") == []


def test_it_names_this_site_and_the_cookies_that_this_site_sets(host: Host, ada: Browser, document: dict) -> None:
    assert document["servers"] == [{"url": host.url}]
    schemes = document["components"]["securitySchemes"]
    assert sorted(schemes) == ["receipt", "session"]
    assert {it["name"] for it in schemes.values()} <= set(ada.http.cookies.keys())


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_page_that_answers_with_data_is_in_the_contract_and_no_other(
    host: Host, ada: Browser, document: dict, page: Page
) -> None:
    """Signed in and asked for JSON; sign-out is a form, and asking it would end the session."""
    method = "GET" if "GET" in page.route.methods else page.method
    cookie = "Cookie: " + "; ".join(f"{it.name}={it.value}" for it in ada.http.cookies)
    reply = raw_http.send(host.port, method, page.path, "Accept: application/json", cookie)
    answers_data = reply.status == 200 and reply.header("content-type").partition(";")[0] in DATA
    assert (f"/{page.route.template.strip('/')}" in document["paths"]) == answers_data
