"""Settings, read once: all problems are reported together, by name, never by value (design, Settings)."""

import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from shared.errors import NotConfigured
from shared.sealing import parse_keys, secret_list

DEFAULT_SCOPES = "vso.work vso.build vso.code vso.project vso.profile"
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
SCOPES = re.compile(r"[a-z]+[a-z._]*( [a-z]+[a-z._]*)*")
ORGANIZATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,48}[A-Za-z0-9])?")
ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<authority>(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(:(?P<port>[0-9]{1,5}))?)"
    r"(?P<path>(/[A-Za-z0-9._-]+)*)/?",
    re.IGNORECASE | re.ASCII,
)
SUPPORT = re.compile(
    r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-\[\]-~]*)?|mailto:[A-Za-z0-9.+_-]+@[A-Za-z0-9.-]+", re.ASCII
)
"""Of what may become a link on our pages (`web.formats.is_external`)."""
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?")


def without_default_port(origin: str) -> str:
    """The origin as browsers write it: they leave out 443 of https and 80 of http (WHATWG URL section 4.1)."""
    return origin.removesuffix(":443" if origin.startswith("https://") else ":80")


def _is_base64(text: str) -> bool:
    try:
        return bool(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:
        return False


def _origin_of(text: str) -> re.Match[str] | None:
    """The parts of an address; None too where its host or port is none."""
    try:
        urlsplit(text).port  # noqa: B018 - raises ValueError
    except ValueError:
        return None
    return ORIGIN.fullmatch(text)


def _parts(connection_string: str) -> Mapping[str, str]:
    """Names, in lower case, and values; empty when one is empty or stands twice."""
    pairs = [part.partition("=") for part in connection_string.rstrip(";").split(";")]
    parts = {name.lower(): value for name, _, value in pairs}
    return parts if len(parts) == len(pairs) and all(name and value for name, _, value in pairs) else {}


def _connects(parts: Mapping[str, str]) -> bool:
    """Whether a connection string has an address and what opens it."""
    name, address = parts.get("accountname"), parts.get("tableendpoint")
    opened = _is_base64(parts.get("accountkey", "")) if name else bool(address and parts.get("sharedaccesssignature"))
    if not address and name and "tablesecondaryendpoint" not in parts:
        protocol, suffix = parts.get("defaultendpointsprotocol", "https"), parts.get("endpointsuffix", "example")
        address = f"{protocol}://{name}.table.{suffix}"
    return opened and address is not None and _origin_of(address) is not None


@dataclass(frozen=True, slots=True)
class LegacySettings:
    """The registration with the legacy OAuth of Azure DevOps."""

    app_id: str
    callback_url: str
    scopes: str
    client_secrets: tuple[str, ...] = field(repr=False)
    sign_in: bool = True


@dataclass(frozen=True, slots=True)
class EntraSettings:
    """The registration with Microsoft Entra ID; without client secrets the managed identity is the credential."""

    client_id: str
    tenants: tuple[str, ...]
    redirect_uri: str
    scopes: str
    client_secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings, valid."""

    public_url: str
    allowed_hosts: frozenset[str]
    legacy: LegacySettings | None
    entra: EntraSettings | None
    allowed_organizations: frozenset[str]
    encryption_keys: tuple[bytes, ...] = field(repr=False)
    token_store_url: str | None
    storage_connection_string: str | None = field(repr=False)
    azure_client_id: str | None
    key_vault_url: str | None
    session_lifetime: timedelta
    session_idle: timedelta
    sessions_not_before: datetime | None
    refresh_margin: timedelta
    refresh_calls_per_second: int
    app_name: str
    support_url: str | None
    azure_devops_url: str
    azure_devops_identity_url: str
    entra_authority_url: str

    @property
    def secure(self) -> bool:
        """Whether browsers reach us over https, so that cookies take the `__Host-` prefix and Secure."""
        return self.public_url.startswith("https://")

    def answers_to(self, host: str) -> bool:
        """Whether a Host header names this site; in any case, and with the port that need not be named."""
        scheme, _, own = self.public_url.partition("://")
        name = without_default_port(f"{scheme}://{host.lower()}").removeprefix(f"{scheme}://")
        return name == own or name in self.allowed_hosts

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, now: datetime | None = None) -> "Config":
        """Read all settings. Raises NotConfigured with every problem found."""
        return _Reader(environ, now or datetime.now(UTC)).config()


class _Reader:
    """Collects problems while it reads, so that one start tells them all."""

    def __init__(self, environ: Mapping[str, str], now: datetime) -> None:
        self._environ = environ
        self._now = now
        self._problems: list[str] = []

    def config(self) -> Config:
        public_url = self._origin("PUBLIC_URL", None)
        scheme = public_url.partition("//")[0]
        config = Config(
            public_url=public_url,
            allowed_hosts=frozenset(
                without_default_port(f"{scheme}//{host.lower()}").removeprefix(f"{scheme}//")
                for host in self._list("ALLOWED_HOSTS", HOST, "a host name")
            ),
            legacy=self._legacy(public_url),
            entra=self._entra(public_url),
            allowed_organizations=frozenset(
                name.lower() for name in self._list("ALLOWED_ORGANIZATIONS", ORGANIZATION, "an organization name")
            ),
            encryption_keys=self._keys(),
            token_store_url=self._origin("TOKEN_STORE_URL", "", may_have_path=True) or None,
            storage_connection_string=self._connection_string(),
            azure_client_id=self._text("AZURE_CLIENT_ID") or None,
            key_vault_url=self._vault(),
            session_lifetime=timedelta(hours=self._number("SESSION_LIFETIME_HOURS", 24, 1, 24 * 90)),
            session_idle=timedelta(hours=self._number("SESSION_IDLE_HOURS", 8, 1, 24 * 90)),
            sessions_not_before=self._moment("SESSIONS_NOT_BEFORE"),
            refresh_margin=timedelta(minutes=self._number("REFRESH_MARGIN_MINUTES", 15, 6, 55)),
            refresh_calls_per_second=self._number("REFRESH_CALLS_PER_SECOND", 50, 1, 1000),
            app_name=self._text("APP_NAME", "Gatehouse")[:60],
            support_url=self._support_url(),
            azure_devops_url=self._origin("AZURE_DEVOPS_URL", "https://dev.azure.com"),
            azure_devops_identity_url=self._origin("AZURE_DEVOPS_IDENTITY_URL", "https://app.vssps.visualstudio.com"),
            entra_authority_url=self._origin("ENTRA_AUTHORITY_URL", "https://login.microsoftonline.com"),
        )
        self._unless(bool(config.token_store_url or config.storage_connection_string), "TOKEN_STORE_URL", "is missing")
        if self._problems:
            raise NotConfigured(self._problems)
        return config

    def _legacy(self, public_url: str) -> LegacySettings | None:
        app_id = self._text("AZURE_DEVOPS_APP_ID")
        if not app_id:
            return None
        self._unless(bool(GUID.fullmatch(app_id)), "AZURE_DEVOPS_APP_ID", "is not a GUID")
        secrets = secret_list(self._text("AZURE_DEVOPS_CLIENT_SECRET"))
        known = bool(secrets) or bool(self._text("KEY_VAULT_URL"))
        self._unless(known, "AZURE_DEVOPS_CLIENT_SECRET", "is missing")
        path = "/auth/callback"
        callback = self._text("CALLBACK_URL", public_url + path)
        # Kept as it is registered, also with a port that PUBLIC_URL need not name.
        same = callback.endswith(path) and without_default_port(callback.removesuffix(path)) == public_url
        self._unless(same, "CALLBACK_URL", "is not PUBLIC_URL + /auth/callback")
        scopes = self._scopes()
        sign_in = self._text("AZURE_DEVOPS_SIGN_IN", "on").lower()
        self._unless(sign_in in ("on", "off"), "AZURE_DEVOPS_SIGN_IN", "is neither on nor off")
        return LegacySettings(app_id, callback, scopes, secrets, sign_in == "on")

    def _entra(self, public_url: str) -> EntraSettings | None:
        client_id, tenant = self._text("ENTRA_CLIENT_ID"), self._text("ENTRA_TENANT_ID")
        if not client_id:
            return None
        self._unless(bool(GUID.fullmatch(client_id)), "ENTRA_CLIENT_ID", "is not a GUID")
        self._unless(bool(GUID.fullmatch(tenant)), "ENTRA_TENANT_ID", "is not the GUID of a tenant")
        others = self._list("ALLOWED_TENANTS", GUID, "the GUID of a tenant")
        return EntraSettings(
            client_id=client_id.lower(),  # as id tokens have it in `aud`, which is compared to the letter
            tenants=tuple(dict.fromkeys(part.lower() for part in (tenant, *others))),
            redirect_uri=f"{public_url}/auth/callback/entra",
            scopes=self._scopes(),
            client_secrets=secret_list(self._text("ENTRA_CLIENT_SECRET")),
        )

    def _scopes(self) -> str:
        scopes = " ".join(self._text("AZURE_DEVOPS_SCOPES", DEFAULT_SCOPES).split())
        self._unless(bool(SCOPES.fullmatch(scopes)), "AZURE_DEVOPS_SCOPES", "is not a list of scopes")
        return scopes

    def _vault(self) -> str | None:
        """With a vault, the settings that it replaces must be absent: two sources of a secret are one too many."""
        url = self._origin("KEY_VAULT_URL", "")
        for name in ("TOKEN_ENCRYPTION_KEY", "AZURE_DEVOPS_CLIENT_SECRET", "ENTRA_CLIENT_SECRET"):
            self._unless(not url or not self._text(name), name, "must be absent where KEY_VAULT_URL is set")
        return url or None

    def _keys(self) -> tuple[bytes, ...]:
        name, text = "TOKEN_ENCRYPTION_KEY", self._text("TOKEN_ENCRYPTION_KEY")
        if self._text("KEY_VAULT_URL"):
            return ()
        self._unless(bool(secret_list(text)), name, "is missing")
        keys = parse_keys(text)
        self._unless(bool(keys) or not secret_list(text), name, "is not a list of keys of 64 hex digits")
        return keys

    def _origin(self, name: str, default: str | None, *, may_have_path: bool = False) -> str:
        text = self._text(name, default or "")
        if not text:
            self._unless(default is not None, name, "is missing")
            return ""
        match = _origin_of(text)
        valid = match is not None and (may_have_path or not match["path"])
        self._unless(valid, name, "is not an origin (https://host)")
        if match is None:
            return text
        scheme, authority = match["scheme"].lower(), match["authority"].lower()
        self._unless(scheme == "https" or match["host"].lower() in LOOPBACK, name, "must be https except on loopback")
        return without_default_port(f"{scheme}://{authority}") + match["path"]

    def _connection_string(self) -> str | None:
        """Checked here, because the SDK would refuse it before there is anything that could show a page."""
        text = self._text("AzureWebJobsStorage")
        valid = text.lower() == "usedevelopmentstorage=true" or _connects(_parts(text))
        self._unless(valid or not text, "AzureWebJobsStorage", "is no connection string of a storage account")
        return text or None

    def _support_url(self) -> str | None:
        text = self._text("SUPPORT_URL")
        valid = not text or SUPPORT.fullmatch(text) is not None
        self._unless(valid, "SUPPORT_URL", "is no address of https, and no mailto with one address")
        return text or None

    def _list(self, name: str, pattern: re.Pattern[str], what: str) -> Sequence[str]:
        parts = [part.strip() for part in self._text(name).split(",") if part.strip()]
        self._unless(all(pattern.fullmatch(part) for part in parts), name, f"has a part that is not {what}")
        return parts

    def _number(self, name: str, default: int, least: int, most: int) -> int:
        text = self._text(name, str(default))
        valid = text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) <= most
        self._unless(valid, name, f"is not a whole number from {least} to {most}")
        return int(text) if valid else default

    def _moment(self, name: str) -> datetime | None:
        text = self._text(name)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text) if text.endswith("Z") else None
        except ValueError:
            moment = None
        self._unless(moment is not None, name, "is not a UTC time like 2026-01-31T12:00:00Z")
        self._unless(moment is None or moment <= self._now, name, "is in the future")
        return moment

    def _text(self, name: str, default: str = "") -> str:
        return self._environ.get(name, "").strip() or default

    def _unless(self, valid: bool, name: str, problem: str) -> None:
        if not valid:
            self._problems.append(f"{name} {problem}")
