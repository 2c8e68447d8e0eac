"""Claims challenges of continuous access evaluation (facts/azure-devops.md 3.8): what a new token must hold."""

import base64
import binascii
import json
import re

MAX_CLAIMS = 1500
"""Characters of JSON; it goes on in two addresses, so it has to fit there. Real ones have about a hundred."""

_ERROR = re.compile(r'\berror="insufficient_claims"', re.IGNORECASE)
_CLAIMS = re.compile(r'\bclaims="([A-Za-z0-9+/_-]{4,4000}={0,2})"', re.IGNORECASE)


def claims_of(challenge: str) -> str | None:
    """The claims of a WWW-Authenticate header as compact JSON; None where it is no such challenge, or not sound."""
    found = _CLAIMS.search(challenge) if _ERROR.search(challenge) else None
    if found is None:
        return None
    encoded = found[1].rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        claims = json.loads(base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    if not isinstance(claims, dict) or not all(isinstance(asked, dict) for asked in claims.values()):
        return None  # OpenID Connect Core 1.0 section 5.5: an object of objects
    text = json.dumps(claims, separators=(",", ":"))
    return text if len(text) <= MAX_CLAIMS else None
