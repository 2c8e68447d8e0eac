"""What a person reads of a scope before they are sent to grant it."""

import json

import pytest

from shared.scopes import _WORDS, in_words
from tests.site import ROOT

LIST = json.loads((ROOT / "tools/simulator/identity/scopes.json").read_text("utf-8"))["scopes"]
"""Microsoft's (facts section 2)."""


def test_every_scope_of_microsofts_list_has_words_of_ours_and_no_other() -> None:
    assert set(_WORDS) == set(LIST)


MORE_THAN_READING = ("_write", "_manage", "_execute", "_full", "_publish", "_acquire")
VERBS = {"write", "change", "manage", "create", "queue", "start", "full", "publish", "acquire", "install"}


@pytest.mark.parametrize("scope", [scope for scope in LIST if scope.endswith(MORE_THAN_READING)])
def test_what_can_do_more_than_read_never_sounds_like_reading(scope: str) -> None:
    ((_, words),) = in_words(scope)
    assert VERBS & set(words.lower().replace(",", "").split())


def test_scopes_keep_their_order_and_an_unknown_one_says_so() -> None:
    assert in_words("vso.code vso.future") == [
        ("vso.code", "Read source code, commits, branches and pull requests"),
        ("vso.future", "As described by Azure DevOps on the consent page"),
    ]
