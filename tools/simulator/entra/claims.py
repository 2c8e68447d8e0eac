"""The `claims` parameter, as far as claims challenges need it (facts 3.8, OpenID Connect Core section 5.5)."""

import json

from tools.simulator.settings import Json

CAPABILITIES = "xms_cc"  # what the client can do, not something it asks for: never a challenge


class BadClaimsError(ValueError):
    """The parameter is not a JSON object of objects."""


def read_claims(text: str) -> dict[str, Json]:
    """What an access token is asked to hold; empty without the parameter. Raises BadClaimsError."""
    if not text:
        return {}
    try:
        document = json.loads(text)
    except ValueError as error:
        raise BadClaimsError from error
    if not isinstance(document, dict):
        raise BadClaimsError
    asked = document.get("access_token") or {}
    if not isinstance(asked, dict):
        raise BadClaimsError
    return {name: value for name, value in asked.items() if name != CAPABILITIES}


def covers(granted: dict[str, Json], challenge: dict[str, Json]) -> bool:
    """Whether a token authorized with `granted` answers a challenge such as `{"access_token": {…}}`."""
    wanted = challenge.get("access_token", {})
    return all(name in granted and granted[name] == value for name, value in wanted.items())
