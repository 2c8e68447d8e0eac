"""The token endpoint: an authorization code or a refresh token for tokens (facts 3.3, 3.4)."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from tools.simulator.entra.claims import BadClaimsError, covers, read_claims
from tools.simulator.entra.client import check_client
from tools.simulator.entra.failures import NO_STORE, EntraError, Failure, failing
from tools.simulator.entra.grants import Code, Family, Grants, Issued
from tools.simulator.entra.id_token import Identity, id_token
from tools.simulator.entra.scopes import DEFAULT, Asked, read_scopes, with_prefix
from tools.simulator.entra.tenancy import Place, account_tenant, check_registered, find_place
from tools.simulator.messages import DuplicatedError, Request, Response, json_response, single_values
from tools.simulator.sample.people import Directory
from tools.simulator.sample.tenants import Tenant
from tools.simulator.settings import Settings

GRANT_NAMES = {"authorization_code": "code", "refresh_token": "refresh_token"}


class Exchange:
    """Answers the token endpoint."""

    def __init__(
        self, grants: Grants, directory: Directory, settings: Callable[[], Settings], now: Callable[[], float]
    ) -> None:
        self._grants, self._directory, self._settings, self._now = grants, directory, settings, now

    def answer(self, request: Request, origin: str) -> Response:
        """Tokens, or Entra's error body."""
        try:
            values = _form(request)
            place = find_place(request.segments[0])
            check_registered(place, self._settings())
            check_client(values, self._settings(), self._now)
            issued, nonce = self._exchange(values, place)
        except EntraError as error:
            return self.refuse(error.failure)
        return json_response(self._body(issued, nonce, origin), headers=NO_STORE)

    def refuse(self, failure: Failure) -> Response:
        return failure.response(datetime.fromtimestamp(self._now(), UTC))

    def _exchange(self, values: dict[str, str], place: Place) -> tuple[Issued, str]:
        match values.get("grant_type"):
            case None | "":
                raise failing(900144, "The request body must contain the following parameter: 'grant_type'.")
            case "authorization_code":
                return self._redeem(values, place)
            case "refresh_token":
                return self._refresh(values, place), ""  # an id token of a refresh has no nonce
        raise failing(70003)

    def _redeem(self, values: dict[str, str], place: Place) -> tuple[Issued, str]:
        code = self._grants.code(_needed(values, "code"))
        redirect_uri = _needed(values, "redirect_uri")
        if code is None:
            raise failing(70000)
        if code.spent:
            raise failing(54005)
        if code.expires_at <= self._now():
            raise failing(70008)
        authorization = code.authorization
        if authorization.redirect_uri != redirect_uri:
            raise failing(500112)
        if not _same_tenant(code, place):
            raise failing(70000, "The code was issued by another tenant.")
        _check_verifier(authorization.code_challenge, values.get("code_verifier"))
        asked = self._asked(values, authorization.asked, authorization.user, authorization.tenant)
        family = self._grants.start_family(code)
        return self._grants.issue(family, authorization.tenant, asked), authorization.nonce

    def _refresh(self, values: dict[str, str], place: Place) -> Issued:
        token = self._grants.refresh_token(_needed(values, "refresh_token"))
        if token is None:
            raise failing(70000)
        match self._grants.state_of_refresh_token(token):
            case "expired":
                raise failing(700082)
            case "revoked":
                raise failing(50173)
        family = token.family
        tenant = self._tenant_of_refresh(family, place)
        _check_claims(values, family)
        asked = self._asked(values, family.authorization.asked, family.user, family.authorization.tenant)
        self._grants.note_refresh(token)
        oidc = tuple(dict.fromkeys((*asked.oidc, "offline_access")))
        return self._grants.issue(family, tenant, Asked(asked.resource, oidc))

    def _tenant_of_refresh(self, family: Family, place: Place) -> Tenant:
        """The tenant of the address, where this person has an account; with an alias, that of the sign-in."""
        if place.tenant is None:
            return family.authorization.tenant
        return account_tenant(place, self._directory[family.user])

    def _asked(self, values: dict[str, str], granted: Asked, user: str, tenant: Tenant) -> Asked:
        """The scopes of this call: those of the sign-in unless it names others that were granted too."""
        if not values.get("scope"):
            return granted
        asked = read_scopes(values["scope"])
        consented = self._grants.consented(user, tenant) | set(granted.resource)
        if not set(asked.resource) - {DEFAULT} <= consented:
            raise failing(65001)
        if not asked.resource or DEFAULT in asked.resource:
            return Asked(granted.resource, asked.oidc)
        return asked

    def _body(self, issued: Issued, nonce: str, origin: str) -> dict[str, Any]:
        lifetime = self._settings().token_lifetime
        body: dict[str, Any] = {
            "token_type": "Bearer",
            "scope": with_prefix(issued.asked.resource),
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": issued.access_token,
        }
        if issued.refresh_token:
            body["refresh_token"] = issued.refresh_token
        if "openid" in issued.asked.oidc:
            person = self._directory[issued.family.user]
            token = id_token(Identity(person, issued, origin, nonce, int(self._now())), self._settings())
            body |= {"id_token": token} if token else {}
        return body


def _form(request: Request) -> dict[str, str]:
    if request.method != "POST":
        raise failing(900561)
    if request.media_type != "application/x-www-form-urlencoded":
        raise failing(900144, "The request body must contain the following parameter: 'grant_type'.")
    try:
        return single_values(request.form_pairs)
    except DuplicatedError as duplicated:
        raise failing(9002313, f"The parameter '{duplicated}' is duplicated.") from None


def _needed(values: dict[str, str], name: str) -> str:
    if not values.get(name):
        raise failing(900144, f"The request body must contain the following parameter: '{name}'.")
    return values[name]


def _same_tenant(code: Code, place: Place) -> bool:
    """A code is redeemed where it was issued, or at the tenant of the account."""
    if place.tenant is None:
        return code.path_tenant in ("organizations", "common")
    return place.tenant == code.authorization.tenant


def _check_verifier(challenge: str, verifier: str | None) -> None:
    """RFC 7636 section 4.6; a verifier without a challenge is refused too (a downgrade would show so)."""
    if not challenge and verifier is None:
        return
    made = urlsafe_b64encode(sha256((verifier or "").encode()).digest()).decode().rstrip("=")
    if not 43 <= len(verifier or "") <= 128 or made != challenge:
        raise failing(501481)


def _check_claims(values: dict[str, str], family: Family) -> None:
    """A refresh cannot do what a challenge asks for: somebody must sign in again."""
    text = values.get("claims", "")
    try:
        asked = read_claims(text)
    except BadClaimsError:
        raise failing(9002313, "The parameter 'claims' is malformed.") from None
    if not covers(family.authorization.claims, {"access_token": asked}):
        raise failing(50076, claims=text)
