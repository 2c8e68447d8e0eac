"""Access tokens of the managed identity: signed, so that a vault that was restarted still knows them."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import jwt

from tools.vault.settings import IDENTITY, TENANT

VAULT = "https://vault.azure.net"
RESOURCES = (VAULT, "https://storage.azure.com", "api://AzureADTokenExchange")
ISSUER = f"https://sts.windows.net/{TENANT}/"
OBJECT_ID = "2f6d3f5e-0b0a-4f0e-8a39-55a7f5f9d7c3"
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token speaks for: the app's identity, on one of its instances, or the deployer."""

    instance: str
    is_deployer: bool = False


class RefusedError(Exception):
    """A token that the vault does not take; the text is its own."""


def mint(caller: Caller, resource: str, key: bytes, lifetime: int, now: Callable[[], float] = time.time) -> str:
    """An access token for `resource`; `lifetime` in seconds."""
    issued = int(now())
    claims = {
        "aud": resource,
        "iss": ISSUER,
        "iat": issued,
        "nbf": issued,
        "exp": issued + lifetime,
        "appid": IDENTITY,
        "oid": "deployer" if caller.is_deployer else OBJECT_ID,
        "sub": "deployer" if caller.is_deployer else OBJECT_ID,
        "tid": TENANT,
        "uti": caller.instance,
        "ver": "1.0",
    }
    return jwt.encode(claims, key, _ALGORITHM)


def read(token: str | None, key: bytes) -> Caller:
    """The caller behind a bearer token. Raises RefusedError with the words of the service, where they are known."""
    if token is None:
        raise RefusedError("AKV10000: Request is missing a Bearer or PoP token.")
    try:
        claims = jwt.decode(token, key, [_ALGORITHM], options={"verify_aud": False, "require": ["exp", "aud", "iss"]})
    except jwt.ExpiredSignatureError:
        raise RefusedError("AKV10046: Unable to validate the token: it is expired.") from None
    except jwt.PyJWTError as error:
        raise RefusedError(f"AKV10046: Unable to validate the token: {type(error).__name__}.") from None
    if claims["aud"] != VAULT:
        raise RefusedError(f"AKV10022: Invalid audience. Expected {VAULT}, found: {claims['aud']}.")
    if claims["iss"] != ISSUER:
        raise RefusedError(f"AKV10032: Invalid issuer. Expected one of {ISSUER}, found {claims['iss']}.")
    return Caller(claims["uti"], claims["oid"] == "deployer")
