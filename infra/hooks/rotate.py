"""Replace a secret without signing anybody out: the new one goes first, the old ones stay until they are dropped.

    python infra/hooks/rotate.py status
    python infra/hooks/rotate.py key                  a new encryption key in front of the old ones
    python infra/hooks/rotate.py client-secret        asks for the new one, or takes it from the environment
    python infra/hooks/rotate.py key --drop-old       only the newest stays, two hours after it came
    python infra/hooks/rotate.py client-secret --drop-old --provider entra

One person at a time: the vault has no way to refuse the second of two writers.
"""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta, timezone

import client_secrets
import environment
import secret_lists
from console import HookError, run, say
from vault import Stored, Vault

SETTLED_AFTER = timedelta(hours=2)
"""Every live row is looked at, and re-sealed, within an hour of the application having the new key; twice that."""


def work() -> None:
    """One command of the command line."""
    wish = _parser().parse_args()
    (vault_name,) = environment.values("AZURE_KEY_VAULT_NAME")
    vault = Vault(vault_name)
    if wish.what == "status":
        _status(vault)
        return
    is_key = wish.what == "key"
    name = secret_lists.ENCRYPTION_KEY if is_key else secret_lists.CLIENT_SECRETS[wish.provider]
    found = vault.read(name)
    if found is None:
        raise HookError(f"{name} is not in the vault yet: `azd hooks run postprovision` makes the first one")
    if is_key:
        secret_lists.keys(found.value)
    if wish.drop_old:
        _drop_old(vault, name, found, force=wish.force)
    elif is_key:
        _put_first(vault, name, found, secret_lists.new_key(), None)
    else:
        _new_client_secret(vault, name, found, wish.provider)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rotate.py", description="Replace a secret of this deployment.")
    parser.add_argument("what", choices=("status", "key", "client-secret"))
    parser.add_argument("--provider", choices=tuple(secret_lists.CLIENT_SECRETS), default="azure-devops")
    parser.add_argument("--drop-old", action="store_true", help="keep only the newest")
    parser.add_argument("--force", action="store_true", help="drop the old ones although the newest is fresh")
    return parser


def _new_client_secret(vault: Vault, name: str, found: Stored, provider: str) -> None:
    given = client_secrets.take(provider)
    if given is None:
        raise HookError(f"set {client_secrets.VARIABLES[provider]} for this run, or run it in a terminal")
    if secret_lists.entries(found.value)[:1] == [given]:
        say(f"{name}: that is the newest already; nothing was changed")
        return
    _put_first(vault, name, found, given, client_secrets.expiry(provider, datetime.now(timezone.utc)))


def _put_first(vault: Vault, name: str, found: Stored, newest: str, expires: datetime | None) -> None:
    renewed = secret_lists.with_newest(found.value, newest)
    vault.write(name, renewed, expires)
    say(f"{name}: {secret_lists.ids_of(renewed)} (newest first)")
    say("when the `tick` events of an hour show 0 rows with the old one: the same command with --drop-old")


def _drop_old(vault: Vault, name: str, found: Stored, *, force: bool) -> None:
    entries = secret_lists.entries(found.value)
    if len(entries) < 2:
        say(f"{name}: there is no old one; nothing was changed")
        return
    age = datetime.now(timezone.utc) - found.created
    if age < SETTLED_AFTER and not force:
        raise HookError(
            f"{name} was written {age.total_seconds() / 60:.0f} minutes ago: rows may still need the old one, "
            f"and what only it opens would be lost. Wait for {SETTLED_AFTER.total_seconds() / 3600:.0f} hours and for "
            "0 rows with the old one in the `tick` events, or say --force."
        )
    vault.write(name, entries[0], found.expires)
    say(f"{name}: only {secret_lists.id_of(entries[0])} is left; earlier versions stay in the vault's history")


def _status(vault: Vault) -> None:
    now = datetime.now(timezone.utc)
    for name in (secret_lists.ENCRYPTION_KEY, *secret_lists.CLIENT_SECRETS.values()):
        found = vault.read(name)
        if found is None:
            say(f"{name}: not stored")
            continue
        until = f", {(found.expires - now).days} days left" if found.expires else ""
        say(
            f"{name}: {secret_lists.ids_of(found.value)} (newest first), written {found.created:%Y-%m-%d %H:%M}Z{until}"
        )


if __name__ == "__main__":
    run(work)
