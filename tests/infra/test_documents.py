"""What docs/registration.md and docs/security.md claim is what the code does, as far as a test can read both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared import config, sealing
from shared.custody import rules
from shared.web import cookies
from tests.infra.cloud import HOOKS, ROOT

REGISTRATION, SECURITY = (ROOT / "docs" / f"{name}.md" for name in ("registration", "security"))
DOCUMENTS = [REGISTRATION, SECURITY]


def plain(path: Path) -> str:
    """The text without line breaks, as a reader sees it."""
    return " ".join(path.read_text().split())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_what_this_version_still_refuses_is_said_and_nothing_else(path: Path) -> None:
    refused = getattr(config, "NOT_YET", ())
    assert ("State of this version" in path.read_text()) == bool(refused)
    if path == REGISTRATION:
        assert [name for name in refused if f"`{name}`" not in path.read_text()] == []


def test_the_scopes_and_callbacks_are_those_of_the_code() -> None:
    text = plain(REGISTRATION)
    assert all(f"`{scope}`" in text for scope in config.DEFAULT_SCOPES.split())
    callback = re.search(r'^CALLBACK_PATH = "(.+)"$', (HOOKS / "entra.py").read_text(), re.MULTILINE)
    assert callback
    assert f"`PUBLIC_URL` + `{callback[1]}`" in text
    assert "`PUBLIC_URL` + `/auth/callback`" in text


@pytest.mark.parametrize(
    "claim",
    [
        f"At most {rules.MAX_SESSIONS} sessions a person, {cookies.MAX_PENDING} pending sign-ins a browser",
        f"random {sealing.NONCE_BYTES * 8}-bit nonce",
        f"first {2 * sealing.KEY_ID_BYTES} hex digits of the key's SHA-256",
        f"for at most {rules.REVOCATION_GIVEN_UP.days} days",
        f"ends every session from before that time at once; the timer revokes their tokens within the "
        f"{ {1: 'hour'}[rules.LATEST_LOOK.seconds // 3600] }",
    ],
)
def test_the_figures_are_those_of_the_code(claim: str) -> None:
    assert claim in plain(SECURITY)


def test_the_parts_that_a_value_is_bound_to_are_those_of_the_code() -> None:
    bound = [*(name.replace("_key", "key") for name in sealing.Place.__dataclass_fields__), "format", "key id"]
    sentence = re.search(r"bound to (format.*?):", plain(SECURITY))
    assert sentence
    parts = {part.strip().lower() for part in re.split(r",| and ", sentence[1])}
    assert parts == {name.lower() for name in bound}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_file_that_is_named_exists(path: Path) -> None:
    text = path.read_text()
    named = re.findall(r"`((?:shared|infra|docs|functions)/[\w/.]+)`|(?:python )(infra/[\w/.]+)", text)
    assert named
    assert [name for pair in named for name in pair if name and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_command_of_rotate_is_one(path: Path) -> None:
    parser = (HOOKS / "rotate.py").read_text()
    commands = re.findall(r"rotate\.py ([a-z-]+)((?: --?[a-z-]+)*)", path.read_text())
    assert commands
    for what, options in commands:
        assert f'"{what}"' in parser
        assert all(f'"{option}"' in parser for option in options.split())
