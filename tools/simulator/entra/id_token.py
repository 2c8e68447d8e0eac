"""Id tokens of version 2.0 (facts 3.3), right ones and those that a client must refuse."""

import hmac
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tools.simulator.entra.grants import Issued
from tools.simulator.entra.keys import base64url, signing_key, unpublished_key
from tools.simulator.sample.identifiers import guid
from tools.simulator.sample.people import Person
from tools.simulator.sample.tenants import FABRIKAM, NORTHWIND, PERSONAL, Tenant
from tools.simulator.settings import Settings

LIFETIME = 3600
_HOUR = 3600


@dataclass(frozen=True)
class Identity:
    """Who an id token speaks of, and what it is issued for."""

    person: Person
    issued: Issued
    origin: str
    nonce: str
    now: int


def issuer(origin: str, tenant: Tenant) -> str:
    return f"{origin}/{tenant.id}/v2.0"


def object_id(person: Person, tenant: Tenant) -> str:
    """The `oid`: of the account in this tenant, so a guest has another one than at home."""
    return guid("object", tenant.id, person.mail)


def id_token(identity: Identity, settings: Settings) -> str | None:
    """The signed token, spoiled as the setting `id_token_mutation` says; None when it says `absent`."""
    mutation = settings.id_token_mutation
    if mutation == "absent":
        return None
    if mutation == "garbage":
        return "not.a.token"
    claims = _claims(identity, settings) | _spoiled(identity, mutation)
    kept = {name: value for name, value in claims.items() if value is not None}
    return _signed(kept, settings)


def _claims(identity: Identity, settings: Settings) -> dict[str, Any]:
    person, tenant, oidc = identity.person, identity.issued.tenant, identity.issued.asked.oidc
    claims: dict[str, Any] = {
        "aud": settings.entra_client_id,
        "iss": issuer(identity.origin, tenant),
        "iat": identity.now,
        "nbf": identity.now,
        "exp": identity.now + LIFETIME,
        "sub": _pairwise(settings.entra_client_id, person, tenant),
        "tid": tenant.id,
        "ver": "2.0",
        "nonce": identity.nonce or None,
    }
    if tenant != person.home:
        claims["idp"] = f"https://sts.windows.net/{person.home.id}/"
    if "profile" in oidc:
        claims |= {"name": person.name, "oid": object_id(person, tenant), "preferred_username": person.mail}
    if "email" in oidc:
        claims["email"] = person.mail
    return claims


def _spoiled(identity: Identity, mutation: str | None) -> dict[str, Any]:
    other = NORTHWIND if identity.issued.tenant != NORTHWIND else FABRIKAM
    changes: dict[str, dict[str, Any]] = {
        "wrong-audience": {"aud": guid("another application")},
        "wrong-issuer": {"iss": f"https://login.example/{identity.issued.tenant.id}/v2.0"},
        "other-tenant": {"iss": issuer(identity.origin, other), "tid": other.id},
        "personal-account": {"iss": issuer(identity.origin, PERSONAL), "tid": PERSONAL.id},
        "wrong-nonce": {"nonce": "another-nonce"},
        "no-nonce": {"nonce": None},
        "no-oid": {"oid": None},
        "expired": {"iat": identity.now - 3 * _HOUR, "nbf": identity.now - 3 * _HOUR, "exp": identity.now - 2 * _HOUR},
        "not-yet-valid": {"nbf": identity.now + 2 * _HOUR, "exp": identity.now + 3 * _HOUR},
    }
    return changes.get(mutation or "", {})


def _signed(claims: dict[str, Any], settings: Settings) -> str:
    mutation, key = settings.id_token_mutation, signing_key(settings)
    algorithms = {"alg-none": "none", "hs256": "HS256"}
    kid = unpublished_key().kid if mutation == "unknown-kid" else key.kid
    header = {"typ": "JWT", "alg": algorithms.get(mutation or "", "RS256"), "kid": kid}
    data = f"{_part(header)}.{_part(claims)}"
    if mutation == "alg-none":
        return f"{data}."
    if mutation == "hs256":
        # The key confusion attack: the public modulus, which everybody knows, taken as a shared secret.
        known = key.published("")["n"]
        return f"{data}.{base64url(hmac.digest(known.encode(), data.encode(), 'sha256'))}"
    signer = unpublished_key() if mutation in ("wrong-key", "unknown-kid") else key
    return f"{data}.{base64url(signer.sign(data.encode()))}"


def _pairwise(client_id: str, person: Person, tenant: Tenant) -> str:
    return base64url(sha256(f"{client_id}/{tenant.id}/{person.mail}".encode()).digest())


def _part(value: dict[str, Any]) -> str:
    return base64url(json.dumps(value, separators=(",", ":")).encode())
