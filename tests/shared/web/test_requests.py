"""A request is read as it came: exact paths, one decoding, limits before any work (acceptance D1, D5)."""

from urllib.parse import quote, urlencode, urljoin, urlsplit

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadRequest, Forbidden, MethodNotAllowed, NotFound, TooLarge
from shared.web import requests
from shared.web.requests import Request, Route

ORIGIN = "https://gatehouse.test"
BUILDS = Route("org/{org}/project/{project}/builds", ("GET", "HEAD"))
LOGIN = Route("auth/login/{provider?}", ("GET",))
HOME = Route("/", ("GET",))
STATIC = Route("static/{digest}/{file}", ("GET",))


def request(path="/", query="", method="GET", headers=None, body=b""):
    return Request(method, path, query, headers or {}, body)


def form(body, content_type="application/x-www-form-urlencoded"):
    headers = {} if content_type is None else {"content-type": content_type}
    return request(method="POST", headers=headers, body=body)


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        ("http://h:1/a/../b%2Fc?x=%41&&y", "/a/../b%2Fc", "x=%41&&y"),
        ("https://h", "/", ""),
        ("https://h/", "/", ""),
        ("https://h/?", "/", ""),
        ("https://h//evil.example/", "//evil.example/", ""),
        ("https://h/a?b?c", "/a", "b?c"),
        ("https://h/a?b#c", "/a", "b"),
        ("https://h/http://x/?q", "/http://x/", "q"),
    ],
)
def test_path_and_query_are_taken_from_the_url_byte_for_byte(url, path, query):
    read = requests.read(func.HttpRequest(method="get", url=url, headers={"X-Name": "v"}, body=b"b"))
    assert read == Request("GET", path, query, {"x-name": "v"}, b"b")


@pytest.mark.parametrize(
    ("route", "path", "found"),
    [
        (BUILDS, "/org/fab/project/Tools%20(new)!/builds", {"org": "fab", "project": "Tools (new)!"}),
        (BUILDS, "/org/a%2Fb/project/%2e%2E/builds", {"org": "a/b", "project": ".."}),
        (BUILDS, "/org/a%252Fb/project/x/builds", {"org": "a%2Fb", "project": "x"}),
        (LOGIN, "/auth/login", {}),
        (LOGIN, "/auth/login/entra", {"provider": "entra"}),
        (HOME, "/", {}),
        (Route("{*path}", ()), "/what/ever", {}),
    ],
)
def test_a_canonical_path_gives_its_parameters_each_decoded_once(route, path, found):
    assert route.match(path) == found


@pytest.mark.parametrize(
    ("route", "path"),
    [
        (BUILDS, "/Org/fab/project/x/builds"),
        (BUILDS, "/org/fab/project/x/builds/"),
        (BUILDS, "/org/fab/project/x/build%73"),
        (BUILDS, "//org/fab/project/x/builds"),
        (BUILDS, "/org//project/x/builds"),
        (BUILDS, "/org/fab/project/x/y/builds"),
        (BUILDS, "/org/fab/project/builds"),
        (BUILDS, "/org/fab/project/x/builds;v=1"),
        (BUILDS, "/org/./fab/project/x/builds"),
        (LOGIN, "/auth/login/"),
        (LOGIN, "/auth/login/entra/"),
        (LOGIN, "/auth/LOGIN"),
        (HOME, "//"),
        (HOME, "/."),
        (HOME, "/%2e"),
        (HOME, "/index.html"),
        (STATIC, "/static/0123/../0123/style.css"),
    ],
)
def test_a_path_that_the_host_would_fold_into_the_route_is_not_found(route, path):
    with pytest.raises(NotFound):
        route.match(path)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(min_size=1, alphabet="ab/%. é\0"))
def test_whatever_a_parameter_is_it_comes_back_as_it_was_encoded(org, project):
    path = f"/org/{quote(org, safe='')}/project/{quote(project, safe='')}/builds"
    assert BUILDS.match(path) == {"org": org, "project": project}


@given(st.text(st.characters(max_codepoint=0x2FF)))
def test_no_path_has_more_parameters_than_segments_or_fails_otherwise_than_by_400_or_404(path):
    try:
        found = BUILDS.match(path)
    except (NotFound, BadRequest):
        return
    assert path.count("/") == 5
    assert set(found) == {"org", "project"}


LIMITS = [
    ("path", requests.MAX_PATH, lambda size: request(path="/" + "a" * (size - 1)), 414),
    ("query", requests.MAX_QUERY, lambda size: request(query="a" * size), 414),
    ("body", requests.MAX_BODY, lambda size: request(body=b"a" * size), 413),
    ("headers", requests.MAX_HEADERS, lambda size: request(headers={"x": "a" * (size - 5)}), 431),
]


