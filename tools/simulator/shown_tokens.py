"""Tokens as the control API shows them: by digest and state, never whole."""

from collections import Counter

from tools.simulator.entra import grants as entra
from tools.simulator.identity import tokens as legacy
from tools.simulator.settings import Json

_COUNTS = ("active_access_tokens", "active_refresh_tokens", "refreshes", "reuses", "replays")


def shown_users(tokens: legacy.Tokens, grants: entra.Grants, wanted: str | None) -> dict[str, Json]:
    """By user, or only the user `wanted`: the counts of all families and each family, legacy ones first."""
    by_user: dict[str, list[dict[str, Json]]] = {}
    for family in tokens.families:
        if wanted in (None, family.user):
            by_user.setdefault(family.user, []).append(_legacy(family, tokens))
    for sign_in in grants.families:
        if wanted in (None, sign_in.user):
            by_user.setdefault(sign_in.user, []).append(_entra(sign_in, grants))
    return {
        user: {**{key: sum(each[key] for each in families) for key in _COUNTS}, "families": families}
        for user, families in by_user.items()
    }


def _legacy(family: legacy.Family, tokens: legacy.Tokens) -> dict[str, Json]:
    refresh = [_refresh_token(each, tokens.state_of_refresh_token(each)) for each in family.refresh_tokens]
    access = [_token(each, tokens.state_of_access_token(each)) for each in family.access_tokens]
    return _family(family, refresh, access) | {"provider": "azure-devops"}


def _entra(family: entra.Family, grants: entra.Grants) -> dict[str, Json]:
    refresh = [_refresh_token(each, grants.state_of_refresh_token(each)) for each in family.refresh_tokens]
    access = [
        _token(each, grants.state_of_access_token(each)) | {"tenant": each.tenant.id, "scopes": each.scopes}
        for each in family.access_tokens
    ]
    tenant = family.authorization.tenant.id
    return _family(family, refresh, access) | {"provider": "entra", "tenant": tenant}


def _family(
    family: legacy.Family | entra.Family, refresh: list[dict[str, Json]], access: list[dict[str, Json]]
) -> dict[str, Json]:
    return {
        "family": family.id,
        "scopes": family.scopes,
        "revoked": family.revoked,
        "refreshes": family.refreshes,
        "reuses": family.reuses,
        "replays": family.replays,
        "active_access_tokens": Counter(each["state"] for each in access)["active"],
        "active_refresh_tokens": Counter(each["state"] for each in refresh)["active"],
        "refresh_tokens": refresh,
        "access_tokens": access,
    }


def _refresh_token(token: legacy.RefreshToken | entra.RefreshToken, state: str) -> dict[str, Json]:
    return _token(token, state) | {"first_used_at": token.first_used_at, "spent_at": token.spent_at}


def _token(
    token: legacy.RefreshToken | legacy.AccessToken | entra.RefreshToken | entra.AccessToken, state: str
) -> dict[str, Json]:
    return {
        "digest": token.digest,
        "state": state,
        "issued_at": token.issued_at,
        "expires_at": token.expires_at,
    }
