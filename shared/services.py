"""The composition root: the only place that knows which class fulfils which Protocol, and that reads the environment.

Nothing here does I/O, so that two threads may build at once and an import can't fail for a missing setting.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from azure.core.credentials import TokenCredential

from shared.azure_devops.client import AzureDevOps
from shared.config import Config
from shared.custody import Custody
from shared.custody.rules import Limits
from shared.events import Emit, emitter
from shared.oauth.azure_devops import AzureDevOpsProvider
from shared.oauth.provider import AZURE_DEVOPS, Provider
from shared.storage.connections import TableConnections
from shared.storage.due import TableDue
from shared.storage.logins import TableLogins
from shared.storage.tables import Tables, connect
from shared.vault import AZURE_DEVOPS_SECRET, KeyVault, Secrets, SettingSecrets, VaultSecrets
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


def utc_now() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


def build_services(environ: Mapping[str, str], *, now: Callable[[], datetime] = utc_now) -> Services:
    """Build the collaborators from the settings. Raises NotConfigured with all problems at once."""
    config = Config.from_env(environ, now=now())
    return Services(
        config=config,
        custody=_custody(config, now),
        azure_devops=AzureDevOps(
            devops_url=config.azure_devops_url,
            identity_url=config.azure_devops_identity_url,
            now=now,
            sleep=time.sleep,
        ),
        pages=Pages(app_name=config.app_name, support_url=config.support_url, statics=static_files()),
        cookies=Cookies(secure=config.secure),
        security=security_headers(config.public_url),
    )


@cache
def services() -> Services:
    """Build them once per worker process, on first use; a failure is not remembered."""
    return build_services(os.environ)


@cache
def static_files() -> StaticFiles:
    """The assets, which need no settings."""
    return StaticFiles()


def _custody(config: Config, now: Callable[[], datetime]) -> Custody:
    emit = emitter(now)
    secrets = _secrets(config, now, emit)
    credential = _credential(config) if config.token_store_url else None
    tables = Tables(
        connect(connection_string=config.storage_connection_string, url=config.token_store_url, credential=credential)
    )
    return Custody(
        connections=TableConnections(tables, secrets.keyring),
        due=TableDue(tables),
        logins=TableLogins(tables),
        providers=_providers(config, now, secrets),
        keys=secrets.keyring,
        limits=Limits(config.session_lifetime, config.session_idle, config.sessions_not_before),
        margin=config.refresh_margin,
        calls_per_second=config.refresh_calls_per_second,
        now=now,
        sleep=time.sleep,
        emit=emit,
    )


def _secrets(config: Config, now: Callable[[], datetime], emit: Emit) -> Secrets:
    if config.key_vault_url:
        return VaultSecrets(KeyVault(config.key_vault_url, config.azure_client_id), now=now, emit=emit)
    client_secrets = config.legacy.client_secrets if config.legacy else ()
    return SettingSecrets(config.encryption_keys, {AZURE_DEVOPS_SECRET: client_secrets})


def _providers(config: Config, now: Callable[[], datetime], secrets: Secrets) -> Mapping[str, Provider]:
    legacy = config.legacy
    if legacy is None:
        return {}
    provider = AzureDevOpsProvider(
        identity_url=config.azure_devops_identity_url,
        client_id=legacy.app_id,
        scopes=legacy.scopes,
        redirect_uri=legacy.callback_url,
        secrets=lambda: secrets.client_secrets(AZURE_DEVOPS_SECRET),
        reread=lambda: secrets.reread(AZURE_DEVOPS_SECRET),
        now=now,
    )
    return {AZURE_DEVOPS: provider}


def _credential(config: Config) -> TokenCredential:
    """The managed identity; its module takes 100 ms to import, so only where it is needed."""
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=config.azure_client_id)
