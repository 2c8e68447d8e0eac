"""What the rules of all providers say."""

import pytest

from shared.oauth.provider import granted

RESOURCE = "499b84ac-1321-427f-aa17-267ca6975798"


@pytest.mark.parametrize(
    ("answered", "kept"),
    [
        (f"{RESOURCE}/vso.work {RESOURCE}/vso.code", "vso.work vso.code"),
        (f"{RESOURCE}/vso.code", "vso.code"),
        (f"https://app.vssps.visualstudio.com/VSO.Code {RESOURCE}/vso.graph", "vso.code"),
        ("vso.code vso.work", "vso.work vso.code"),
        ("openid", "vso.work vso.code"),
        ("", "vso.work vso.code"),
        ("x" * 100_000, "vso.work vso.code"),
    ],
)
def test_what_was_granted_is_what_the_answer_names_of_what_was_asked_for(answered: str, kept: str) -> None:
    """With a resource or without, in our spelling and order, and nothing of the other side's own."""
    assert granted("vso.work vso.code", answered) == kept
