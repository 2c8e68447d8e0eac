"""The organizations that a person belongs to (facts/azure-devops.md 4.2)."""

import msgspec

from shared.azure_devops import links, names
from shared.azure_devops.client import ApiRequest, AzureDevOps, Caller, Host
from shared.azure_devops.envelope import Envelope, present
from shared.models.views import Organization


class _Account(msgspec.Struct, rename="camel"):
    account_name: str | None = None


_Accounts = Envelope[_Account] | list[_Account | None]
_ACCOUNTS: msgspec.json.Decoder[_Accounts] = msgspec.json.Decoder(_Accounts)


class _Profile(msgspec.Struct):
    id: str


_PROFILE = msgspec.json.Decoder(_Profile)


def member_id(client: AzureDevOps, caller: Caller) -> str:
    """The person's id in Azure DevOps, which an Entra ID token does not name. One call."""
    request = ApiRequest(host=Host.IDENTITY, segments=("_apis", "profile", "profiles", "me"), scope="vso.profile")
    return client.call(request, caller, _PROFILE).value.id


def list_organizations(
    client: AzureDevOps, caller: Caller, member_id: str, *, allowed: frozenset[str] = frozenset()
) -> list[Organization]:
    """All of them by name, without regard to case; with `allowed` those alone. One call.

    Names that break Azure DevOps' own rule are left out: no address of ours could lead to them.
    """
    request = ApiRequest(
        host=Host.IDENTITY,
        segments=("_apis", "accounts"),
        query={"memberId": member_id},
        scope="vso.profile",
    )
    accounts = client.call(request, caller, _ACCOUNTS).value
    listed = present(accounts.value if isinstance(accounts, Envelope) else accounts)
    shown = {account.account_name for account in listed if account.account_name}
    wanted = {name.lower() for name in allowed}
    return [
        Organization(name=name, url=client.web_url(name), projects_page=links.path("org", name, "projects"))
        for name in sorted(shown, key=str.lower)
        if names.is_organization(name) and (not wanted or name.lower() in wanted)
    ]
