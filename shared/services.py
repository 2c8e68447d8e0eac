"""The composition root: the only place that knows which class fulfils which Protocol, and that reads the environment.

Nothing here does I/O, so that two threads may build at once and an import can't fail for a missing setting.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from shared.azure_devops.client import AzureDevOps
from shared.config import Config, EntraSettings
from shared.custody import Custody
from shared.custody.rules import Limits
from shared.errors import VaultError
from shared.events import emitter
from shared.identity import ManagedIdentity
from shared.key_vault import KeyVault
from shared.oauth.azure_devops import AzureDevOpsProvider
from shared.oauth.entra import EntraProvider
from shared.oauth.entra_credentials import FEDERATED_SCOPE, Credentials
from shared.oauth.provider import AZURE_DEVOPS, ENTRA, Provider
from shared.storage.connections import TableConnections
from shared.storage.due import TableDue
from shared.storage.logins import TableLogins
from shared.storage.rows import TABLE as CONNECTIONS
from shared.storage.tables import Tables, connect
from shared.vault import AZURE_DEVOPS_SECRET, ENTRA_SECRET, Secrets, SettingSecrets, VaultSecrets
from shared.web.cookies import Cookies
from shared.web.headers import security_headers
from shared.web.pages import Pages
from shared.web.statics import StaticFiles


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a handler may need, and nothing else."""

    config: Config
    custody: Custody
    azure_devops: AzureDevOps
    pages: Pages
    cookies: Cookies
    security: Mapping[str, str]
    probe_store: Callable[[], None]
    """Whether the token store answers. Raises StoreError, within seconds."""
    probe_vault: Callable[[], None]
    """Whether all is well with our own secrets, though cached ones may still serve. Raises VaultError."""


def utc_now() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


def build_services(environ: Mapping[str, str], *, now: Callable[[], datetime] = utc_now) -> Services:
    """Build the collaborators from the settings. Raises NotConfigured with all problems at once."""
    config = Config.from_env(environ, now=now())
    tables = _tables(config, environ.get("REQUESTS_CA_BUNDLE"))
    secrets = _secrets(config, now)
    return Services(
        config=config,
        custody=_custody(config, now, tables, secrets),
        azure_devops=AzureDevOps(
            devops_url=config.azure_devops_url,
            identity_url=config.azure_devops_identity_url,
            now=now,
            sleep=time.sleep,
        ),
        pages=Pages(
            app_name=config.app_name,
            support_url=config.support_url,
            statics=static_files(),
            devops_url=config.azure_devops_url,
        ),
        cookies=Cookies(secure=config.secure),
        security=security_headers(config.public_url),
        probe_store=lambda: tables.probe(CONNECTIONS),
        probe_vault=secrets.check,
    )


@cache
def services() -> Services:
    """Build them once per worker process, on first use; a failure is not remembered."""
    return build_services(os.environ)


@cache
def static_files() -> StaticFiles:
    """The assets, which need no settings."""
    return StaticFiles()


def _tables(config: Config, ca_bundle: str | None) -> Tables:
    credential = ManagedIdentity(config.azure_client_id) if config.token_store_url else None
    return Tables(
        connect(
            connection_string=config.storage_connection_string,
            url=config.token_store_url,
            credential=credential,
            ca_bundle=ca_bundle,
        )
    )


def _custody(config: Config, now: Callable[[], datetime], tables: Tables, secrets: Secrets) -> Custody:
    return Custody(
        connections=TableConnections(tables, secrets.keyring),
        due=TableDue(tables),
        logins=TableLogins(tables),
        providers=_providers(config, now, secrets),
        keys=secrets.keyring,
        secrets_end=secrets.first_end,
        limits=Limits(config.session_lifetime, config.session_idle, config.sessions_not_before),
        margin=config.refresh_margin,
        calls_per_second=config.refresh_calls_per_second,
        now=now,
        sleep=time.sleep,
        emit=emitter(now),
    )


def _secrets(config: Config, now: Callable[[], datetime]) -> Secrets:
    if config.key_vault_url:
        return VaultSecrets(
            KeyVault(config.key_vault_url, config.azure_client_id, now),
            required=[AZURE_DEVOPS_SECRET] if config.legacy else [],
            optional=[ENTRA_SECRET] if config.entra else [],
            now=now,
            emit=emitter(now),
        )
    legacy = config.legacy.client_secrets if config.legacy else ()
    entra = config.entra.client_secrets if config.entra else ()
    return SettingSecrets(config.encryption_keys, {AZURE_DEVOPS_SECRET: legacy, ENTRA_SECRET: entra})


def _providers(config: Config, now: Callable[[], datetime], secrets: Secrets) -> Mapping[str, Provider]:
    """Entra ID first: who has both is leaving the legacy one."""
    found: dict[str, Provider] = {}
    if config.entra:
        found[ENTRA] = _entra(config, config.entra, now, secrets)
    if config.legacy:
        found[AZURE_DEVOPS] = AzureDevOpsProvider(
            identity_url=config.azure_devops_identity_url,
            client_id=config.legacy.app_id,
            scopes=config.legacy.scopes,
            redirect_uri=config.legacy.callback_url,
            secrets=lambda: secrets.client_secrets(AZURE_DEVOPS_SECRET),
            reread=lambda: secrets.reread(AZURE_DEVOPS_SECRET),
            now=now,
            offers_sign_in=config.legacy.sign_in,
        )
    return found


def _entra(config: Config, settings: EntraSettings, now: Callable[[], datetime], secrets: Secrets) -> Provider:
    has_secret = bool(settings.client_secrets or config.key_vault_url)
    return EntraProvider(
        authority_url=config.entra_authority_url,
        tenants=settings.tenants,
        client_id=settings.client_id,
        scopes=settings.scopes,
        redirect_uri=settings.redirect_uri,
        home_url=f"{config.public_url}/",
        credentials=Credentials(
            client_secrets=(lambda: secrets.client_secrets(ENTRA_SECRET)) if has_secret else None,
            reread=lambda: secrets.reread(ENTRA_SECRET),
            assertion=_Assertion(config),
        ),
        now=now,
    )


class _Assertion:
    """Tokens of the managed identity for the federated credential, cached by the SDK."""

    def __init__(self, config: Config) -> None:
        self._identity = ManagedIdentity(config.azure_client_id)

    def __call__(self) -> str:
        """Raises VaultError when there is no identity."""
        from azure.core.exceptions import AzureError

        try:
            return self._identity.get_token(FEDERATED_SCOPE).token
        except (AzureError, ValueError) as error:
            raise VaultError(f"managed identity: {type(error).__name__}", reason="no_identity") from None
