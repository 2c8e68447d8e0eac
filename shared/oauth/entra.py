"""Microsoft Entra ID for Azure DevOps: authorization code with PKCE and nonce (facts/azure-devops.md section 3).

Refresh tokens rotate, but the old one is not revoked by its use, so a lost reply costs nothing; there is no endpoint to
revoke one, and the sign-out of Microsoft is a link that the person may follow.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from shared.errors import SignInRefused
from shared.models.custody import Identity, Login, Tokens
from shared.oauth import id_token
from shared.oauth.entra_credentials import Credentials
from shared.oauth.provider import ENTRA, RevocationAnswer, Revoked
from shared.oauth.signing_keys import SigningKeys
from shared.oauth.token_request import TokenEndpoint

RESOURCE = "499b84ac-1321-427f-aa17-267ca6975798"
"""Azure DevOps as a resource of Entra ID; a scope without it would be asked of Microsoft Graph (facts 3.2)."""
IDENTITY_SCOPES = "openid profile offline_access"
TOKEN_TYPES = frozenset({"bearer"})
ANY_ORGANIZATION = "organizations"


class EntraProvider:
    """Fulfils Provider with the v2.0 endpoints of one tenant, or of all organizations when several are allowed."""

    name = ENTRA
    title = "Microsoft"
    offers_sign_in = True
    consent_url = "https://myapps.microsoft.com"
    offers_revocation = False

    def __init__(
        self,
        *,
        authority_url: str,
        tenants: Sequence[str],
        client_id: str,
        scopes: str,
        redirect_uri: str,
        home_url: str,
        credentials: Credentials,
        now: Callable[[], datetime],
    ) -> None:
        """`tenants` are ids, the home tenant first; with more than one the authority is `organizations`.

        `home_url` is where Microsoft's own sign-out leads back to: it must be registered as a redirect URI (facts 3.6).
        """
        self.scopes = scopes
        self.redirect_uri = redirect_uri
        self._authority_url = authority_url
        self._tenants = frozenset(tenant.lower() for tenant in tenants)
        self._authority = tenants[0] if len(self._tenants) == 1 else ANY_ORGANIZATION
        self._client_id = client_id
        self._credentials = credentials
        self._now = now
        base = f"{authority_url}/{self._authority}"
        self.sign_out_url: str | None = f"{base}/oauth2/v2.0/logout?{urlencode({'post_logout_redirect_uri': home_url})}"
        self._endpoint = TokenEndpoint(
            f"{base}/oauth2/v2.0/token",
            token_types=TOKEN_TYPES,
            secrets=credentials.values,
            reread=credentials.reread,
            now=now,
            identify=credentials.identify,
        )
        self._keys = SigningKeys(f"{base}/v2.0/.well-known/openid-configuration", now)

    def authorization_url(self, login: Login, *, claims: str = "", consent: bool = False) -> str:
        """Facts 3.3; the verifier's hash (RFC 7636 section 4.2) and the nonce travel, the verifier stays here."""
        digest = hashlib.sha256(login.verifier.encode()).digest()
        query = {
            "client_id": self._client_id,
            "response_type": "code",
            "response_mode": "query",
            "redirect_uri": self.redirect_uri,
            "scope": _prefixed(self.scopes),
            "state": login.state,
            "nonce": login.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "prompt": "consent" if consent else "select_account",
        }
        if claims:
            query["claims"] = claims
        return f"{self._authority_url}/{self._authority}/oauth2/v2.0/authorize?{urlencode(query, quote_via=quote)}"

    def may_be_issuer(self, issuer: str) -> bool:
        """One of the allowed tenants."""
        return any(issuer == self._issuer_of(tenant) for tenant in self._tenants)

    def redeem(self, code: str, login: Login) -> tuple[Tokens, Identity]:
        """Facts 3.3; the checked id token says who signed in.

        No scope is named (RFC 6749 section 4.1.3): the code stands for those that were granted.
        """
        tokens = self._endpoint.exchange(
            lambda secret: {
                **self._client(secret),
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.redirect_uri,
                "code_verifier": login.verifier,
            }
        )
        if tokens.id_token is None:
            raise SignInRefused("no id token was given")
        claims = id_token.check(
            tokens.id_token,
            keys=self._keys,
            issuer_of=self._issuer_of,
            tenants=self._tenants,
            audience=self._client_id,
            nonce=login.nonce,
            now=self._now(),
        )
        return tokens, Identity(ENTRA, claims.issuer, claims.subject, claims.name, claims.username)

    def refresh(self, refresh_token: str, scopes: str, ends: datetime) -> Tokens:
        """Facts 3.4; a scope that is in the settings but was not granted yet would end the grant (AADSTS65001)."""
        return self._endpoint.exchange(
            lambda secret: {
                **self._client(secret),
                "grant_type": "refresh_token",
                "refresh_token": refresh_token,
                "scope": _prefixed(scopes),
            },
            ends,
        )

    def newest_secret_id(self) -> str | None:
        """As the token endpoint knows it."""
        return self._endpoint.newest_secret_id()

    def revoke(self, token: str, hint: str, *, timeout: timedelta) -> RevocationAnswer:
        """There is no such endpoint, and revokeSignInSessions would end the person's sessions with every app."""
        del token, hint, timeout
        return RevocationAnswer(Revoked.NOT_OFFERED)

    def _client(self, secret: str) -> Mapping[str, str]:
        return {"client_id": self._client_id, **self._credentials.fields(secret)}

    def _issuer_of(self, tenant: str) -> str:
        return f"{self._authority_url}/{tenant}/v2.0"


def _prefixed(scopes: str) -> str:
    return " ".join([*(f"{RESOURCE}/{scope}" for scope in scopes.split()), IDENTITY_SCOPES])
