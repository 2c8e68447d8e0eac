"""Authorization codes and token families, with the four behaviours of a used refresh token.

A family begins with a code and ends when it is revoked. Each refresh adds a refresh and an access token:

* nonrotating: a used refresh token stays valid.
* grace30: it stays valid for 30 s after its first use.
* prev-until-used: it stays valid until a token issued for it is used.
* strict: it is spent at once, and a second use revokes the family.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tools.simulator.identity.minting import digest, mint
from tools.simulator.settings import Settings

GRACE_SECONDS = 30

type State = Literal["active", "spent", "expired", "revoked", "secret_gone"]


class NotValidError(Exception):
    """The code or token cannot be used: unknown, spent, expired, revoked, or its client secret is gone."""


@dataclass
class Code:
    user: str
    scopes: str
    redirect_uri: str
    expires_at: float
    spent: bool = False


@dataclass
class Family:
    """All tokens of one consent."""

    id: str
    user: str
    scopes: str
    revoked: bool = False
    refreshes: int = 0
    reuses: int = 0  # old refresh tokens accepted again
    replays: int = 0  # spent refresh tokens refused
    refresh_tokens: list["RefreshToken"] = field(default_factory=list)
    access_tokens: list["AccessToken"] = field(default_factory=list)


@dataclass
class RefreshToken:
    digest: str
    family: Family
    secret: str
    issued_at: float
    expires_at: float
    parent: "RefreshToken | None"
    first_used_at: float | None = None
    spent_at: float | None = None


@dataclass
class AccessToken:
    digest: str
    family: Family
    secret: str
    issued_at: float
    expires_at: float
    refresh_token: RefreshToken
    revoked: bool = False


@dataclass(frozen=True)
class Issued:
    """What one token call hands out."""

    access_token: str
    refresh_token: str
    scopes: str


class Tokens:
    """Everything the token service has issued. `now` is its clock in Unix seconds."""

    def __init__(self, settings: Callable[[], Settings], now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self._codes: dict[str, Code] = {}
        self._refresh: dict[str, RefreshToken] = {}
        self._access: dict[str, AccessToken] = {}
        self.families: list[Family] = []
        self.revoke_requests = {"access_token": 0, "refresh_token": 0, "unknown": 0}

    def issue_code(self, user: str, scopes: str, redirect_uri: str) -> str:
        """A single-use authorization code."""
        expires_at = self._now() + self._settings().code_lifetime
        code = mint({"aud": "code", "sub": user, "exp": int(expires_at), "scp": scopes}, size=1600)
        self._codes[code] = Code(user, scopes, redirect_uri, expires_at)
        return code

    def redeem(self, value: str, redirect_uri: str, secret: str) -> Issued:
        """The first tokens of a new family. Raises NotValidError."""
        code = self._codes.get(value)
        if code is None or code.spent or code.expires_at <= self._now() or code.redirect_uri != redirect_uri:
            raise NotValidError
        code.spent = True
        family = Family(f"{len(self.families) + 1:06d}", code.user, code.scopes)
        self.families.append(family)
        return self._issue(family, secret, parent=None)

    def refresh(self, value: str, secret: str) -> Issued:
        """New tokens for a refresh token, after the selected reuse behaviour. Raises NotValidError."""
        token = self._refresh.get(value)
        if token is None:
            raise NotValidError
        state = self.state_of_refresh_token(token)
        if state != "active":
            self._note_replay(token, state)
            raise NotValidError
        token.family.refreshes += 1
        token.family.reuses += token.first_used_at is not None
        token.first_used_at = token.first_used_at or self._now()
        self._spend_parent(token)
        if self._settings().reuse == "strict":
            token.spent_at = self._now()
        return self._issue(token.family, secret, parent=token)

    def user_of_access_token(self, value: str) -> Family:
        """The family whose access token this is. Raises NotValidError. Counts as a use of the token."""
        token = self._access.get(value)
        if token is None or self.state_of_access_token(token) != "active":
            raise NotValidError
        self._spend_parent(token.refresh_token)
        return token.family

    def revoke(self, value: str) -> None:
        """Kill an access token, or with a refresh token its whole family (RFC 7009 section 2.1)."""
        if access := self._access.get(value):
            self.revoke_requests["access_token"] += 1
            access.revoked = True
        elif refresh := self._refresh.get(value):
            self.revoke_requests["refresh_token"] += 1
            refresh.family.revoked = True
        else:
            self.revoke_requests["unknown"] += 1

    def owner(self, value: str) -> str | None:
        """Whose code or token this is, valid or not; None when it was never issued."""
        if code := self._codes.get(value):
            return code.user
        token = self._access.get(value) or self._refresh.get(value)
        return token.family.user if token else None

    def state_of_refresh_token(self, token: RefreshToken) -> State:
        """Whether a refresh token could be used now, and if not why."""
        if token.family.revoked:
            return "revoked"
        if token.spent_at is not None or self._grace_is_over(token):
            return "spent"
        return self._state_by_time_and_secret(token)

    def state_of_access_token(self, token: AccessToken) -> State:
        """Whether an access token could be used now, and if not why."""
        if token.revoked or token.family.revoked:
            return "revoked"
        return self._state_by_time_and_secret(token)

    def _state_by_time_and_secret(self, token: RefreshToken | AccessToken) -> State:
        if token.expires_at <= self._now():
            return "expired"
        # Facts 1.7: tokens minted with a client secret stop working with it.
        return "active" if token.secret in self._settings().client_secrets else "secret_gone"

    def _grace_is_over(self, token: RefreshToken) -> bool:
        if self._settings().reuse != "grace30" or token.first_used_at is None:
            return False
        return self._now() >= token.first_used_at + GRACE_SECONDS

    def _note_replay(self, token: RefreshToken, state: State) -> None:
        if token.first_used_at is None:
            return
        token.family.replays += 1
        if state == "spent" and self._settings().reuse == "strict":
            token.family.revoked = True

    def _spend_parent(self, token: RefreshToken) -> None:
        parent = token.parent
        if parent and parent.spent_at is None and self._settings().reuse == "prev-until-used":
            parent.spent_at = self._now()

    def _issue(self, family: Family, secret: str, parent: RefreshToken | None) -> Issued:
        now, settings = self._now(), self._settings()
        claims: dict[str, object] = {"nameid": family.user, "scp": family.scopes, "nbf": int(now)}
        refresh = mint({**claims, "aud": "refresh"}, size=1100)
        access = mint({**claims, "exp": int(now) + settings.token_lifetime}, size=1250)
        refresh_token = RefreshToken(
            digest(refresh), family, secret, now, now + settings.refresh_token_lifetime, parent
        )
        access_token = AccessToken(digest(access), family, secret, now, now + settings.token_lifetime, refresh_token)
        self._refresh[refresh], self._access[access] = refresh_token, access_token
        family.refresh_tokens.append(refresh_token)
        family.access_tokens.append(access_token)
        return Issued(access, refresh, family.scopes)
