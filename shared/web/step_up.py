"""The ways on through Entra ID where Azure DevOps wants more than a sign-in gave: claims, or a scope not granted yet.

Claims travel sealed for the session that they were asked of, so that nobody can send somebody else to Microsoft with
claims of their choice. A person follows the link; nothing here redirects, so nothing can go round in circles.
"""

import base64
import binascii
from urllib.parse import urlencode

from shared.custody.sign_in import SessionKey
from shared.errors import AzureDevOpsError, ClaimsChallenge, Remedy, ScopeMissing, Unreadable
from shared.oauth.provider import ENTRA
from shared.scopes import covers
from shared.sealing import Keyring, Place

_MAX_SEALED = 3000


def remedy(error: AzureDevOpsError, session: SessionKey, return_to: str, keys: Keyring, scopes: str) -> Remedy | None:
    """The link that may cure this refusal of a token of Entra ID; `scopes` are those that a sign-in asks for."""
    match error:
        case ClaimsChallenge():
            sealed = keys.seal(error.claims.encode(), _place(session))
            claims = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
            return Remedy("Confirm at Microsoft", _address(claims=claims, return_to=return_to))
        case ScopeMissing() if covers(scopes, error.scope):
            return Remedy("Grant it at Microsoft", _address(consent="1", return_to=return_to))
    return None


def open_claims(value: str, session: SessionKey | None, keys: Keyring) -> str:
    """The claims of such a link; none where it does not open: the sign-in without them is asked again if need be."""
    if session is None or len(value) > _MAX_SEALED:
        return ""
    try:
        raw = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        return keys.open(raw, _place(session)).decode()
    except (binascii.Error, ValueError, Unreadable):
        return ""


def _address(**query: str) -> str:
    return f"/auth/login/{ENTRA}?{urlencode(query)}"


def _place(session: SessionKey) -> Place:
    return Place("link", session.user_id, session.hash, "claims", 0, ENTRA)
