"""The AADSTS codes of Entra ID that a person can do something about (facts/azure-devops.md 3.5).

A code only chooses words: the sentence that is shown and the reason in the event. What happens is decided by the parsed
`error` alone: Microsoft asks not to react to codes or descriptions in programs.
"""

import re
from typing import NamedTuple

from shared.errors import Meaning

_CODE = re.compile(r"AADSTS([0-9]{3,7})")


class _Kind(NamedTuple):
    """Codes that call for the same reaction share its word and title."""

    reason: str
    title: str

    def __call__(self, advice: str) -> Meaning:
        return Meaning(self.reason, self.title, advice)


_SITE = "That is for the people who run this site: "
_ADMIN = "Ask the administrator of your organization: "

_REGISTRATION = _Kind("registration", "This site is not registered correctly")
_SECRET = _Kind("client_secret", "This site can't prove itself to Microsoft")
_SCOPE = _Kind("scope", "This site asks for something that Microsoft does not know")
_DECLINED = _Kind("denied", "Access was declined")
_CONSENT = _Kind("consent_needed", "Access was not granted yet")
_ADMIN_CONSENT = _Kind("admin_consent", "An administrator must grant access first")
_OVER = _Kind("expired", "This sign-in is no longer valid")
_USED = _Kind("used", "This sign-in was already used")
_MIXED_UP = _Kind("verifier", "This sign-in was mixed up with another one")
_SECOND_FACTOR = _Kind("second_factor", "Your organization asks for more than a password")
_BLOCKED = _Kind("conditional_access", "A policy of your organization does not allow this")
_UNASSIGNED = _Kind("not_assigned", "You are not assigned to this site")
_WRONG_ACCOUNT = _Kind("wrong_account", "This account can't be used here")
_LOOP = _Kind("loop", "Microsoft stopped a sign-in that went round in circles")

_CONFIRM = "Sign in again and confirm your second factor."
_ENROL = "Sign in again and follow the steps to set up a second factor."
_OTHER_ACCOUNT = "Start again and choose another account."
_WRONG_CREDENTIAL = "the client secret is wrong (ENTRA_CLIENT_SECRET, or entra-client-secret in the vault)."
_UNKNOWN_APP = "the application is not registered in this tenant (ENTRA_CLIENT_ID, ENTRA_TENANT_ID)."
_MEANINGS = {
    "50011": _REGISTRATION(_SITE + "the redirect URI of the registration must be PUBLIC_URL + /auth/callback/entra."),
    "50194": _REGISTRATION(
        _SITE + "the registration takes accounts of one tenant only; set ENTRA_TENANT_ID without ALLOWED_TENANTS."
    ),
    "700016": _REGISTRATION(_SITE + _UNKNOWN_APP),
    "700011": _REGISTRATION(_SITE + _UNKNOWN_APP),
    "7000215": _SECRET(
        _SITE + "the client secret is wrong (ENTRA_CLIENT_SECRET, or entra-client-secret in the vault)."
    ),
    "7000222": _SECRET(_SITE + "the client secret has expired; make a new one and put it first in the list."),
    "70002": _SECRET(_SITE + _WRONG_CREDENTIAL),
    "70011": _SCOPE(_SITE + "a scope is wrong (AZURE_DEVOPS_SCOPES)."),
    "28002": _SCOPE(_SITE + "a scope is wrong (AZURE_DEVOPS_SCOPES)."),
    "650053": _SCOPE(_SITE + "the registration does not know a scope (AZURE_DEVOPS_SCOPES)."),
    "65004": _DECLINED("You chose not to grant access, so nothing was stored. You can start again at any time."),
    "65001": _CONSENT("Start the sign-in again and accept what this site asks for."),
    "90094": _ADMIN_CONSENT(_ADMIN + "only an administrator can grant access to this site, once for everybody."),
    "700082": _OVER("Your access ran out because it was not used for a long time. Sign in again."),
    "70008": _OVER("It took too long, or your access was withdrawn. Sign in again."),
    "70043": _OVER("A policy of your organization asks you to sign in again."),
    "50173": _OVER("Your password changed, or your access was withdrawn. Sign in again."),
    "54005": _USED("A sign-in works once. Start it again."),
    "501481": _MIXED_UP("Start it again, in one tab."),
    "50074": _SECOND_FACTOR(_CONFIRM),
    "50076": _SECOND_FACTOR(_CONFIRM),
    "50078": _SECOND_FACTOR("Your confirmation has run out. " + _CONFIRM),
    "50072": _SECOND_FACTOR(_ENROL),
    "50079": _SECOND_FACTOR(_ENROL),
    "53003": _BLOCKED(_ADMIN + "a conditional access policy does not let you use this site from here."),
    "53000": _BLOCKED(_ADMIN + "your device does not meet the policy of your organization."),
    "53001": _BLOCKED(_ADMIN + "your device is not joined to your organization."),
    "50105": _UNASSIGNED(_ADMIN + "you, or a group of yours, must be assigned to this application."),
    "50020": _WRONG_ACCOUNT("It belongs to another organization. " + _OTHER_ACCOUNT),
    "500208": _WRONG_ACCOUNT("It is no work or school account that this site takes. " + _OTHER_ACCOUNT),
    "50034": _WRONG_ACCOUNT("Microsoft does not know it there. " + _OTHER_ACCOUNT),
    "51004": _WRONG_ACCOUNT("Microsoft does not know it there. " + _OTHER_ACCOUNT),
    "50196": _LOOP("Wait a few minutes before you start again. If it comes back, tell the people who run this site."),
}


def meaning_of(description: str) -> Meaning | None:
    """What the first AADSTS code in a description says; None where there is none that we know."""
    found = _CODE.search(description[:2000])
    return _MEANINGS.get(found[1]) if found else None
