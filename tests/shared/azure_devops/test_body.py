import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure_devops.body import MAX_BODY, MAX_DEPTH, nests_deeper

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
