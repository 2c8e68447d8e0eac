"""The secrets of the Key Vault through `az`. A refusal because the roles are not effective yet is waited out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import environment
from commands import CommandFailed, az, private_file
from console import HookError, say

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_YET = (
    "ForbiddenByRbac",  # the role assignment of this deployment takes minutes to reach the vault
    "NameResolutionError",  # so does the name of a new vault
    "Name or service not known",
    "getaddrinfo failed",
)
PAUSES_SECONDS = (2, 4, 8, 15, 30)
WAIT_SECONDS = 600
"""Microsoft: role assignments take up to ten minutes; ROLE_WAIT_SECONDS replaces it."""


@dataclass(frozen=True)
class Stored:
    """The current version of a secret."""

    value: str = field(repr=False)
    created: datetime
    expires: datetime | None


class Vault:
    """One vault, by name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._wait = environment.seconds("ROLE_WAIT_SECONDS", WAIT_SECONDS)

    def read(self, secret: str) -> Stored | None:
        """The current version, or None when there is no such secret. Raises HookError for every other answer."""
        try:
            found = self._when_allowed(
                lambda: az("keyvault", "secret", "show", "--vault-name", self._name, "--name", secret)
            )
        except CommandFailed as error:
            if error.says("SecretNotFound"):
                return None
            raise
        attributes = found["attributes"]
        return Stored(found["value"], _moment(attributes["created"]), _moment_or_none(attributes.get("expires")))

    def write(self, secret: str, value: str, expires: datetime | None = None) -> None:
        """Make `value` the current version; older versions stay in the vault. Raises HookError."""
        until = ["--expires", expires.strftime("%Y-%m-%dT%H:%M:%SZ")] if expires else []
        with private_file(value) as path:
            # The answer holds the value: a query keeps it out of our memory, and nothing of it is shown.
            self._when_allowed(
                lambda: az(
                    *("keyvault", "secret", "set", "--vault-name", self._name, "--name", secret),
                    *("--file", path, "--encoding", "utf-8", "--query", "id", *until),
                    hide=value,
                )
            )

    def _when_allowed(self, command: Callable[[], Any]) -> Any:
        began, tries = time.monotonic(), 0
        while True:
            try:
                return command()
            except CommandFailed as error:
                waited = time.monotonic() - began
                if not error.says(*NOT_YET) or waited >= self._wait:
                    raise _explained(error, self._name) from None
            pause = PAUSES_SECONDS[min(tries, len(PAUSES_SECONDS) - 1)]
            tries += 1
            say(f"the vault does not let us in yet (roles take minutes): {waited:.0f} s waited, again in {pause} s")
            time.sleep(pause)


def _explained(error: CommandFailed, vault: str) -> HookError:
    """What a person can do about the vault's answer (facts: error codes of the secrets API)."""
    if error.says("ForbiddenByFirewall"):
        return HookError(
            f"the network rules of {vault} keep this machine out. Let its address in for the time being "
            "(`azd env set DEPLOYER_IP_ADDRESS …`, `azd provision`), or run `azd hooks run postprovision` from inside "
            "the virtual network."
        )
    if error.says("SecretDisabled", "disabled secret"):
        return HookError(
            f"the current version of a secret in {vault} is disabled; it was left as it is. Enable it with "
            "`az keyvault secret set-attributes --enabled true`, then run this again."
        )
    if error.says("ObjectIsDeletedButRecoverable", "ObjectIsBeingRecovered", "deleted but recoverable"):
        return HookError(
            f"a secret of this name was deleted in {vault} and can be recovered, so no new one was made. Run "
            f"`az keyvault secret recover --vault-name {vault} --name NAME`, then this again."
        )
    if error.says("ForbiddenByRbac"):
        return HookError(
            f"the roles on {vault} did not become effective in time. Check that `az account show` and "
            "`azd auth login --check-status` name the same principal, then run `azd hooks run postprovision`."
        )
    return error


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


def _moment_or_none(text: str | None) -> datetime | None:
    return _moment(text) if text else None
