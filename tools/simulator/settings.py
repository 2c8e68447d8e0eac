"""What can be changed while the simulator runs (`PUT /_sim/settings`)."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from tools.simulator import defaults

type Json = Any  # a decoded JSON document: checked where it enters, not by its type

Reuse = Literal["nonrotating", "grace30", "prev-until-used", "strict"]
DenyStyle = Literal["access_denied", "bare"]


class ControlError(ValueError):
    """A body of the control API is wrong; the message says what, for the developer who sent it."""


@dataclass(frozen=True)
class Settings:
    """All settings with their defaults; durations are seconds."""

    reuse: Reuse = "nonrotating"
    revoke: bool = False
    api_latency: float = 0
    token_latency: float = 0
    token_lifetime: int = 3600  # facts 1.4: exp - nbf = 3600, expires_in 3599
    refresh_token_lifetime: int = 31_536_000  # undocumented (facts 1.5); a year is folklore
    code_lifetime: int = 60  # undocumented (facts 1.3): short, so that late redeeming shows
    clock_offset: float = 0
    client_secrets: tuple[str, ...] = (defaults.CLIENT_SECRET,)
    redirect_uris: tuple[str, ...] = defaults.REDIRECT_URIS
    deny_style: DenyStyle = "access_denied"
    auto_consent: str | None = None
    people_count: int = 0
    query_limit: int = 20_000  # facts 4.4: more results are VS402337
    app_id: str = defaults.APP_ID
    public_url: str = ""  # where browsers reach the simulator; empty: where the page came from

    def as_json(self) -> dict[str, Json]:
        return asdict(self)

    def updated(self, changes: Json) -> "Settings":
        """These settings with `changes` applied. Raises ControlError for an unknown name or wrong value."""
        if not isinstance(changes, dict):
            raise ControlError("settings are a JSON object")
        known = {each.name for each in fields(self)}
        if unknown := sorted(set(changes) - known):
            raise ControlError(f"unknown settings: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        return replace(self, **{name: _checked(name, value) for name, value in changes.items()})


def _checked(name: str, value: Json) -> Json:
    check, wanted = _CHECKS[name]
    if not check(value):
        raise ControlError(f"{name} must be {wanted}, not {value!r}")
    return tuple(value) if isinstance(value, list) else value


def is_whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_duration(value: Json) -> bool:
    return is_number(value) and value >= 0


def _is_texts(value: Json) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) and each for each in value)


def _is_origin(value: Json) -> bool:
    return isinstance(value, str) and re.fullmatch(r"https?://[^/?#\s]+", value) is not None


_WHOLE = (is_whole, "a whole number, 0 or more")
_SECONDS = (is_duration, "a number of seconds, 0 or more")
_TEXTS = (_is_texts, "a list of non-empty strings")
_CHECKS: dict[str, tuple[Callable[[Json], bool], str]] = {
    "reuse": (lambda value: value in get_args(Reuse), f"one of {', '.join(get_args(Reuse))}"),
    "revoke": (lambda value: isinstance(value, bool), "true or false"),
    "api_latency": _SECONDS,
    "token_latency": _SECONDS,
    "token_lifetime": _WHOLE,
    "refresh_token_lifetime": _WHOLE,
    "code_lifetime": _WHOLE,
    "clock_offset": (is_number, "a number of seconds"),
    "client_secrets": _TEXTS,
    "redirect_uris": _TEXTS,
    "deny_style": (lambda value: value in get_args(DenyStyle), f"one of {', '.join(get_args(DenyStyle))}"),
    "auto_consent": (lambda value: value is None or isinstance(value, str), "a user's name or null"),
    "people_count": _WHOLE,
    "query_limit": _WHOLE,
    "app_id": (lambda value: isinstance(value, str) and value != "", "a GUID"),
    "public_url": (
        lambda value: value == "" or _is_origin(value),
        "an origin such as http://127.0.0.1:9700, or empty",
    ),
}
