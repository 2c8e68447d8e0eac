from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.web import formats


@pytest.mark.parametrize(
    "url",
    [
        "https://dev.azure.com",
        "https://dev.azure.com/a%20b/_git/x?y=1#z",
        "http://127.0.0.1:9700/a",
        "http://localhost/",
        "mailto:help+gate@contoso.example",
    ],
)
def test_configured_links_lead_out_by_https_to_loopback_or_to_a_mailbox(url):
    assert formats.is_external(url)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example",
        "/local",
        "http://dev.azure.com/",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "https://dev.azure.com@evil.example/",
        "https://user:password@dev.azure.com/",
        "https:evil.example",
        "https:///evil.example",
        "https://dev.azure.com\\@evil.example/",
        "https://dev.azure.com/ x",
        "https://dev.azure.com/\n",
        "https://dév.azure.com/",
        "https://dev.azure.com:port/",
        "\x01https://dev.azure.com/",
        "mailto:",
        "mailto:a@b?subject=x",
        "mailto:javascript:alert(1)",
    ],
)
def test_no_other_link_leads_out(url):
    assert not formats.is_external(url)


@pytest.mark.parametrize("path", ["/", "/dashboard", "/org/a/projects?top=5&continuation=x", "/a//b", "/a%20b", "/?a"])
def test_a_local_path_has_one_leading_slash(path):
    assert formats.is_local(path)


@pytest.mark.parametrize(
    "path",
    [None, "", "a", "//evil.example", "/\\evil.example", "\\/x", "/a\\b", "/ a", "/a\n", "/\t/evil", "/é", "http:/x"],
)
def test_nothing_else_is_local(path):
    assert not formats.is_local(path)


def test_times_read_in_utc_whatever_their_zone():
    value = datetime(2026, 1, 1, 0, 30, 5, tzinfo=timezone(timedelta(hours=2)))

    assert formats.moment(value) == "31 Dec 2025, 22:30 UTC"
    assert formats.machine_time(value) == "2025-12-31T22:30:05Z"
    assert formats.moment(datetime(2026, 11, 4, 5, 6, tzinfo=UTC)) == "4 Nov 2026, 05:06 UTC"


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1536, "1.5 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (22_000_000, "22 MB"),
        (2**31 + 1, "2.1 GB"),
        (5 * 10**12, "5.0 TB"),
        (3 * 10**18, "3000 PB"),
    ],
)
def test_sizes_read_in_decimal_units(size_bytes, text):
    assert formats.size(size_bytes) == text


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("refs/heads/main", "main"),
        ("refs/pull/7/merge", "refs/pull/7/merge"),
        ("main", "main"),
        (None, None),
        ("", None),
    ],
)
def test_a_branch_loses_only_the_prefix_of_heads(ref, name):
    assert formats.branch(ref) == name


@pytest.mark.parametrize(
    ("state", "words", "tone"),
    [
        ("partiallySucceeded", "partially succeeded", "warn"),
        ("inProgress", "in progress", "busy"),
        ("Active", "active", "busy"),
        ("failed", "failed", "bad"),
        ("Closed", "closed", "good"),
        ("New", "new", "fresh"),
        ("Awaiting review", "awaiting review", "quiet"),
        ("In Progress", "in progress", "busy"),
    ],
)
def test_a_state_reads_as_words_and_has_a_tone(state, words, tone):
    assert (formats.words(state), formats.tone(state)) == (words, tone)
