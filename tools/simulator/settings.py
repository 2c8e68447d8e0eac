"""What can be changed while the simulator runs (`PUT /_sim/settings`)."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from tools.simulator import defaults

type Json = Any  # a decoded JSON document: checked where it enters, not by its type

Reuse = Literal["nonrotating", "grace30", "prev-until-used", "strict"]
DenyStyle = Literal["access_denied", "bare"]
IdTokenMutation = Literal[
    "absent",
    "garbage",
    "alg-none",
    "hs256",
    "wrong-key",
    "unknown-kid",
    "wrong-audience",
    "wrong-issuer",
    "other-tenant",
    "personal-account",
    "wrong-nonce",
    "no-nonce",
    "no-oid",
    "expired",
    "not-yet-valid",
]


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
    entra_client_id: str = defaults.ENTRA_CLIENT_ID
    entra_tenant_id: str = defaults.ENTRA_TENANT_ID  # where the application is registered
    entra_multi_tenant: bool = True
    entra_client_secrets: tuple[str, ...] = (defaults.ENTRA_CLIENT_SECRET,)
    entra_expired_secrets: tuple[str, ...] = ()
    entra_redirect_uris: tuple[str, ...] = defaults.ENTRA_REDIRECT_URIS
    entra_federated: tuple[dict[str, str], ...] = ()
    entra_code_lifetime: int = 600  # facts 3.3: about ten minutes
    entra_refresh_token_lifetime: int = 7_776_000  # facts 3.4: 90 days
    entra_withheld_scopes: tuple[str, ...] = ()
    entra_rotate_keys: int = 0
    entra_old_key_published: bool = True
    entra_revoked_users: tuple[str, ...] = ()
    id_token_mutation: IdTokenMutation | None = None
    claims_challenge: dict[str, Json] = field(default_factory=dict)

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


def _is_flag(value: Json) -> bool:
    return isinstance(value, bool)


def _is_guid(value: Json) -> bool:
    return isinstance(value, str) and value != ""


def _is_federated(value: Json) -> bool:
    required, known = {"issuer", "subject"}, {"issuer", "subject", "public_key"}
    return isinstance(value, list | tuple) and all(
        isinstance(each, dict)
        and required <= set(each) <= known
        and all(isinstance(text, str) for text in each.values())
        for each in value
    )


def _is_challenges(value: Json) -> bool:
    """Users with the claims asked of them: an object as in the `claims` parameter (OpenID Connect Core 5.5)."""
    return isinstance(value, dict) and all(
        isinstance(each, dict) and isinstance(each.get("access_token"), dict) and each["access_token"]
        for each in value.values()
    )


def _is_origin(value: Json) -> bool:
    return isinstance(value, str) and re.fullmatch(r"https?://[^/?#\s]+", value) is not None


_WHOLE = (is_whole, "a whole number, 0 or more")
_SECONDS = (is_duration, "a number of seconds, 0 or more")
_FLAG = (_is_flag, "true or false")
_GUID = (_is_guid, "a GUID")
_TEXTS = (_is_texts, "a list of non-empty strings")
_CHECKS: dict[str, tuple[Callable[[Json], bool], str]] = {
    "reuse": (lambda value: value in get_args(Reuse), f"one of {', '.join(get_args(Reuse))}"),
    "revoke": _FLAG,
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
    "app_id": _GUID,
    "public_url": (
        lambda value: value == "" or _is_origin(value),
        "an origin such as http://127.0.0.1:9700, or empty",
    ),
    "entra_client_id": _GUID,
    "entra_tenant_id": _GUID,
    "entra_multi_tenant": _FLAG,
    "entra_client_secrets": _TEXTS,
    "entra_expired_secrets": _TEXTS,
    "entra_redirect_uris": _TEXTS,
    "entra_federated": (_is_federated, 'a list of {"issuer", "subject"} with or without "public_key" (PEM)'),
    "entra_code_lifetime": _WHOLE,
    "entra_refresh_token_lifetime": _WHOLE,
    "entra_withheld_scopes": _TEXTS,
    "entra_revoked_users": _TEXTS,
    "entra_rotate_keys": _WHOLE,
    "entra_old_key_published": _FLAG,
    "id_token_mutation": (
        lambda value: value is None or value in get_args(IdTokenMutation),
        f"null or one of {', '.join(get_args(IdTokenMutation))}",
    ),
    "claims_challenge": (_is_challenges, 'an object of users and {"access_token": {…}}, the claims asked of them'),
}
