"""Codes and tokens that Entra has issued.

A refresh token is replaced on every use and the old one stays valid; it is bound to user and client, neither to a
tenant nor to a client secret (facts 3.4).
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from tools.simulator.entra.scopes import RESOURCE, Asked
from tools.simulator.identity.minting import digest, mint
from tools.simulator.identity.tokens import NotValidError
from tools.simulator.sample.tenants import Tenant
from tools.simulator.settings import Json, Settings

type State = Literal["active", "expired", "revoked"]


@dataclass(frozen=True)
class Authorization:
    """What somebody has agreed to: the account (a person as one tenant knows them) and the request."""

    user: str
    tenant: Tenant
    asked: Asked
    redirect_uri: str
    nonce: str
    code_challenge: str
    claims: dict[str, Json]
    signed_in_at: float


@dataclass
class Code:
    authorization: Authorization
    path_tenant: str
    expires_at: float
    spent: bool = False


@dataclass
class RefreshToken:
    digest: str
    family: "Family"
    issued_at: float
    expires_at: float
    first_used_at: float | None = None
    spent_at: float | None = None  # never set: using a refresh token does not end it


@dataclass
class AccessToken:
    digest: str
    family: "Family"
    tenant: Tenant
    scopes: str
    issued_at: float
    expires_at: float


@dataclass
class Family:
    """All tokens of one sign-in."""

    id: str
    authorization: Authorization
    revoked: bool = False
    refreshes: int = 0
    reuses: int = 0  # old refresh tokens accepted again
    replays: int = 0
    refresh_tokens: list[RefreshToken] = field(default_factory=list)
    access_tokens: list[AccessToken] = field(default_factory=list)

    @property
    def user(self) -> str:
        return self.authorization.user

    @property
    def scopes(self) -> str:
        return " ".join(self.authorization.asked.resource)


@dataclass(frozen=True)
class Issued:
    """What one token call hands out. `refresh_token` is empty where offline_access was not granted."""

    access_token: str
    refresh_token: str
    family: Family
    tenant: Tenant
    asked: Asked


class Grants:
    """Everything that Entra has issued. `now` is its clock in Unix seconds."""

    def __init__(self, settings: Callable[[], Settings], now: Callable[[], float]) -> None:
        self._settings, self._now = settings, now
        self._codes: dict[str, Code] = {}
        self._refresh: dict[str, RefreshToken] = {}
        self._access: dict[str, AccessToken] = {}
        self._consents: dict[tuple[str, str], set[str]] = {}
        self.families: list[Family] = []

    def consented(self, user: str, tenant: Tenant) -> set[str]:
        """The scopes that `user` has granted the application in `tenant` so far."""
        return self._consents.get((user, tenant.id), set())

    def consent(self, user: str, tenant: Tenant, scopes: tuple[str, ...]) -> None:
        self._consents.setdefault((user, tenant.id), set()).update(scopes)

    def issue_code(self, authorization: Authorization, path_tenant: str) -> str:
        """A single-use code; `path_tenant` is the tenant in the address that it was asked from."""
        value = f"1.{secrets.token_urlsafe(640)}"
        expires_at = self._now() + self._settings().entra_code_lifetime
        self._codes[value] = Code(authorization, path_tenant.lower(), expires_at)
        return value

    def code(self, value: str) -> Code | None:
        return self._codes.get(value)

    def refresh_token(self, value: str) -> RefreshToken | None:
        return self._refresh.get(value)

    def start_family(self, code: Code) -> Family:
        """Spend the code."""
        code.spent = True
        family = Family(f"entra-{len(self.families) + 1:06d}", code.authorization)
        self.families.append(family)
        return family

    def note_refresh(self, token: RefreshToken) -> None:
        """Count a use of a refresh token."""
        token.family.refreshes += 1
        token.family.reuses += token.first_used_at is not None
        token.first_used_at = token.first_used_at or self._now()

    def issue(self, family: Family, tenant: Tenant, asked: Asked) -> Issued:
        """New tokens of the family for `tenant`."""
        now, settings = self._now(), self._settings()
        expires_at = now + settings.token_lifetime
        scopes = " ".join(asked.resource)
        claims: dict[str, object] = {"aud": RESOURCE, "tid": tenant.id, "scp": scopes, "exp": int(expires_at)}
        access = mint(claims, size=1900)
        access_token = AccessToken(digest(access), family, tenant, scopes, now, expires_at)
        self._access[access] = access_token
        family.access_tokens.append(access_token)
        refresh = self._issue_refresh_token(family, now) if "offline_access" in asked.oidc else ""
        return Issued(access, refresh, family, tenant, asked)

    def _issue_refresh_token(self, family: Family, now: float) -> str:
        value = f"1.{secrets.token_urlsafe(900)}"
        token = RefreshToken(digest(value), family, now, now + self._settings().entra_refresh_token_lifetime)
        self._refresh[value] = token
        family.refresh_tokens.append(token)
        return value

    def access_token(self, value: str) -> AccessToken:
        """The token if it can be used now. Raises NotValidError."""
        token = self._access.get(value)
        if token is None or self.state_of_access_token(token) != "active":
            raise NotValidError
        return token

    def owner(self, value: str) -> str | None:
        """Whose code or token this is, valid or not; None when it was never issued."""
        if code := self._codes.get(value):
            return code.authorization.user
        token = self._access.get(value) or self._refresh.get(value)
        return token.family.user if token else None

    def state_of_refresh_token(self, token: RefreshToken) -> State:
        """Whether a refresh token could be used now, and if not why."""
        return "revoked" if token.family.revoked else self._state_by_time(token)

    def state_of_access_token(self, token: AccessToken) -> State:
        """Whether an access token could be used now; it outlives a revocation."""
        return self._state_by_time(token)

    def revoke_sign_ins(self, user: str) -> None:
        """As when an administrator ends all of somebody's sign-ins: their refresh tokens are dead (facts 3.4)."""
        for family in self.families:
            family.revoked = family.revoked or family.user == user

    def _state_by_time(self, token: RefreshToken | AccessToken) -> State:
        return "expired" if token.expires_at <= self._now() else "active"


def narrowed(asked: Asked, withheld: tuple[str, ...]) -> Asked:
    """What is granted of `asked` where some scopes are withheld."""
    return replace(asked, resource=tuple(scope for scope in asked.resource if scope not in withheld))
