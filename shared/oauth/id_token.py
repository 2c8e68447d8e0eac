"""Checking an id token of Entra ID (OpenID Connect Core 1.0 section 3.1.3.7), with PyJWT.

The signature proves who issued it, so the tenant comes from the token itself: its issuer must be the one that belongs
to its `tid`, and that tenant must be allowed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt

from shared.errors import PersonalAccount, SignInRefused, WrongTenant
from shared.oauth.signing_keys import ALGORITHM, SigningKey, SigningKeys

CLOCK_SKEW = timedelta(minutes=5)
"""What Microsoft's own libraries allow."""
PERSONAL_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a checked id token says; `subject` is the immutable `oid`, never an e-mail address."""

    issuer: str
    tenant: str
    subject: str
    name: str = field(repr=False)
    username: str | None = field(repr=False)


def check(
    token: str,
    *,
    keys: SigningKeys,
    issuer_of: Callable[[str], str],
    tenants: frozenset[str],
    audience: str,
    nonce: str,
    now: datetime,
) -> Claims:
    """The claims of a good id token; `tenants` are the allowed ones, in lower case.

    Raises SignInRefused for one that is not good, WrongTenant or PersonalAccount for a person who may not come in,
    Unavailable while the keys can't be read.
    """
    claims, key = _verified(token, keys, audience)
    _check_times(claims, now)
    tenant, subject, issuer = (_text(claims, name) for name in ("tid", "oid", "iss"))
    if issuer != issuer_of(tenant):
        raise SignInRefused("id token: issuer")
    if claims.get("nonce") != nonce:
        raise SignInRefused("id token: nonce")
    username = claims.get("preferred_username")
    shown = username[:256] if isinstance(username, str) else None
    if tenant.lower() == PERSONAL_TENANT and PERSONAL_TENANT not in tenants:
        raise PersonalAccount(username=shown)
    if tenant.lower() not in tenants:
        raise WrongTenant(username=shown)
    if not key.signs_for(issuer, tenant):
        raise SignInRefused("id token: key of another issuer")
    name = claims.get("name")
    return Claims(
        issuer=issuer,
        tenant=tenant.lower(),
        subject=subject.lower(),
        name=name[:256] if isinstance(name, str) and name.strip() else "Microsoft user",
        username=shown,
    )


def _verified(token: str, keys: SigningKeys, audience: str) -> tuple[Mapping[str, Any], SigningKey]:
    try:
        header = jwt.get_unverified_header(token)
        key_id = header.get("kid")
        key = keys.find(key_id) if isinstance(key_id, str) else None
        if header.get("alg") != ALGORITHM or key is None:
            raise SignInRefused("id token: algorithm or key")
        # Times are checked below, against the clock that this application was given.
        claims = jwt.decode(
            token,
            key.public,
            algorithms=[ALGORITHM],
            audience=audience,
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "require": ["exp", "iat", "iss", "aud"],
            },
        )
    except jwt.PyJWTError as error:
        raise SignInRefused(f"id token: {type(error).__name__}") from None
    return claims, key


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    moment, skew = now.timestamp(), CLOCK_SKEW.total_seconds()
    expires, begins = claims.get("exp"), claims.get("nbf", claims.get("iat"))
    if not isinstance(expires, int | float) or not isinstance(begins, int | float):
        raise SignInRefused("id token: times")
    if expires <= moment - skew or begins > moment + skew:
        raise SignInRefused("id token: expired or not yet valid")


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 256:
        raise SignInRefused(f"id token: {name}")
    return value
