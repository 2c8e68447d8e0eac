"""Before provisioning: is everybody signed in as the same principal, to the right tenant, with no secret on disk?

Run by `azd provision` and `azd up`. It changes two things only: it notes the type of the principal for the template's
role assignments, and registers the Entra application whose id becomes a setting.
"""

from __future__ import annotations

from typing import Any

import entra
import environment
from commands import SECRET_VARIABLES, CommandFailed, az, azd
from console import HookError, run, say

NETWORK_PROVIDER = "Microsoft.App"
"""Flex Consumption delegates its subnet to this provider, which no resource of the template registers."""


def work() -> None:
    """All checks, cheapest first."""
    account = _account()
    _azd_is_signed_in()
    _same_subscription(account)
    _same_tenant(account)
    _no_secret_on_disk()
    _note_principal(account)
    _network_provider()
    if entra.is_wanted():
        entra.make(account["tenantId"])


def _account() -> dict[str, Any]:
    try:
        account: dict[str, Any] = az("account", "show")
    except CommandFailed as error:
        raise HookError(f"`az` is not signed in. Run `az login`. ({error})") from None
    say(f"az: {account['user']['name']}, tenant {account['tenantId']}")
    return account


def _azd_is_signed_in() -> None:
    try:
        azd("auth", "login", "--check-status")
    except CommandFailed:
        raise HookError(
            "`azd` is not signed in. Run `azd auth login`, or `azd config set auth.useAzCliAuth true`."
        ) from None


def _same_subscription(account: dict[str, Any]) -> None:
    wanted = environment.value("AZURE_SUBSCRIPTION_ID")
    if wanted and wanted.lower() != account["id"].lower():
        raise HookError(
            f"azd deploys to subscription {wanted}, but az is set to {account['id']}: "
            f"run `az account set --subscription {wanted}`"
        )


def _same_tenant(account: dict[str, Any]) -> None:
    known = environment.value("AZURE_TENANT_ID")
    if known and known.lower() != account["tenantId"].lower():
        raise HookError(
            f"this environment belongs to tenant {known}, but az is signed in to {account['tenantId']}: "
            f"run `az login --tenant {known}`"
        )


def _no_secret_on_disk() -> None:
    """azd keeps its environment as plain text in .azure/; references to a vault are fine."""
    found = environment.stored()
    named = [name for name in SECRET_VARIABLES if found.get(name) and not found[name].startswith("akvs://")]
    if named:
        raise HookError(
            f"{', '.join(named)} stands unencrypted in .azure/{found.get('AZURE_ENV_NAME', '…')}/.env. Remove the "
            "line, renew the secret if anybody may have read it, and hand it over by the prompt or by the shell."
        )


def _note_principal(account: dict[str, Any]) -> None:
    """Role assignments fail with UnmatchedPrincipalType unless the template is told user or service principal."""
    is_user = account["user"]["type"] == "user"
    kind = "User" if is_user else "ServicePrincipal"
    if environment.store("AZURE_PRINCIPAL_TYPE", kind):
        say(f"principal type: {kind}")
    known = environment.value("AZURE_PRINCIPAL_ID")
    own = _own_object_id(account) if known else None
    if own and own.lower() != known.lower():
        raise HookError(
            f"azd is signed in as principal {known}, az as {own}. Only azd's principal gets the role to write secrets, "
            "and az writes them: sign both in as the same one."
        )


def _own_object_id(account: dict[str, Any]) -> str | None:
    """None where this principal may not read the directory: then it can't be compared."""
    try:
        if account["user"]["type"] == "user":
            return str(az("ad", "signed-in-user", "show", "--query", "id"))
        return str(az("ad", "sp", "show", "--id", account["user"]["name"], "--query", "id"))
    except CommandFailed:
        say("this principal may not read the directory: whether az and azd are the same one is not checked")
        return None


def _network_provider() -> None:
    if environment.value("VNET_ENABLED").lower() != "true":
        return
    state = az("provider", "show", "--namespace", NETWORK_PROVIDER, "--query", "registrationState")
    if state != "Registered":
        raise HookError(
            f"VNET_ENABLED needs the resource provider {NETWORK_PROVIDER}: "
            f"run `az provider register --namespace {NETWORK_PROVIDER} --wait`"
        )


if __name__ == "__main__":
    run(work)
