import codecs
import contextlib
import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure_devops import builds, organizations, projects, repositories, work_items
from shared.azure_devops.body import MAX_BODY, MAX_DEPTH, decode, nests_deeper
from shared.azure_devops.refusals import Received, refusal
from shared.errors import AzureDevOpsError

values = st.recursive(
    st.none() | st.integers() | st.text(st.sampled_from('a[]{}"\\')),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.sampled_from('[{"\\')), inner, max_size=3),
    max_leaves=30,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(values)
def test_depth_is_that_of_arrays_and_objects_whatever_strings_hold(value):
    body = json.dumps(value).encode()
    for limit in range(6):
        assert nests_deeper(body, limit) == (depth(value) > limit)


@pytest.mark.parametrize("body", [b"[[[", b"{" * 9, b'["', b'"' * 99, b""])
def test_what_is_no_json_never_raises(body):
    assert nests_deeper(body, 2) == (body.count(b"[") + body.count(b"{") > 2)


@pytest.mark.parametrize(
    "body", [b"[" * MAX_BODY, b"[" * (MAX_BODY // 2) + b"]" * (MAX_BODY // 2)], ids=["open", "whole"]
)
def test_the_deepest_body_is_refused_at_its_first_deep_bracket(body):
    """A pass for each level would hold the interpreter for seconds, and with it everybody else's page."""
    began = time.perf_counter()
    assert nests_deeper(body, MAX_DEPTH)
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("end", [b"", b"\\", b'"'], ids=["open", "escape", "closed"])
def test_a_string_without_an_end_is_read_once(end):
    """Trying again behind each of its quotes would hold the interpreter for minutes."""
    body = b"[]" * (MAX_DEPTH + 1) + b'"' + rb"\"[" * 5000 + end
    began = time.perf_counter()
    assert not nests_deeper(body, MAX_DEPTH)
    with pytest.raises(AzureDevOpsError):
        decode(body, msgspec.json.Decoder())
    assert time.perf_counter() - began < 0.05


DECODERS = {
    f"{module.__name__.rpartition('.')[2]}-{name.strip('_').lower()}": decoder
    for module in (builds, organizations, projects, repositories, work_items)
    for name, decoder in vars(module).items()
    if isinstance(decoder, msgspec.json.Decoder)
}
scraps = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("2026-11-24T12:00:00Z")
keys = st.sampled_from(["value", "count", "id", "name", "fields", "accountName", "status", "project"]) | st.text(
    max_size=4
)
shapes = st.recursive(
    scraps, lambda it: st.lists(it, max_size=3) | st.dictionaries(keys, it, max_size=4), max_leaves=12
)
bodies = st.binary(max_size=80) | st.builds(
    lambda mark, value, cut: mark + json.dumps(value).encode()[cut:], st.sampled_from([b"", codecs.BOM_UTF8]), shapes,
    st.sampled_from([0, 0, 0, 1]),
)  # fmt: skip


@pytest.mark.parametrize("name", DECODERS)
@given(body=bodies)
def test_any_body_at_all_is_a_model_or_an_error_of_the_api(name, body):
    with contextlib.suppress(AzureDevOpsError):
        decode(body, DECODERS[name])


@given(st.integers(200, 599), st.sampled_from(["application/json", "text/html", ""]), bodies, st.text(max_size=40))
def test_any_refusal_at_all_is_an_error_of_the_api(status, content_type, body, challenge):
    found = refusal(Received(status=status, content_type=content_type, body=body, challenge=challenge), "vso.work")
    assert isinstance(found, AzureDevOpsError) or (found is None and status == 200)
