"""After provisioning: the encryption key, the client secret, the Entra application's trust in the identity.

Run by `azd provision` and `azd up`, or alone by `azd hooks run postprovision`. A second run changes nothing: what is
in the vault is never overwritten here; replacing it is the work of rotate.py.
"""

from __future__ import annotations

from datetime import datetime, timezone

import client_secrets
import entra
import environment
import secret_lists
from commands import az
from console import HookError, run, say, warn
from vault import Vault


def work() -> None:
    """Each part looks first and writes only what is missing."""
    vault_name, public_url = environment.values("AZURE_KEY_VAULT_NAME", "PUBLIC_URL")
    vault = Vault(vault_name)
    _encryption_key(vault)
    if environment.value("AZURE_DEVOPS_APP_ID"):
        _client_secret(vault, "azure-devops", required=True)
        say(f"callback to stand in the legacy registration: {public_url}/auth/callback")
    if environment.value("ENTRA_CLIENT_ID"):
        has_secret = _client_secret(vault, "entra", required=False)
        _entra_application(public_url, has_secret=has_secret)


def _encryption_key(vault: Vault) -> None:
    """Made once. It gets no end date: the vault serves expired secrets alike, and a key that ended would lock
    everybody out; how old it is stands in `rotate.py status`.
    """
    found = vault.read(secret_lists.ENCRYPTION_KEY)
    if found is None:
        key = secret_lists.new_key()
        vault.write(secret_lists.ENCRYPTION_KEY, key)
        say(f"{secret_lists.ENCRYPTION_KEY}: made, id {secret_lists.id_of(key)}")
        return
    keys = secret_lists.keys(found.value)
    say(f"{secret_lists.ENCRYPTION_KEY}: known, newest {secret_lists.id_of(keys[0])}")


def _client_secret(vault: Vault, provider: str, *, required: bool) -> bool:
    """Whether the vault holds one afterwards."""
    name = secret_lists.CLIENT_SECRETS[provider]
    found = vault.read(name)
    if found and secret_lists.entries(found.value):
        _tell_known(name, found.value, provider)
        return True
    if not required and not client_secrets.is_given(provider):
        return False
    given = client_secrets.take(provider)
    if given is None:
        raise HookError(
            f"{name} is not in the vault yet, and nobody can be asked for it: set {client_secrets.VARIABLES[provider]} "
            "for this run, or run `azd hooks run postprovision` in a terminal"
        )
    vault.write(name, given, client_secrets.expiry(provider, datetime.now(timezone.utc)))
    say(f"{name}: stored, id {secret_lists.id_of(given)}")
    return True


def _tell_known(name: str, stored: str, provider: str) -> None:
    known = secret_lists.entries(stored)
    say(f"{name}: known, newest {secret_lists.id_of(known[0])}")
    if client_secrets.is_given(provider) and client_secrets.take(provider) not in known:
        warn(
            f"{client_secrets.VARIABLES[provider]} is another secret than the stored ones. Nothing was changed; to "
            "replace it: python infra/hooks/rotate.py client-secret"
        )


def _entra_application(public_url: str, *, has_secret: bool) -> None:
    """A managed identity is a credential only for an application of its own tenant."""
    application_id, tenant_id, principal_id, name = environment.values(
        "ENTRA_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_IDENTITY_PRINCIPAL_ID", "AZURE_ENV_NAME"
    )
    application_tenant = environment.value("ENTRA_TENANT_ID", tenant_id)
    if application_tenant.lower() != tenant_id.lower():
        if not has_secret:
            raise HookError(
                f"the application belongs to tenant {application_tenant}, the identity to {tenant_id}: a federated "
                "credential does not cross tenants. Register in the identity's tenant, or set ENTRA_CLIENT_SECRET."
            )
        say(f"the application is managed in tenant {application_tenant}, not from here")
        say(f"its redirect URI: {public_url}{entra.CALLBACK_PATH}")
        return
    signed_in = az("account", "show", "--query", "tenantId")
    if signed_in.lower() != tenant_id.lower():
        raise HookError(f"az is signed in to tenant {signed_in}, the deployment belongs to {tenant_id}")
    trust = None if has_secret else entra.Trust(f"gatehouse-{name}", tenant_id, principal_id)
    entra.complete(application_id, public_url, trust)


if __name__ == "__main__":
    run(work)
