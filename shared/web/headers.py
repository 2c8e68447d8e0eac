"""The security headers of every answer. `host.json` repeats them for what the host answers before our code runs."""

from collections.abc import Mapping
from types import MappingProxyType

# No page has a script, an inline style or a frame, so nothing needs a nonce. `form-action 'self'` holds because forms
# post to this site only and a sign-in starts with a link: Chromium would not follow a POST across origins.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    )
)
_FEATURES = ("camera", "display-capture", "geolocation", "microphone", "payment", "publickey-credentials-get", "usb")


def security_headers(public_url: str) -> Mapping[str, str]:
    """The headers for a site at this origin; made once, not per answer."""
    # On http loopback the directive would send the sign-out form to a port that speaks no TLS.
    policy = f"{_POLICY}; upgrade-insecure-requests" if public_url.startswith("https:") else _POLICY
    return MappingProxyType(
        {
            "Content-Security-Policy": policy,
            # Two years. Browsers ignore it on http, so a loopback origin may carry it as well.
            "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _FEATURES),
        }
    )
