"""Text of people never leaves a string literal (acceptance D4)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure_devops.wiql import Field, Macro, literal, newest_first
from shared.errors import BadRequest

STRING = re.compile(r"'(?:[^']|'')*'")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "O'Brien",
        "'",
        "''",
        "' OR 1=1 --",
        "x' ORDER BY [System.Id] --",
        '"',
        "@me",
        "]",
        "\\'",
        "’",
        "プロジェクト",
        "'; x",
    ],
)
def test_a_text_is_one_literal_that_stands_for_it(text):
    written = literal(text)
    assert STRING.fullmatch(written)
    assert written[1:-1].replace("''", "'") == text


@given(st.text(st.characters(exclude_categories=["Cc"])))
def test_any_text_is_one_literal_that_stands_for_it(text):
    assert STRING.fullmatch(literal(text))
    assert literal(text)[1:-1].replace("''", "'") == text


@pytest.mark.parametrize("character", ["\0", "\n", "\r", "\t", "\x1f", "\x7f", "\x80", "\x9f"])
def test_control_characters_are_refused(character):
    with pytest.raises(BadRequest):
        literal(f"a{character}b")


def test_the_query_names_fields_of_the_closed_list_and_orders_by_the_latest_change():
    assert newest_first({Field.PROJECT: "Tools (new)!", Field.ASSIGNED_TO: "O'Brien"}) == (
        "SELECT [System.Id] FROM WorkItems"
        " WHERE [System.TeamProject] = 'Tools (new)!' AND [System.AssignedTo] = 'O''Brien'"
        " ORDER BY [System.ChangedDate] DESC, [System.Id] DESC"
    )


def test_a_text_that_looks_like_a_macro_stays_a_text():
    assert "[System.TeamProject] = '@project'" in newest_first({Field.PROJECT: "@project"})
    assert "[System.TeamProject] = @project" in newest_first({Field.PROJECT: Macro.PROJECT})
