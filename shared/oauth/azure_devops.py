"""The legacy OAuth of Azure DevOps: JWT-bearer assertions, no PKCE, no nonce (facts/azure-devops.md section 1).

State is therefore the only defence of its callback: single use, ten minutes, bound to browser and provider.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from shared.errors import ProviderError, ScopeMissing, Unavailable
from shared.models.custody import Identity, Login, Tokens
from shared.oauth.provider import AZURE_DEVOPS, RevocationAnswer, Revoked
from shared.oauth.token_request import TokenEndpoint, bounded, bounded_post, json_object
from shared.retry_after import parse_retry_after

ISSUER = "https://app.vssps.visualstudio.com"
"""A constant of the user id, whatever host is configured: a person stays the same person (design, Rows)."""
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CODE_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_TYPES = frozenset({"jwt-bearer", "bearer", "jwt"})
PROFILE_SECONDS = 10.0
WITHDRAWAL = timedelta(milliseconds=350)


class AzureDevOpsProvider:
    """Fulfils Provider with the endpoints of app.vssps.visualstudio.com."""

    name = AZURE_DEVOPS
    title = "Azure DevOps"
    offers_revocation = True  # undocumented (facts 1.8): asked each time, and "not offered" is an answer

    def __init__(
        self,
        *,
        identity_url: str,
        client_id: str,
        scopes: str,
        redirect_uri: str,
        secrets: Callable[[], Sequence[str]],
        reread: Callable[[], None],
        now: Callable[[], datetime],
        offers_sign_in: bool = True,
    ) -> None:
        """`identity_url` is an origin without a trailing slash; `secrets` and `reread` as in TokenEndpoint."""
        self.offers_sign_in = offers_sign_in
        self.redirect_uri = redirect_uri
        self.consent_url = f"{identity_url}/Profile/View"
        self.sign_out_url: str | None = None  # facts 1.8: there is none
        self.scopes = scopes
        self._identity_url = identity_url
        self._client_id = client_id
        self._now = now
        self._endpoint = TokenEndpoint(
            f"{identity_url}/oauth2/token", token_types=TOKEN_TYPES, secrets=secrets, reread=reread, now=now
        )

    def authorization_url(self, login: Login, *, claims: str = "", consent: bool = False) -> str:
        """Facts 1.2; the verifier and the nonce of `login` have no place in this flow."""
        del claims, consent
        query = {
            "client_id": self._client_id,
            "response_type": "Assertion",
            "state": login.state,
            "scope": self.scopes,
            "redirect_uri": self.redirect_uri,
        }
        return f"{self._identity_url}/oauth2/authorize?{urlencode(query, quote_via=quote)}"

    def may_be_issuer(self, issuer: str) -> bool:
        """The legacy service names none, so an answer that does is of somebody else."""
        del issuer
        return False

    def redeem(self, code: str, login: Login) -> tuple[Tokens, Identity]:
        """Facts 1.4; then the profile, which alone says who signed in: ScopeMissing where it may not be read."""
        del login  # no PKCE here
        tokens = self._endpoint.exchange(lambda secret: self._form(secret, CODE_GRANT, code))
        try:
            return tokens, self._identity(tokens.access_token)
        except (ProviderError, ScopeMissing):
            self._withdraw(tokens)
            raise

    def refresh(self, refresh_token: str, scopes: str, ends: datetime) -> Tokens:
        """Facts 1.5: the refresh token travels as `assertion`, and no scope can be named."""
        del scopes
        return self._endpoint.exchange(lambda secret: self._form(secret, "refresh_token", refresh_token), ends)

    def newest_secret_id(self) -> str | None:
        """As the token endpoint knows it."""
        return self._endpoint.newest_secret_id()

    def revoke(self, token: str, hint: str, *, timeout: timedelta) -> RevocationAnswer:
        """Facts 1.8: 404, 405, 501, a redirect or HTML mean that the service has no such endpoint."""
        seconds = timeout.total_seconds()
        if seconds <= 0:
            return RevocationAnswer(Revoked.LATER)
        form = {"token": token, "token_type_hint": hint}
        try:
            status, headers, _ = bounded_post(
                self._endpoint.session,
                f"{self._identity_url}/oauth2/revoke",
                form,
                seconds,
                headers={"Authorization": f"Bearer {token}"},
            )
        except Unavailable:
            return RevocationAnswer(Revoked.LATER)
        return RevocationAnswer(_revoked(status, headers), parse_retry_after(headers.get("Retry-After"), self._now()))

    def _withdraw(self, tokens: Tokens) -> None:
        """Nobody will store these tokens: don't leave them alive where the service can help it."""
        for hint, token in (("refresh_token", tokens.refresh_token), ("access_token", tokens.access_token)):
            if token:
                self.revoke(token, hint, timeout=WITHDRAWAL)

    def _form(self, secret: str, grant: str, assertion: str) -> Mapping[str, str]:
        return {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": secret,
            "grant_type": grant,
            "assertion": assertion,
            "redirect_uri": self.redirect_uri,
        }

    def _identity(self, access_token: str) -> Identity:
        status, headers, body = bounded(
            self._endpoint.session.get,
            f"{self._identity_url}/_apis/profile/profiles/me?api-version=7.1",
            PROFILE_SECONDS,
            headers={"Authorization": f"Bearer {access_token}", "Accept": "application/json"},
        )
        if status == 403:
            raise ScopeMissing("vso.profile")
        if status != 200:
            raise Unavailable(f"profile: {status}")
        profile = json_object(headers, body, status)
        subject = profile.get("id")
        if not isinstance(subject, str) or not 1 <= len(subject) <= 128:
            raise Unavailable("profile: no id")
        name, email = _text(profile, "displayName", "DisplayName"), _text(profile, "emailAddress", "EmailAddress")
        return Identity(AZURE_DEVOPS, ISSUER, subject.lower(), name or "Azure DevOps user", email)


def _revoked(status: int, headers: Mapping[str, str]) -> Revoked:
    if "html" in headers.get("Content-Type", "").lower() and status < 500:
        return Revoked.NOT_OFFERED
    if status in (404, 405, 501) or 300 <= status < 400:
        return Revoked.NOT_OFFERED
    # RFC 7009 section 2.2: 200 also for a token that is not valid any more; 400 means it will never be taken.
    return Revoked.DONE if status in (200, 204) else Revoked.NOT_OFFERED if status == 400 else Revoked.LATER


def _text(profile: Mapping[str, object], plain: str, core: str) -> str | None:
    """A field of either profile shape (facts 4.2: top level, or coreAttributes.{Name}.value)."""
    value = profile.get(plain)
    if value is None and isinstance(attributes := profile.get("coreAttributes"), dict):
        attribute = attributes.get(core)
        value = attribute.get("value") if isinstance(attribute, dict) else None
    return value[:256] if isinstance(value, str) and value.strip() else None
