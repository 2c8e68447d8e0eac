"""The cache in front of Key Vault: one read, served while the vault is away, renewed when a value is refused."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import VaultError
from shared.sealing import id_of, parse_keys, secret_list
from shared.vault import AZURE_DEVOPS_SECRET, ENCRYPTION_KEY, Fetched, VaultSecrets

KEY_1, KEY_2 = "11" * 32, "22" * 32


class Vault:
    """A vault whose values, faults and clock a test sets; it counts its reads."""

    def __init__(self) -> None:
        self.values = {ENCRYPTION_KEY: KEY_1, AZURE_DEVOPS_SECRET: "new,old"}
        self.down = False
        self.reads: list[str] = []
        self.events: list[str] = []
        self.time = datetime(2026, 11, 24, tzinfo=UTC)
        self.secrets = VaultSecrets(self.fetch, now=lambda: self.time, emit=self.emit)

    def fetch(self, name: str) -> Fetched:
        self.reads.append(name)
        if self.down:
            raise VaultError("down", reason="503")
        return Fetched(self.values[name])

    def emit(self, event: str, /, **fields: object) -> None:
        self.events.append(event)

    def later(self, **passed: float) -> None:
        self.time += timedelta(**passed)


@pytest.fixture
def vault() -> Vault:
    return Vault()


def test_a_secret_is_read_once_and_then_kept_for_five_minutes(vault: Vault) -> None:
    for _ in range(100):
        assert vault.secrets.client_secrets(AZURE_DEVOPS_SECRET) == ("new", "old")
    vault.later(minutes=4)
    vault.secrets.client_secrets(AZURE_DEVOPS_SECRET)
    assert vault.reads == [AZURE_DEVOPS_SECRET]


def test_after_five_minutes_a_new_value_is_found(vault: Vault) -> None:
    assert vault.secrets.keyring().newest_id == id_of(bytes.fromhex(KEY_1))
    vault.values[ENCRYPTION_KEY] = f"{KEY_2},{KEY_1}"
    vault.later(minutes=5)
    assert vault.secrets.keyring().newest_id == id_of(bytes.fromhex(KEY_2))


def test_a_vault_that_goes_away_is_served_from_memory_for_a_day(vault: Vault) -> None:
    vault.secrets.keyring()
    vault.down = True
    for _ in range(23):
        vault.later(hours=1)
        vault.secrets.keyring()
    assert "vault_stale" in vault.events
    vault.later(hours=2)
    with pytest.raises(VaultError):
        vault.secrets.keyring()


def test_a_vault_that_is_down_at_the_start_is_asked_again_with_growing_pauses(vault: Vault) -> None:
    vault.down = True
    for _ in range(60):
        with pytest.raises(VaultError):
            vault.secrets.keyring()
        vault.later(seconds=1)
    assert 4 <= len(vault.reads) <= 12
    vault.down = False
    vault.later(seconds=16)
    vault.secrets.keyring()


def test_twenty_threads_at_the_start_read_once(vault: Vault) -> None:
    threads = [threading.Thread(target=vault.secrets.keyring) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert vault.reads == [ENCRYPTION_KEY]


def test_a_malformed_value_keeps_the_last_good_keys(vault: Vault) -> None:
    good = vault.secrets.keyring()
    vault.values[ENCRYPTION_KEY] = "not a key"
    vault.later(minutes=6)
    assert vault.secrets.keyring() is good


@pytest.mark.parametrize("value", ["", "zz" * 32, "11" * 31, f"{KEY_1},short"])
def test_a_vault_without_usable_keys_gives_none(vault: Vault, value: str) -> None:
    vault.values[ENCRYPTION_KEY] = value
    with pytest.raises(VaultError):
        vault.secrets.keyring()


def test_a_refused_secret_is_read_again_once_and_not_more_often_than_every_half_minute(vault: Vault) -> None:
    vault.secrets.client_secrets(AZURE_DEVOPS_SECRET)
    assert not vault.secrets.reread(AZURE_DEVOPS_SECRET)
    assert len(vault.reads) == 1
    vault.values[AZURE_DEVOPS_SECRET] = "newest,new"
    vault.later(seconds=31)
    assert vault.secrets.reread(AZURE_DEVOPS_SECRET)
    assert vault.secrets.client_secrets(AZURE_DEVOPS_SECRET) == ("newest", "new")
    assert len(vault.reads) == 2


def test_a_secret_is_no_part_of_what_is_printed(vault: Vault) -> None:
    assert "hidden" not in repr(Fetched("hidden"))


@pytest.mark.parametrize(("value", "parts"), [("a", ("a",)), (" a , b ,", ("a", "b")), ("", ()), (",,", ())])
def test_a_list_of_secrets_is_read_newest_first(value: str, parts: tuple[str, ...]) -> None:
    assert secret_list(value) == parts


def test_keys_are_64_hex_digits_each_or_none_counts() -> None:
    assert parse_keys(f"{KEY_2}, {KEY_1}") == (bytes.fromhex(KEY_2), bytes.fromhex(KEY_1))
    assert parse_keys(f"{KEY_2},{'11' * 33}") == ()
