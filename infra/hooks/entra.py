"""The Entra application: made before provisioning, because its id is a setting; completed after, with what only then
exists: the redirect URI and the identity that is its credential. A second run finds everything and changes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import environment
from commands import CommandFailed, az, private_file
from console import HookError, say, warn

CALLBACK_PATH = "/auth/callback/entra"
AUDIENCE = "api://AzureADTokenExchange"
AUTHORITY = "https://login.microsoftonline.com"
REFUSED = ("Authorization_RequestDenied", "Insufficient privileges")
ABSENT = ("Request_ResourceNotFound", "does not exist")
SWITCH = "REGISTER_ENTRA_APPLICATION"


@dataclass(frozen=True)
class Trust:
    """The identity that may act as the application, and the tenant that both belong to."""

    name: str
    tenant_id: str
    principal_id: str

    def parameters(self) -> dict[str, Any]:
        """As Microsoft Graph writes a federated credential."""
        authority = environment.value("ENTRA_AUTHORITY_URL", AUTHORITY).rstrip("/")
        return {
            "name": self.name,
            "issuer": f"{authority}/{self.tenant_id}/v2.0",
            "subject": self.principal_id,
            "audiences": [AUDIENCE],
            "description": "The managed identity of this deployment is the application's credential.",
        }


def is_wanted() -> bool:
    """Whether this deployment makes an application of its own. Raises HookError for an unclear wish."""
    wish = environment.value(SWITCH).lower()
    if wish not in ("", "true", "false"):
        raise HookError(f"{SWITCH} is neither true nor false")
    if wish:
        return wish == "true"
    return not (environment.value("ENTRA_CLIENT_ID") or environment.value("AZURE_DEVOPS_APP_ID"))


def make(tenant_id: str) -> None:
    """Register the application once and keep its id in the azd environment. Raises HookError."""
    if environment.value("ENTRA_CLIENT_ID"):
        say(f"Entra application {environment.value('ENTRA_CLIENT_ID')}: known")
        return
    (name,) = environment.values("AZURE_ENV_NAME")
    display_name = f"Gatehouse {name}"
    try:
        same_name = az("ad", "app", "list", "--filter", f"displayName eq '{display_name}'", "--query", "[].appId")
        if same_name:
            # Somebody else's, perhaps: a name proves nothing, so a person decides.
            raise HookError(
                f"an application “{display_name}” exists ({same_name[0]}). If it is yours, run "
                f"`azd env set ENTRA_CLIENT_ID {same_name[0]}`; else choose another AZURE_ENV_NAME."
            )
        made = az("ad", "app", "create", "--display-name", display_name, "--sign-in-audience", "AzureADMyOrg")
    except CommandFailed as error:
        raise _handed_over(error) from None
    environment.store("ENTRA_CLIENT_ID", made["appId"])
    environment.store("ENTRA_TENANT_ID", tenant_id)
    say(f"Entra application “{display_name}”: registered as {made['appId']}")


def complete(application_id: str, public_url: str, trust: Trust | None) -> None:
    """Add redirect URIs, service principal and federated credential where they are missing. Raises HookError."""
    try:
        application = az("ad", "app", "show", "--id", application_id)
        _allow_redirects(application_id, application, _redirects(public_url))
        _stand_in_tenant(application_id)
        if trust:
            _trust_identity(application_id, trust)
    except CommandFailed as error:
        if not error.says(*REFUSED):
            raise
        warn(f"this principal may not manage application {application_id}. Somebody who may adds, or checks:")
        for line in _by_hand(public_url, trust):
            warn(line)


def _redirects(public_url: str) -> list[str]:
    """Where sign-ins come back, and where Microsoft's sign-out may lead back to: that must be registered too."""
    return [public_url + CALLBACK_PATH, f"{public_url}/"]


def _allow_redirects(application_id: str, application: dict[str, Any], wanted: list[str]) -> None:
    known = application.get("web", {}).get("redirectUris", [])
    missing = [uri for uri in wanted if uri not in known]
    if missing:
        az("ad", "app", "update", "--id", application_id, "--web-redirect-uris", *known, *missing)
    for uri in wanted:
        say(f"redirect URI {uri}: {'added' if uri in missing else 'known'}")


def _stand_in_tenant(application_id: str) -> None:
    """People of the tenant can sign in only to an application that has a service principal there."""
    try:
        az("ad", "sp", "show", "--id", application_id, "--query", "id")
    except CommandFailed as error:
        if not error.says(*ABSENT):
            raise
        az("ad", "sp", "create", "--id", application_id, "--query", "id")
        say("service principal: made")


def _trust_identity(application_id: str, trust: Trust) -> None:
    wanted = trust.parameters()
    known = az("ad", "app", "federated-credential", "list", "--id", application_id) or []
    if any(all(found.get(part) == wanted[part] for part in ("issuer", "subject", "audiences")) for found in known):
        say("federated credential of the identity: known")
        return
    same_name = [found["id"] for found in known if found.get("name") == trust.name]
    # A file, because cmd.exe on Windows mangles JSON in arguments.
    with private_file(json.dumps(wanted)) as path:
        which = ["update", "--federated-credential-id", same_name[0]] if same_name else ["create"]
        az("ad", "app", "federated-credential", *which, "--id", application_id, "--parameters", f"@{path}")
    say(f"federated credential of the identity: {'corrected' if same_name else 'added'}")


def _by_hand(public_url: str, trust: Trust | None) -> list[str]:
    lines = [f"  redirect URI (platform Web): {uri}" for uri in _redirects(public_url)]
    if trust:
        wanted = trust.parameters()
        lines += [f"  federated credential, {part}: {wanted[part]}" for part in ("issuer", "subject")]
        lines.append(f"  federated credential, audience: {AUDIENCE}")
    return lines


def _handed_over(error: CommandFailed) -> HookError:
    if not error.says(*REFUSED):
        return error
    return HookError(
        "this principal may not register applications in the tenant. Somebody who may does it as docs/registration.md "
        "says; then run `azd env set ENTRA_CLIENT_ID …` and `azd env set ENTRA_TENANT_ID …`. To deploy without Entra: "
        f"`azd env set {SWITCH} false`."
    )