@pytest.mark.parametrize(("part", "limit", "build", "status"), LIMITS, ids=[case[0] for case in LIMITS])
def test_each_part_of_a_request_has_its_limit_and_its_status(part, limit, build, status):
    anything = Route("{*path}", ())
    for size in (limit - 1, limit):
        assert requests.check(build(size), anything) == {}
    for size in (limit + 1, 4 * limit):
        with pytest.raises(TooLarge) as refused:
            requests.check(build(size), anything)
        assert refused.value.status == status


def test_a_route_may_take_a_longer_query():
    requests.check(request(query="a" * 5000), Route("/", ("GET",), max_query=5000))


def test_limits_come_before_the_path_and_the_path_before_the_method():
    with pytest.raises(TooLarge):
        requests.check(request("/nowhere", query="a" * 5000, method="PUT"), BUILDS)
    with pytest.raises(NotFound):
        requests.check(request("/nowhere", method="PUT"), BUILDS)


def test_a_method_that_the_page_does_not_take_is_told_which_it_takes():
    with pytest.raises(MethodNotAllowed) as refused:
        requests.check(request("/org/a/project/b/builds", method="PUT"), BUILDS)
    assert refused.value.allowed == ("GET", "HEAD")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", []),
        ("a", [("a", "")]),
        ("a=", [("a", "")]),
        ("=b", [("", "b")]),
        ("a=b=c", [("a", "b=c")]),
        ("&&a=1&", [("a", "1")]),
        ("a=1&a=2", [("a", "1"), ("a", "2")]),
        ("a+b=c+d%2B", [("a b", "c d+")]),
        ("n=%C3%A9", [("n", "é")]),
        ("n=%2541", [("n", "%41")]),
        ("a;b=1", [("a;b", "1")]),
    ],
)
def test_a_form_is_taken_apart_as_browsers_put_it_together(text, pairs):
    assert requests.parse_form(text) == pairs


@given(st.lists(st.tuples(st.text(), st.text()), max_size=requests.MAX_PARAMETERS))
def test_what_was_urlencoded_comes_back(pairs):
    try:
        text = urlencode(pairs)
    except UnicodeEncodeError:
        return
    assert requests.parse_form(text) == pairs


@pytest.mark.parametrize("text", ["%", "a=%2", "a=%zz", "%u0041=1", "a=%ff", "a=%C0%AF", "a=%ED%A0%80", "a=é", "a=%٢٢"])
def test_a_broken_escape_or_broken_utf8_is_refused(text):
    with pytest.raises(BadRequest):
        requests.parse_form(text)


def test_more_than_fifty_parameters_are_refused():
    assert len(requests.parse_form("&".join(["a"] * 50))) == 50
    with pytest.raises(BadRequest):
        requests.parse_form("&".join(["a"] * 51))


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLEncoded ; charset=UTF-8",
    ],
)
def test_a_form_has_the_type_of_forms(content_type):
    assert requests.form(form(b"a=1&b=%C3%A9", content_type)) == {"a": "1", "b": "é"}


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain; application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded, text/plain",
    ],
)
def test_a_body_of_any_other_type_is_forbidden(content_type):
    with pytest.raises(Forbidden):
        requests.form(form(b"a=1", content_type))


@pytest.mark.parametrize("body", [b"a=1&a=2", b"a=\xc3\xa9", b"a=%", b"\xff"])
def test_a_malformed_form_is_refused(body):
    with pytest.raises(BadRequest):
        requests.form(form(body))


@pytest.mark.parametrize("path", ["/", "/dashboard", "/org/a/project/b%20c/builds?top=5&x", "/a//b", "/@evil", "/a:b"])
def test_a_path_of_this_site_is_kept(path):
    assert requests.local_path(path, "/other") == path


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "dashboard",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "/a\\b",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/é",
        "/a b",
        "/a\r\nSet-Cookie: x",
        "/" + "a" * 1000,
        "/\u2215evil.example",
        "@evil.example",
    ],
)
def test_anything_else_is_not_where_a_sign_in_leads(text):
    assert requests.local_path(text, "/other") == "/other"


@given(st.text() | st.text(alphabet="/\\.@:?#%\t\n ehttps", max_size=12).map(lambda text: "/" + text))
def test_whatever_is_wanted_the_browser_stays_at_this_origin_and_gets_one_clean_line(text):
    path = requests.local_path(text, "/")
    assert path.isascii()
    assert path.isprintable()
    assert "\\" not in path
    parts = urlsplit(urljoin(ORIGIN + "/auth/callback", path))
    assert f"{parts.scheme}://{parts.netloc}" == ORIGIN
