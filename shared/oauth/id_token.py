"""Checking an id token of Entra ID (OpenID Connect Core 1.0 section 3.1.3.7), with PyJWT.

The signature proves who issued it, so the tenant comes from the token itself: its issuer must be the one that belongs
to its `tid`, and that tenant must be allowed.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt

from shared.errors import PersonalAccount, SignInRefused, Unavailable, WrongTenant
from shared.http_session import new_session
from shared.oauth.token_request import bounded, json_object

ALGORITHM = "RS256"
CLOCK_SKEW = timedelta(minutes=5)
"""What Microsoft's own libraries allow."""
METADATA_SECONDS = 5.0
KEYS_KEPT_FOR = timedelta(hours=24)
REREAD_EVERY = timedelta(minutes=1)
"""Key ids that nobody published must not make us fetch without end; the first unknown one is always worth a look."""
PERSONAL_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a checked id token says; `subject` is the immutable `oid`, never an e-mail address."""

    issuer: str
    tenant: str
    subject: str
    name: str = field(repr=False)
    username: str | None = field(repr=False)


class SigningKeys:
    """The published keys of a tenant, kept for a day and read again once for an unknown key id."""

    def __init__(self, metadata_url: str, now: Callable[[], datetime]) -> None:
        self._metadata_url = metadata_url
        self._now = now
        self._session = new_session()
        self._lock = threading.Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._read_at: datetime | None = None
        self._searched_at: datetime | None = None

    def find(self, key_id: str) -> jwt.PyJWK | None:
        """The key of this id; None when it is not published. Raises Unavailable."""
        with self._lock:
            now = self._now()
            if self._read_at is None or now - self._read_at > KEYS_KEPT_FOR:
                self._keys, self._read_at = self._fetch(), now
            elif key_id not in self._keys and self._may_search(now):
                self._searched_at = now
                self._keys, self._read_at = self._fetch(), now
            return self._keys.get(key_id)

    def _may_search(self, now: datetime) -> bool:
        return self._searched_at is None or now - self._searched_at > REREAD_EVERY

    def _fetch(self) -> Mapping[str, jwt.PyJWK]:
        metadata = self._get(self._metadata_url)
        keys_url = metadata.get("jwks_uri")
        origin = self._metadata_url.split("/", 3)[:3]
        if not isinstance(keys_url, str) or keys_url.split("/", 3)[:3] != origin:
            raise Unavailable("identity service: keys at another origin")
        found = {}
        for key in self._get(keys_url).get("keys", []):
            if isinstance(key, dict) and key.get("kty") == "RSA" and isinstance(key.get("kid"), str):
                found[key["kid"]] = jwt.PyJWK(key, algorithm=ALGORITHM)
        return found

    def _get(self, url: str) -> Mapping[str, Any]:
        status, headers, body = bounded(self._session.get, url, METADATA_SECONDS)
        if status != 200:
            raise Unavailable(f"identity service: metadata {status}")
        return json_object(headers, body, status)


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
    claims = _verified(token, keys, audience)
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
    name = claims.get("name")
    return Claims(
        issuer=issuer,
        tenant=tenant.lower(),
        subject=subject.lower(),
        name=name[:256] if isinstance(name, str) and name.strip() else "Microsoft user",
        username=shown,
    )


def _verified(token: str, keys: SigningKeys, audience: str) -> Mapping[str, Any]:
    try:
        header = jwt.get_unverified_header(token)
        key_id = header.get("kid")
        key = keys.find(key_id) if isinstance(key_id, str) else None
        if header.get("alg") != ALGORITHM or key is None:
            raise SignInRefused("id token: algorithm or key")
        # Times are checked below, against the clock that this application was given.
        return jwt.decode(
            token,
            key,
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
