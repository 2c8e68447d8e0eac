"""What custody needs of an identity provider; one class per provider fulfils it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from shared.models.custody import Identity, Login, Tokens

AZURE_DEVOPS = "azure-devops"
"""Name of the legacy provider: in addresses, cookies, rows and events."""
ENTRA = "entra"
"""Name of Microsoft Entra ID, likewise."""


def granted(asked: str, answered: str) -> str:
    """The scopes that were asked for and that an answer names, in our spelling; all where it names none of them.

    An answer may leave them out (RFC 6749 section 5.1), put a resource before them, or name others: those stay unsaid.
    """
    names = {scope.rpartition("/")[2].lower() for scope in answered.split()}
    return " ".join(scope for scope in asked.split() if scope.lower() in names) or asked


class Revoked(StrEnum):
    """What became of an attempt to revoke."""

    DONE = "revoked"
    NOT_OFFERED = "not_offered"
    LATER = "delayed"


@dataclass(frozen=True, slots=True)
class RevocationAnswer:
    """What an attempt came to; `retry_after` is in seconds, where the service asks to wait."""

    outcome: Revoked
    retry_after: float | None = None


class Provider(Protocol):
    """Knows the endpoints of one identity provider, and never a row, a session or a request."""

    name: str
    title: str
    redirect_uri: str
    scopes: str
    consent_url: str
    """Where a person can withdraw the grant by hand."""
    sign_out_url: str | None
    """Where a person can sign out of the provider itself."""
    offers_sign_in: bool
    """False: live sessions go on, new ones don't begin."""
    offers_revocation: bool
    """Whether there is an endpoint worth asking; False: no revocation is ever stored for this provider."""

    def authorization_url(self, login: Login, *, claims: str = "", consent: bool = False) -> str:
        """Where to send the browser to begin `login`.

        `claims` answers a claims challenge (OpenID Connect Core 1.0 section 5.5), `consent` asks for the grant anew;
        a provider that knows neither leaves them out.
        """
        ...

    def may_be_issuer(self, issuer: str) -> bool:
        """Whether an authorization response that names this issuer (RFC 9207) can be of this provider."""
        ...

    def redeem(self, code: str, login: Login) -> tuple[Tokens, Identity]:
        """Exchange an authorization code, once. Raises a ProviderError, or ScopeMissing for the profile's scope."""
        ...

    def refresh(self, refresh_token: str, scopes: str, ends: datetime) -> Tokens:
        """Exchange a refresh token of a connection with these `scopes`: asked for all together, and for no other.

        No try begins or goes on after `ends`. Raises a ProviderError.
        """
        ...

    def newest_secret_id(self) -> str | None:
        """Id of the client secret that a refresh tries first; None while there is none."""
        ...

    def revoke(self, token: str, hint: str, *, timeout: timedelta) -> RevocationAnswer:
        """Revoke one token (RFC 7009 section 2.1; `hint` is access_token or refresh_token); never raises."""
        ...


Providers = Mapping[str, Provider]
