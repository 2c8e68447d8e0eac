"""What `PUT /_sim/settings` may change."""

from dataclasses import dataclass, field, fields, replace
from typing import Any

from tools.simulator.settings import ControlError, Json

TENANT = "308dcda9-f0a2-574b-9aef-1c2753cfb9b7"
IDENTITY = "7c1d1c0e-6a5b-4a7e-9a53-0b6f5f8f2a11"
"""Client id of the user-assigned identity."""
USER = "Key Vault Secrets User"
OFFICER = "Key Vault Secrets Officer"
PERMISSIONS = {
    USER: {"getSecret", "readMetadata"},
    OFFICER: {"getSecret", "readMetadata", "setSecret", "update", "delete", "recover", "purge"},
}
"""Data actions below Microsoft.KeyVault/vaults/secrets/, as far as they are asked for here."""


@dataclass(frozen=True)
class Settings:
    """The state of vault and identity, beside the secrets."""

    instances: dict[str, str] = field(default_factory=dict)
    """Value of X-IDENTITY-HEADER → who shows it: each instance of an app has its own."""
    roles: dict[str, str] = field(default_factory=dict)
    """Scope of the app's identity, "/" or the name of a secret → its role there."""
    deployer: str = ""
    """X-IDENTITY-HEADER of somebody who is officer of the whole vault; empty: nobody."""
    firewall: bool = False
    read_only: bool = False
    tokens_accepted: bool = True
    throttled: bool = False
    retry_after: str = ""
    """Sent with 429 when not empty; the recorded 429 has none."""
    delete_seconds: float = 2.0
    token_lifetime: int = 86_400

    def updated(self, changes: Json) -> "Settings":
        """Raises ControlError and changes nothing for a name or a type that is none of these."""
        if not isinstance(changes, dict):
            raise ControlError("settings are an object")
        known = {item.name: getattr(self, item.name) for item in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ControlError(f"unknown setting {name}; known: {', '.join(sorted(known))}")
            if not _same_kind(value, known[name]):
                raise ControlError(f"{name} must be of type {type(known[name]).__name__}")
        if wrong := set(changes.get("roles", {}).values()) - set(PERMISSIONS):
            raise ControlError(f"unknown role {', '.join(sorted(wrong))}")
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}


def _same_kind(value: Any, current: Any) -> bool:
    if isinstance(current, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(current, dict):
        return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
    return type(value) is type(current)
