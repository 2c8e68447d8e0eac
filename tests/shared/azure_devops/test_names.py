"""Names are Azure DevOps' own (acceptance D1, D2): what it could not have made is refused before any call."""

from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure_devops import links, names
from shared.azure_devops.client import ApiRequest
from shared.errors import BadRequest

DOT_SEGMENTS = [".", "..", "../x", "x/..", "./x"]
SEPARATORS = ["a/b", "a\\b", "a%2fb", "a;b", "a?b", "a#b", "a@b", "a:b", "//evil.example", "https://evil.example"]
CONTROLS = ["a\0", "a\r\nX: y", "a\tb", "\x7f", "a\x85b", "\x1b[2J"]
BEYOND = ["\ud800", "a\udfff", "😀", "a𝒳"]
NOT_ASCII = ["ünï", "ａｂｃ", "a\u200bb", "\u202eorg", "İ", "١٢", "ﬁ"]

GOOD_PROJECTS = [
    "Tools (new)!",
    "a.b-c_d",
    "Ünïcode プロジェクト",
    "two  spaces",
    "a..b",
    "cafe\u0301",
    "caf\u00e9",
    "full／width",
    "☃",
    "web.config",
    "CON",
    "0f8fad5b-d9cb-469f-a165-70867728950e",
    "x" * 64,
    "プ" * 64,
]

project_names = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=70)
anything = st.text(st.characters(), max_size=70)


@pytest.mark.parametrize("name", ["a", "A1", "my-org", "v-anvashist0376", "a" + "-" * 48 + "b"])
def test_a_good_organization_is_taken_as_it_is(name):
    assert names.organization(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *DOT_SEGMENTS,
        *SEPARATORS,
        *CONTROLS,
        *BEYOND,
        *NOT_ASCII,
        "",
        " ",
        "-a",
        "a-",
        "a_b",
        "a b",
        "a.b",
        "a" * 51,
        "a\n",
    ],
)
def test_an_organization_that_could_not_exist_is_refused(name):
    with pytest.raises(BadRequest):
        names.organization(name)


@pytest.mark.parametrize("name", GOOD_PROJECTS)
def test_a_good_project_is_taken_as_it_is(name):
    assert names.project(name) == name


@pytest.mark.parametrize(
    "name",
    [*DOT_SEGMENTS, *SEPARATORS, *CONTROLS, *BEYOND, "", "_a", ".a", "a.", "x" * 65, "O'Brien", 'a"b']
    + [f"a{character}b" for character in "/:\\~&%;@'\"?<>|#$*}{,+=[]"],
)
def test_a_project_that_could_not_exist_is_refused(name):
    with pytest.raises(BadRequest):
        names.project(name)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("abc", "abc"),
        ("a%20b", "a b"),
        ("%C3%9C", "Ü"),
        ("a%252Fb", "a%2Fb"),
        ("a%2Fb", "a/b"),
        ("a+b", "a+b"),
        ("", ""),
    ],
)
def test_a_segment_is_decoded_exactly_once(raw, text):
    assert names.decode_segment(raw) == text


@pytest.mark.parametrize(
    "raw",
    [
        "%",
        "%2",
        "a%zz",
        "%%41",
        "%C0%AF",
        "%E0%80%AF",
        "%FF",
        "%ED%A0%80",
        "%F4%90%80%80",
        "ü",
        "a b",
        "a\n",
        "\x7f",
        "%٢٢",
    ],
)
def test_a_segment_with_broken_percent_or_utf8_is_refused(raw):
    with pytest.raises(BadRequest):
        names.decode_segment(raw)


HOSTILE = [*DOT_SEGMENTS, *SEPARATORS, *CONTROLS, "%2e%2e", "%2f", "%00", "%u002f", "😀\0"]


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("rule", [names.organization, names.project], ids=["organization", "project"])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_segment_encoded_any_number_of_times_is_refused(text, rule, times):
    raw = text
    for _ in range(times):
        raw = quote(raw, safe="")
    with pytest.raises(BadRequest):
        rule(names.decode_segment(raw))


@given(project_names)
def test_a_legal_name_survives_the_address(name):
    if names.is_project(name):
        assert names.decode_segment(quote(name, safe="")) == name
        assert names.project(name) == name


@given(anything)
def test_the_two_questions_agree(name):
    for rule, question in ((names.organization, names.is_organization), (names.project, names.is_project)):
        try:
            rule(name)
        except BadRequest:
            assert not question(name)
        else:
            assert question(name)


tricky = st.text(st.sampled_from("/\\.%2fF?#;@:& ü") | st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(tricky, min_size=1, max_size=4))
def test_no_upstream_path_has_more_or_other_segments_than_meant(segments):
    request = ApiRequest(segments=("org", *segments, "_apis"), scope="")
    try:
        path = urlsplit("https://host.example" + request.target()).path
    except BadRequest:
        assert not {"", ".", ".."}.isdisjoint(segments)
        return
    assert [names.decode_segment(raw) for raw in path.split("/")] == ["", "org", *segments, "_apis"]


@given(project_names)
def test_a_local_link_to_a_legal_name_is_ascii_and_one_segment(name):
    if names.is_project(name):
        path = links.path("org", "o", "project", name, "builds")
        assert path.isascii()
        assert path.count("/") == 5
