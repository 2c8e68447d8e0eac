"""A code chooses words and nothing else."""

import re

import pytest

from shared.errors import GrantEnded, Policy, SignInDenied, explained
from shared.oauth.entra_errors import meaning_of
from shared.oauth.token_request import classify

CODES = [
    "50011",
    "65004",
    "65001",
    "700082",
    "70008",
    "70043",
    "50173",
    "54005",
    "50076",
    "50079",
    "50074",
    "50072",
    "50078",
    "53003",
    "53000",
    "53001",
    "50105",
    "50020",
    "500208",
    "50034",
    "51004",
    "50194",
    "50196",
    "700016",
    "700011",
    "7000215",
    "7000222",
    "70002",
    "70011",
    "28002",
    "650053",
    "501481",
]
"""The table of facts 3.5."""


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_the_facts_has_a_word_a_title_and_an_advice(code):
    meaning = meaning_of(f"AADSTS{code}: Something.\r\nTrace ID: x")
    assert re.fullmatch(r"[a-z_]+", meaning.reason)
    assert meaning.title
    assert meaning.advice.endswith(".")


@pytest.mark.parametrize(
    "text", ["", "no code", "AADSTS", "AADSTS12", "AADSTS99999999", "AADSTS1", "x" * 3000 + "AADSTS50105"]
)
def test_what_is_no_code_means_nothing(text):
    assert meaning_of(text) is None


def test_the_parsed_error_decides_whatever_the_description_says():
    description = "AADSTS7000222: expired secret, invalid_client"
    assert type(classify(400, {"error": "invalid_grant", "error_description": description})) is GrantEnded
    assert type(classify(400, {"error": "access_denied", "error_description": description})) is Policy


def test_the_words_replace_those_of_the_class_and_the_class_stays():
    error = explained(SignInDenied("access_denied"), meaning_of("AADSTS50105: x"))
    assert (type(error), error.reason, error.status) == (SignInDenied, "not_assigned", 400)
    assert SignInDenied.reason == "denied"
    assert explained(SignInDenied(), None).reason == "denied"
