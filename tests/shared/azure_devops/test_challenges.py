"""Claims challenges: what of a WWW-Authenticate header is passed on to Entra ID, and what is not."""

import base64
import json

import pytest

from shared.azure_devops.challenges import MAX_CLAIMS, claims_of
from shared.azure_devops.refusals import Received, refusal
from shared.errors import ClaimsChallenge, TokenRejected

ASKED = {"access_token": {"nbf": {"essential": True, "value": "1604106651"}}}
COMPACT = '{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}'
ODD = {"access_token": {"acrs": {"essential": True, "value": "c1?>~"}}}


def encoded(claims: object) -> str:
    return base64.b64encode(json.dumps(claims).encode()).decode()


def challenge(claims: str, error: str = "insufficient_claims") -> str:
    """As in Microsoft's own documentation of continuous access evaluation."""
    return f'Bearer realm="", authorization_uri="https://login.example/authorize", error="{error}", claims="{claims}"'


@pytest.mark.parametrize(
    "header",
    [
        challenge(encoded(ASKED)),
        challenge(encoded(ASKED).rstrip("=")),
        f'TFS-Federated, {challenge(encoded(ASKED))}, Basic realm="https://sps.example"',
        f'bearer CLAIMS="{encoded(ASKED)}", ERROR="insufficient_claims"',
    ],
    ids=["as documented", "without padding", "among other challenges", "in another order and case"],
)
def test_the_claims_are_passed_on_as_compact_json(header: str) -> None:
    assert claims_of(header) == COMPACT


def test_either_alphabet_of_base64_is_read() -> None:
    """RFC 4648 sections 4 and 5: `+/` and `-_`."""
    standard = encoded(ODD)
    url_safe = standard.replace("+", "-").replace("/", "_")
    assert standard != url_safe
    assert claims_of(challenge(url_safe)) == claims_of(challenge(standard)) == json.dumps(ODD, separators=(",", ":"))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        challenge(encoded(ASKED), error="invalid_token"),
        challenge(encoded(ASKED), error="not_insufficient_claims"),
        'Bearer error="insufficient_claims"',
        challenge(""),
        challenge("AAA="),
        challenge("%%%%"),
        challenge(base64.b64encode(b"\xff\xfe{}").decode()),
        challenge(base64.b64encode(b"{not json").decode()),
        challenge(base64.b64encode(b"[" * 3000).decode()),
        challenge(encoded(["access_token"])),
        challenge(encoded("access_token")),
        challenge(encoded({"access_token": "nbf"})),
        challenge(encoded({"access_token": None})),
        challenge(encoded({"access_token": {"x": "y" * MAX_CLAIMS}})),
        challenge(encoded({"access_token": {"x": "y" * 5000}})),
    ],
    ids=lambda header: header[-24:],
)
def test_what_is_no_sound_challenge_asks_for_nothing(header: str) -> None:
    """Another error, no claims, no base64, no JSON, no object of objects (OpenID Connect Core 1.0, 5.5), too long."""
    assert claims_of(header) is None


def test_the_longest_claims_still_fit() -> None:
    frame = len(json.dumps({"access_token": {"x": ""}}, separators=(",", ":")))
    claims = {"access_token": {"x": "y" * (MAX_CLAIMS - frame)}}
    assert len(claims_of(challenge(encoded(claims))) or "") == MAX_CLAIMS


@pytest.mark.parametrize(
    ("header", "verdict"), [(challenge(encoded(ASKED)), ClaimsChallenge), (challenge("AAA="), TokenRejected)]
)
def test_only_a_sound_challenge_keeps_a_401_from_a_refresh(header: str, verdict: type[Exception]) -> None:
    assert type(refusal(Received(401, challenge=header), "vso.work")) is verdict
