"""Whether a POST comes from a page of ours: Fetch Metadata first, Origin as fallback, and a token bound to the session.

OWASP Cross-Site Request Forgery Prevention; our pages send `Referrer-Policy: no-referrer`, under which browsers send
`Origin: null` with our own forms, so Sec-Fetch-Site decides where it is present.
"""

import base64
import hashlib
import hmac

from shared.errors import Forbidden
from shared.web.requests import Request

FIELD = "csrf"


def token(session_secret: str) -> str:
    """The token for the forms of one session; it is derived, never stored."""
    digest = hmac.digest(session_secret.encode(), b"gatehouse csrf", hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def check_origin(request: Request, origin: str) -> None:
    """Raises Forbidden unless the request comes from a page of `origin`."""
    if not from_our_pages(request, origin):
        raise Forbidden("the request comes from another site")


def check_token(given: str | None, session_secret: str) -> None:
    """Raises Forbidden unless `given` is the token of this session."""
    if not given or not hmac.compare_digest(given.encode(), token(session_secret).encode()):
        raise Forbidden("the form's token is not of this session")


def from_our_pages(request: Request, origin: str) -> bool:
    """Sec-Fetch-Site where the browser sends it, else Origin or Referer; neither is a no."""
    site = request.header("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    sent = request.header("origin")
    if sent is not None:
        return sent == origin
    referer = request.header("referer") or ""
    return referer == origin or referer.startswith(f"{origin}/")
