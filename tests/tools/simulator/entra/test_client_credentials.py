"""How the application proves who it is: a secret in the form, or a federated assertion (facts 3.3, 3.5)."""

from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.tools.simulator.driver import ASSERTION_TYPE, Answer
from tests.tools.simulator.entra.entra_client import EntraClient
from tools.simulator import defaults
from tools.simulator.sample.tenants import FABRIKAM

ISSUER = f"https://login.microsoftonline.com/{FABRIKAM.id}/v2.0"
SUBJECT = "6e1d2a3c-managed-identity"


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def federated(entra: EntraClient, key: RSAPrivateKey) -> EntraClient:
    """A simulator whose application has a federated credential and no secret."""
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    credential = {"issuer": ISSUER, "subject": SUBJECT, "public_key": public}
    assert entra.driver.settings(entra_federated=[credential], entra_client_secrets=[]).status == 200
    return entra


def assertion(entra: EntraClient, key: RSAPrivateKey, **changes: Any) -> str:
    now = int(entra.driver.now)
    claims = {
        "iss": ISSUER,
        "sub": SUBJECT,
        "aud": "api://AzureADTokenExchange",
        "exp": now + 600,
        "nbf": now - 5,
        **changes,
    }
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm="RS256")


def redeem(entra: EntraClient, signed: str, **changes: str | None) -> Answer:
    form = {"client_secret": None, "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
    return entra.redeem(entra.code(), **{**form, **changes})


@pytest.mark.parametrize("secret", ["", "wrong", defaults.ENTRA_CLIENT_SECRET + " ", defaults.CLIENT_SECRET])
def test_a_wrong_secret_is_401_invalid_client_and_leaves_the_code_alone(entra: EntraClient, secret: str) -> None:
    code = entra.code()
    answer = entra.redeem(code, client_secret=secret)
    assert (answer.status, answer.json["error"], answer.json["error_codes"]) == (401, "invalid_client", [7000215])
    assert entra.redeem(code).status == 200


def test_an_expired_secret_is_said_to_be_expired(entra: EntraClient) -> None:
    entra.driver.settings(entra_client_secrets=["new"], entra_expired_secrets=[defaults.ENTRA_CLIENT_SECRET])
    answer = entra.redeem(entra.code())
    assert (answer.status, answer.json["error"], answer.json["error_codes"]) == (401, "invalid_client", [7000222])
    assert entra.redeem(entra.code(), client_secret="new").status == 200


@pytest.mark.parametrize("secret", ["with+plus and space", "a%2Bb&c=d", "tilde~dot.dash-"])
def test_a_secret_is_read_url_encoded(entra: EntraClient, secret: str) -> None:
    entra.driver.settings(entra_client_secrets=[secret])
    assert entra.redeem(entra.code(), client_secret=secret).status == 200


def test_no_credential_at_all_is_refused(entra: EntraClient) -> None:
    assert entra.redeem(entra.code(), client_secret=None).json["error_codes"] == [7000218]


def test_a_federated_assertion_buys_tokens_and_refreshes_them(federated: EntraClient, key: RSAPrivateKey) -> None:
    tokens = redeem(federated, assertion(federated, key)).json
    form = {"client_secret": None, "client_assertion_type": ASSERTION_TYPE}
    answer = federated.refresh(tokens["refresh_token"], client_assertion=assertion(federated, key), **form)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"aud": "api://something"}, 700212),
        ({"aud": None}, 700212),
        ({"iss": "https://elsewhere.example"}, 700211),
        ({"sub": "somebody else"}, 700213),
        ({"exp": 1_000}, 700024),
        ({"exp": None}, 700024),
        ({"nbf": 2_000_000_000}, 700024),
    ],
)
def test_an_assertion_that_is_not_registered_or_not_valid_now_is_refused(
    federated: EntraClient, key: RSAPrivateKey, change: dict, code: int
) -> None:
    answer = redeem(federated, assertion(federated, key, **change))
    assert (answer.status, answer.json["error"], answer.json["error_codes"]) == (401, "invalid_client", [code])


def test_an_assertion_of_another_key_is_refused(federated: EntraClient, key: RSAPrivateKey) -> None:
    forged = assertion(federated, generate_private_key(public_exponent=65537, key_size=2048))
    assert redeem(federated, forged).json["error_codes"] == [50027]
    unsigned = assertion(federated, key).rpartition(".")[0] + "."
    assert redeem(federated, unsigned).json["error_codes"] == [50027]


@pytest.mark.parametrize("garbage", ["", "x", "a.b.c", "e30.W10.e30", defaults.ENTRA_CLIENT_SECRET])
def test_garbage_instead_of_an_assertion_is_refused(federated: EntraClient, garbage: str) -> None:
    assert redeem(federated, garbage).json["error_codes"] == [50027]


def test_an_assertion_needs_its_type(federated: EntraClient, key: RSAPrivateKey) -> None:
    answer = redeem(federated, assertion(federated, key), client_assertion_type=None)
    assert answer.json["error_codes"] == [900144]


def test_the_legacy_form_of_a_secret_is_no_assertion_here(entra: EntraClient) -> None:
    assert redeem(entra, defaults.ENTRA_CLIENT_SECRET).status == 401


def test_the_assertions_times_are_read_by_the_token_clock(federated: EntraClient, key: RSAPrivateKey) -> None:
    assert datetime.fromtimestamp(federated.driver.now, UTC).year == 2027
    federated.driver.settings(clock_offset=3600)
    assert redeem(federated, assertion(federated, key)).json["error_codes"] == [700024]
