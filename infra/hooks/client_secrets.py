"""A client secret from the environment or a hidden prompt, and until when it is valid. It is never an argument."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

from console import HookError, ask, ask_hidden, can_ask, warn

VARIABLES = {"azure-devops": "AZURE_DEVOPS_CLIENT_SECRET", "entra": "ENTRA_CLIENT_SECRET"}
EXPIRES = "CLIENT_SECRET_EXPIRES"
LIFETIME = {"azure-devops": timedelta(days=60), "entra": timedelta(days=180)}
"""Legacy secrets last 60 days (Microsoft, since March 2025); 180 is what the Entra portal suggests."""
TRIES = 3


def take(provider: str) -> str | None:
    """The secret that a person or pipeline hands over; None when there is none to be had. Raises HookError."""
    variable = VARIABLES[provider]
    given = _handed_over(variable)
    if given:
        problem = _problem(given)
        if problem:
            raise HookError(f"{variable} {problem}")
        return _looked_at(provider, given)
    return _asked(provider) if can_ask() else None


def is_given(provider: str) -> bool:
    """Whether the environment holds one."""
    return bool(_handed_over(VARIABLES[provider]))


def expiry(provider: str, now: datetime) -> datetime:
    """Until when the secret is valid, so that the application can count its days. Raises HookError."""
    default = now + LIFETIME[provider]
    given = _handed_over(EXPIRES)
    if not given and can_ask():
        given = ask(f"Valid until, as its page says (YYYY-MM-DD, empty for {default:%Y-%m-%d})")
    if not given:
        warn(f"{EXPIRES} is not set: taken as valid until {default:%Y-%m-%d}, {LIFETIME[provider].days} days from now")
        return default
    try:
        moment = datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=timezone.utc)
    except ValueError:
        raise HookError(f"{EXPIRES} is not a date like 2027-01-31") from None
    if moment <= now:
        raise HookError(f"{EXPIRES} is in the past: make a new client secret first")
    return moment


def _handed_over(variable: str) -> str:
    given = os.environ.get(variable, "").strip()
    # Azure Pipelines leaves the reference standing where it knows no such variable.
    return "" if given == f"$({variable})" else given


def _asked(provider: str) -> str:
    for _ in range(TRIES):
        given = ask_hidden(f"Client secret of the {provider} registration")
        problem = _problem(given)
        if not problem:
            return _looked_at(provider, given)
        warn(f"the client secret {problem}")
    raise HookError("no usable client secret was given")


def _problem(given: str) -> str:
    if not given:
        return "is empty"
    if not given.isascii() or not given.isprintable() or any(mark in given for mark in ", "):
        return "has a space, comma or control character: paste one secret, and nothing else"
    return ""


def _looked_at(provider: str, given: str) -> str:
    # The legacy service calls its client secret a JWT; the App Secret beside it is the usual mistake.
    if provider == "azure-devops" and given.count(".") != 2:
        warn("this does not look like a Client Secret (long, two dots). The App Secret is another value.")
    return given
