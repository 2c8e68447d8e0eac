"""The AADSTS codes of Entra ID that a person can do something about (facts/azure-devops.md 3.5).

A code only chooses the sentence that is shown. What happens is decided by the parsed `error` alone: Microsoft asks not
to react to codes or descriptions in programs.
"""

import re

_CODE = re.compile(r"AADSTS([0-9]{3,7})")

_SITE = "That is for the people who run this site: "
_ADMIN = "Ask the administrator of your organization: "
_ADVICE = {
    "50011": _SITE + "the redirect URI of the registration must equal PUBLIC_URL + /auth/callback/entra.",
    "65004": "You chose not to grant access, so nothing was stored. You can start again at any time.",
    "65001": "Access was not granted yet. Start the sign-in again and accept what this site asks for.",
    "90094": _ADMIN + "an administrator must grant access to this site for everybody.",
    "700082": "Your access ran out because it was not used for a long time. Sign in again.",
    "70008": "The sign-in took too long, or your access was withdrawn. Sign in again.",
    "70043": "A policy of your organization asks you to sign in again.",
    "50173": "Your password changed, or your access was withdrawn. Sign in again.",
    "54005": "This sign-in was already used. Start it again.",
    "50076": "Your organization asks for a second factor. Sign in again and confirm it.",
    "50079": "Your organization asks you to set up a second factor. Sign in again and follow the steps.",
    "50074": "Your organization asks for a second factor. Sign in again and confirm it.",
    "50072": "Your organization asks you to set up a second factor. Sign in again and follow the steps.",
    "50078": "Your second factor has run out. Sign in again and confirm it.",
    "53003": _ADMIN + "a conditional access policy does not let you use this site from here.",
    "53000": _ADMIN + "your device does not meet the policy of your organization.",
    "53001": _ADMIN + "your device is not joined to your organization.",
    "50105": _ADMIN + "you are not assigned to this application.",
    "50020": "This account belongs to another organization. Sign in with another account.",
    "500208": "This account can't sign in here. Sign in with your work or school account.",
    "50034": "This account does not exist there. Sign in with another account.",
    "51004": "This account does not exist there. Sign in with another account.",
    "50194": _SITE + "the registration takes accounts of one tenant only; set ENTRA_TENANT_ID without ALLOWED_TENANTS.",
    "50196": "Too many sign-ins in a row. Wait a few minutes and start again.",
    "700016": _SITE + "the application is not registered in this tenant (ENTRA_CLIENT_ID, ENTRA_TENANT_ID).",
    "700011": _SITE + "the application is not registered in this tenant (ENTRA_CLIENT_ID, ENTRA_TENANT_ID).",
    "7000215": _SITE + "the client secret is wrong.",
    "7000222": _SITE + "the client secret has expired.",
    "70002": _SITE + "the client secret is wrong.",
    "70011": _SITE + "a scope is wrong (AZURE_DEVOPS_SCOPES).",
    "28002": _SITE + "a scope is wrong (AZURE_DEVOPS_SCOPES).",
    "650053": _SITE + "the registration does not know a scope (AZURE_DEVOPS_SCOPES).",
    "501481": "The sign-in was mixed up with another one. Start it again.",
}


def code_of(description: str) -> str | None:
    """The first AADSTS code in a description, without its prefix."""
    found = _CODE.search(description[:2000])
    return found[1] if found else None


def advice_for(code: str | None) -> str | None:
    """What the person can do about a code; None for one that we don't know."""
    return _ADVICE.get(code or "")
