"""The scanner finds each form of each kind of secret wherever it is put, tells kind and place, and nothing else."""

from __future__ import annotations

import base64
import html
import json
import secrets
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from tools.chaos.canaries import WIDTH, Canaries
from tools.simulator import defaults
from tools.simulator.identity.minting import mint

VALUES = {
    "client secret of the legacy service": defaults.CLIENT_SECRET,
    "client secret of Entra ID": defaults.ENTRA_CLIENT_SECRET,
    "client secret with every sign": f"{secrets.token_urlsafe(9)}$~+/=&?%<>\"' é{secrets.token_urlsafe(9)}",
    "access token": mint({"sub": "ada"}, size=1600),
    "refresh token of Entra ID": f"1.{secrets.token_urlsafe(900)}",
    "session, state, verifier": secrets.token_urlsafe(32),
    "encryption key": secrets.token_hex(32),
    "storage key": base64.b64encode(secrets.token_bytes(64)).decode(),
}


def unique(value: str) -> str:
    return value.rpartition(".")[2] if value.startswith("eyJ") else value


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda value: value,
    "for a URL": lambda value: quote(value, safe=""),
    "for a form": quote_plus,
    "in JSON": json.dumps,
    "in JSON twice": lambda value: json.dumps(json.dumps(value)),
    "in HTML": html.escape,
    "printed": repr,
    "as bytes, printed": lambda value: repr(value.encode()),
    "hex": lambda value: unique(value).encode().hex(),
    "HEX": lambda value: unique(value).encode().hex().upper(),
    "first characters": lambda value: unique(value)[:WIDTH],
    "last characters": lambda value: unique(value)[-WIDTH:],
    "cut for a log": lambda value: unique(value)[:WIDTH] + "…",
    "second half": lambda value: value[len(value) // 2 :],
    **{
        f"base64 after {before}": lambda value, before=before: base64.b64encode(b"u" * before + value.encode()).decode()
        for before in range(4)
    },
    **{
        f"base64url after {before}": lambda value, before=before: base64.urlsafe_b64encode(
            b"p" * before + value.encode()
        ).decode()
        for before in range(4)
    },
}
SURROUNDINGS = [
    "{}",
    "token={}&x=1",
    '{{"t": "{}"}}',
    "Bearer {},",
    "abc{}abc",
    "/path/{}/more",
    "é{}é",
    "\\u0022{}\\n",
]


def looking_for(kind: str) -> Canaries:
    canaries = Canaries()
    canaries.learn(kind, VALUES[kind])
    return canaries


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("surrounding", SURROUNDINGS)
def test_each_form_of_each_secret_is_found_in_any_surrounding(kind: str, form: str, surrounding: str) -> None:
    canaries = looking_for(kind)
    canaries.note("log", b"2026-11-28 DEBUG " + surrounding.format(FORMS[form](VALUES[kind])).encode() + b" the rest")
    assert {(hit.kind, hit.place) for hit in canaries.hits()} == {(kind, "log")}


def test_a_key_is_found_as_the_bytes_that_it_stands_for() -> None:
    value = VALUES["encryption key"]
    for shown in (repr(bytes.fromhex(value)), base64.b64encode(bytes.fromhex(value)).decode(), value.upper()):
        canaries = looking_for("encryption key")
        canaries.note("log", shown.encode())
        assert canaries.hits(), shown


@pytest.mark.parametrize("kind", VALUES)
def test_what_is_short_of_a_secret_or_another_one_is_no_hit(kind: str) -> None:
    """Eleven of its characters, its digest, and a secret that only begins alike."""
    canaries = looking_for(kind)
    canaries.note("log", unique(VALUES[kind])[: WIDTH - 1].encode())
    canaries.note("log", mint({"sub": "ada"}, size=1600).encode())
    canaries.note("log", secrets.token_urlsafe(4000).encode())
    assert canaries.hits() == []


def test_a_secret_may_stand_where_its_kind_is_at_home_and_nowhere_else() -> None:
    canaries = Canaries()
    canaries.learn("session", VALUES["session, state, verifier"])
    canaries.learn("key", VALUES["encryption key"])
    both = f"{VALUES['session, state, verifier']} {VALUES['encryption key']}".encode()
    canaries.note("cookie", both, ["session"])
    assert [(hit.kind, hit.place) for hit in canaries.hits()] == [("key", "cookie")]
    canaries.note("log", both)
    assert [(hit.kind, hit.place) for hit in canaries.hits()] == [("key", "cookie"), ("key", "log"), ("session", "log")]


def test_a_secret_that_is_learned_later_is_found_in_what_was_read_before() -> None:
    canaries = Canaries()
    canaries.note("log", VALUES["access token"].encode())
    assert canaries.hits() == []
    canaries.learn("access token", VALUES["access token"], "", "short")
    assert [str(hit) for hit in canaries.hits()] == ["access token (plain) in log"]
    assert dict(canaries.kinds) == {"access token": 1}, "what is too short to be told does not count"
    assert canaries.read["log"] == len(VALUES["access token"])
