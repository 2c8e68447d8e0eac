"""Drives the simulator's Entra in this process, as a client that knows the protocol."""

import json
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import jwt

from tests.tools.simulator.driver import Answer, Driver
from tools.simulator import defaults
from tools.simulator.sample.tenants import FABRIKAM

RESOURCE = "499b84ac-1321-427f-aa17-267ca6975798"
SCOPE = f"openid profile offline_access {RESOURCE}/vso.work {RESOURCE}/vso.build"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
HOST = "127.0.0.1:9700"


def changed(fields: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


@dataclass
class EntraClient:
    """One browser and one application; `tenant` is the tenant in the addresses."""

    driver: Driver = field(default_factory=Driver)
    tenant: str = FABRIKAM.id
    cookie: str = ""

    def _headers(self) -> dict[str, str]:
        return {"host": HOST, **({"cookie": self.cookie} if self.cookie else {})}

    def _keep(self, answer: Answer) -> Answer:
        for name, value in answer.header_pairs:
            if name == "Set-Cookie":
                self.cookie = "" if "Max-Age=0" in value else value.partition(";")[0]
        return answer

    def path(self, end: str, tenant: str = "") -> str:
        return f"/{tenant or self.tenant}/{end}"

    def get(self, target: str) -> Answer:
        return self._keep(self.driver.call("GET", target, **self._headers()))

    def authorize(self, tenant: str = "", **changes: str | None) -> Answer:
        fields = urlencode(authorize_fields(**changes))
        return self.get(f"{self.path('oauth2/v2.0/authorize', tenant)}?{fields}")

    def decide(self, user: str = "ada", decision: str = "accept", tenant: str = "", **changes: str | None) -> Answer:
        fields = {**authorize_fields(**changes), "user": user, "decision": decision}
        return self._keep(self.driver.form(self.path("oauth2/v2.0/authorize", tenant), fields, **self._headers()))

    def code(self, user: str = "ada", **changes: str | None) -> str:
        return self.decide(user, **changes).callback["code"]

    def token(self, tenant: str = "", **changes: str | None) -> Answer:
        fields = changed(
            {"client_id": defaults.ENTRA_CLIENT_ID, "client_secret": defaults.ENTRA_CLIENT_SECRET}, changes
        )
        return self.driver.form(self.path("oauth2/v2.0/token", tenant), fields, host=HOST)

    def redeem(self, code: str, tenant: str = "", **changes: str | None) -> Answer:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": defaults.ENTRA_REDIRECT_URI,
            "code_verifier": VERIFIER,
        }
        return self.token(tenant, **{**fields, **changes})

    def refresh(self, refresh_token: str, tenant: str = "", **changes: str | None) -> Answer:
        return self.token(tenant, **{"grant_type": "refresh_token", "refresh_token": refresh_token, **changes})

    def sign_in(self, user: str = "ada", tenant: str = "", **changes: str | None) -> dict[str, Any]:
        """The token answer of a whole sign-in."""
        code = self.decide(user, tenant=tenant, **changes).callback["code"]
        return self.redeem(code, tenant).json

    def published(self, tenant: str = "") -> dict[str, jwt.PyJWK]:
        published = self.get(self.path("discovery/v2.0/keys", tenant)).json["keys"]
        return {key["kid"]: jwt.PyJWK(key, algorithm="RS256") for key in published}

    def verified(self, id_token: str, tenant: str = "", nonce: str | None = "a nonce") -> dict[str, Any]:
        """The claims, checked by PyJWT as a careful client does. Raises jwt.InvalidTokenError or KeyError."""
        discovered = self.get(self.path("v2.0/.well-known/openid-configuration", tenant)).json
        key = self.published(tenant)[jwt.get_unverified_header(id_token)["kid"]]
        claims = jwt.decode(
            id_token,
            key,
            algorithms=["RS256"],
            audience=defaults.ENTRA_CLIENT_ID,
            issuer=discovered["issuer"],
            options={"require": ["exp", "nbf", "oid", "tid"], "verify_exp": False, "verify_nbf": False,
                     "verify_iat": False},
        )  # fmt: skip
        # The driver's clock is not the machine's: times are compared with it by hand.
        if not claims["nbf"] <= self.driver.now < claims["exp"]:
            raise jwt.InvalidTokenError("not valid now")
        if claims.get("nonce") != nonce:
            raise jwt.InvalidTokenError("wrong nonce")
        return claims


def authorize_fields(**changes: str | None) -> dict[str, str]:
    """A right authorize request with changes; None leaves a parameter out."""
    fields = {
        "client_id": defaults.ENTRA_CLIENT_ID,
        "response_type": "code",
        "redirect_uri": defaults.ENTRA_REDIRECT_URI,
        "scope": SCOPE,
        "state": "a state",
        "nonce": "a nonce",
        "prompt": "select_account",
        **PKCE,
    }
    return changed(fields, changes)


def challenge_of(answer: Answer) -> dict[str, Any]:
    """The claims that a 401 asks for."""
    encoded = answer.headers["www-authenticate"].partition('claims="')[2].partition('"')[0]
    return json.loads(b64decode(encoded))
