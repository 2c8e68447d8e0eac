import pytest

from shared.web.negotiation import Wants, wants

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "application/problem+json",
        "application/vnd.example+json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "application/json, text/plain, */*;q=0.5",
        "application/json;q=0.5, text/html;q=0.4",
        "application/json;q=0.9, text/*;q=0.8",
        "text/html;q=0, application/json",
        "text/html;q=0.1, */*, application/json;q=0.3",
        " application/json ; q = 1.000 ",
        "application/json;q=0.001",
        "nonsense, application/json",
        "application/json, */*",
        "application/json, text/plain, */*",
        "*/*;q=0.8, application/json;q=0.8",
        "application/json, text/html;q=2",
    ],
)
def test_json_is_served_when_it_is_preferred(accept):
    assert wants(accept) is Wants.JSON


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/*",
        "text/html",
        CHROME,
        "text/html, application/json",
        "application/json;q=0.7, */*;q=0.8",
        "application/json, text/*",
        "application/json, text/html, */*",
        "application/json;q=0.3, text/html;q=0.4",
        "application/json;q=0",
        "application/json;q=0, text/html;q=0",
        "application/json;q=1.5",
        "application/json;q=-1",
        "application/json;q=١",
        "application/json;q=nan",
        "application/json;q=",
        "application/jsonp",
        "text/json",
        "json",
        ";;;,,,===",
        "\x00\xff",
        "application/json" + " " * 2000,
        "application/json," * 100,
    ],
)
def test_html_is_served_when_accept_is_absent_undecided_garbage_or_over_long(accept):
    assert wants(accept) is Wants.HTML
