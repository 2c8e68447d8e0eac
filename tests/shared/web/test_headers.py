import re

import pytest

from shared.web.headers import security_headers

HTTPS = security_headers("https://gate.example")
LOOPBACK = security_headers("http://localhost:7071")


def directives(headers):
    parts = (part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    return {name: value[0] if value else "" for name, *value in parts}


@pytest.mark.parametrize("headers", [HTTPS, LOOPBACK])
@pytest.mark.parametrize("name", ["default-src", "object-src", "base-uri", "frame-ancestors"])
def test_nothing_is_allowed_that_no_page_needs(headers, name):
    assert directives(headers)[name] == "'none'"


@pytest.mark.parametrize("headers", [HTTPS, LOOPBACK])
def test_no_source_is_another_origin_inline_or_a_scheme(headers):
    assert set(directives(headers).values()) <= {"'none'", "'self'", ""}


def test_only_an_https_origin_upgrades_requests():
    assert "upgrade-insecure-requests" in directives(HTTPS)
    assert "upgrade-insecure-requests" not in directives(LOOPBACK)


def test_https_is_kept_for_a_year_or_more_with_subdomains():
    seconds = int(re.fullmatch(r"max-age=(\d+); includeSubDomains", HTTPS["Strict-Transport-Security"])[1])

    assert seconds >= 31536000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ],
)
def test_the_browser_isolates_our_pages(name, value):
    assert HTTPS[name] == LOOPBACK[name] == value
