"""How the application proves who it is at the token endpoint: a client secret, or a federated assertion."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tools.simulator.entra.failures import failing
from tools.simulator.identity.legacy import ASSERTION_TYPE
from tools.simulator.settings import Settings

EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"


def check_client(values: dict[str, str], settings: Settings, now: Callable[[], float]) -> None:
    """Raises EntraError: 700016 for another application, 401 invalid_client for a wrong credential."""
    client_id = values.get("client_id", "")
    if not client_id:
        raise failing(900144, "The request body must contain the following parameter: 'client_id'.")
    if client_id.lower() != settings.entra_client_id.lower():
        raise failing(700016, f"Application with identifier '{client_id[:64]}' was not found in the directory.")
    if "client_assertion" in values or "client_assertion_type" in values:
        _check_assertion(values, settings, now())
    elif "client_secret" in values:
        _check_secret(values["client_secret"], settings)
    else:
        raise failing(7000218)


def _check_secret(secret: str, settings: Settings) -> None:
    if secret in settings.entra_expired_secrets:
        raise failing(7000222)
    if secret not in settings.entra_client_secrets:
        raise failing(7000215)


def _check_assertion(values: dict[str, str], settings: Settings, now: float) -> None:
    if values.get("client_assertion_type") != ASSERTION_TYPE:
        raise failing(900144, "The request body must contain the following parameter: 'client_assertion_type'.")
    assertion = values.get("client_assertion", "")
    claims = _read(assertion)
    if claims.get("aud") not in (EXCHANGE_AUDIENCE, [EXCHANGE_AUDIENCE]):
        raise failing(700212)
    of_issuer = [each for each in settings.entra_federated if each["issuer"] == claims.get("iss")]
    if not of_issuer:
        raise failing(700211)
    credential = next((each for each in of_issuer if each["subject"] == claims.get("sub")), None)
    if credential is None:
        raise failing(700213)
    expires_at = claims.get("exp")
    if not isinstance(expires_at, int | float) or expires_at <= now or claims.get("nbf", 0) > now + 300:
        raise failing(700024)
    if "public_key" in credential:
        _check_signature(assertion, credential["public_key"])


def _read(assertion: str) -> dict[str, Any]:
    try:
        claims = json.loads(_decoded(assertion.split(".")[1]))
    except (ValueError, IndexError):
        raise failing(50027) from None
    if not isinstance(claims, dict):
        raise failing(50027)
    return claims


def _check_signature(assertion: str, public_key: str) -> None:
    """RS256 only, whatever the header says."""
    signed, _, signature = assertion.rpartition(".")
    try:
        key = load_pem_public_key(public_key.encode())
        assert isinstance(key, RSAPublicKey)
        key.verify(_decoded(signature), signed.encode(), PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature):
        raise failing(50027, "JWT token is invalid: its signature does not verify.") from None


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
