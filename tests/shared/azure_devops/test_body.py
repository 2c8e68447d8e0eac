import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure_devops.body import nests_deeper

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
