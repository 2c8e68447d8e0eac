"""The cache in front of Key Vault: one read, served while the vault is away, renewed when a value is refused."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from shared.errors import UnknownKey, VaultError
from shared.events import correlation_id
from shared.sealing import Keyring, Place, id_of, parse_keys, secret_list
from shared.secret_cache import DECIDED, EXPIRED, MALFORMED, MISSING, Fetched
from shared.vault import AZURE_DEVOPS_SECRET, ENCRYPTION_KEY, ENTRA_SECRET, VaultSecrets

KEY_1, KEY_2 = "11" * 32, "22" * 32
BLANKS = "11 11 " + "11" * 29
"""64 characters, and 31 bytes to whoever overlooks the blanks."""
HERE = Place("connections", "a" * 32, "connection", "access_token", 1, "azure-devops")


class Vault:
    """A vault whose values, faults and clock a test sets; it counts its reads."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {ENCRYPTION_KEY: KEY_1, AZURE_DEVOPS_SECRET: "new,old"}
        self.ends: dict[str, datetime] = {}
        self.fault: str | None = None
        self.pause = 0.0
        self.gate = threading.Event()
        self.gate.set()
        self.reads: list[str] = []
        self.read_at: list[datetime] = []
        self.told: list[tuple[object, object]] = []
        self.time = datetime(2026, 11, 24, tzinfo=UTC)
        self.secrets = VaultSecrets(
            self.fetch, required=[AZURE_DEVOPS_SECRET], optional=[ENTRA_SECRET], now=lambda: self.time, emit=self.emit
        )

    def fetch(self, name: str) -> Fetched:
        self.reads.append(name)
        if name == ENCRYPTION_KEY:
            self.read_at.append(self.time)
        self.gate.wait(10)
        if self.fault:
            raise VaultError("down", reason=self.fault, pause=self.pause)
        if name not in self.values:
            raise VaultError("absent", reason=MISSING)
        return Fetched(self.values[name], self.ends.get(name))

    def emit(self, event: str, /, **fields: object) -> None:
        assert event == "vault_stale"
        self.told.append((fields["secret"], fields["reason"]))

    def told_of(self, name: str) -> list[object]:
        return [reason for secret, reason in self.told if secret == name]

    def later(self, **passed: float) -> None:
        self.time += timedelta(**passed)

    def key_reads(self) -> int:
        return self.reads.count(ENCRYPTION_KEY)

    def newest_key(self) -> str:
        return self.secrets.keyring().newest_id


@pytest.fixture
def vault() -> Iterator[Vault]:
    """Asked on the thread of an invocation."""
    token = correlation_id.set("9f86d081884c7d65")
    yield Vault()
    correlation_id.reset(token)


def at_once(*work: object) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline


def test_a_secret_is_read_once_and_then_kept_for_five_minutes(vault: Vault) -> None:
    for _ in range(100):
        assert vault.secrets.client_secrets(AZURE_DEVOPS_SECRET) == ("new", "old")
    vault.later(minutes=4)
    vault.secrets.client_secrets(AZURE_DEVOPS_SECRET)
    assert vault.reads == [AZURE_DEVOPS_SECRET]


def test_after_five_minutes_a_new_value_is_found(vault: Vault) -> None:
    assert vault.newest_key() == id_of(bytes.fromhex(KEY_1))
    vault.values[ENCRYPTION_KEY] = f"{KEY_2},{KEY_1}"
    vault.later(minutes=5)
    assert vault.newest_key() == id_of(bytes.fromhex(KEY_2))


def test_a_vault_that_goes_away_is_served_from_memory_for_a_day(vault: Vault) -> None:
    vault.secrets.keyring()
    vault.fault = "unreachable"
    for _ in range(23):
        vault.later(hours=1)
        vault.secrets.keyring()
    assert set(vault.told_of(ENCRYPTION_KEY)) == {"unreachable"}
    vault.later(hours=2)
    with pytest.raises(VaultError):
        vault.secrets.keyring()


class TestColdStart:
    def test_a_vault_that_is_down_is_asked_again_with_growing_pauses_of_at_most_16_s(self, vault: Vault) -> None:
        vault.fault = "503"
        for _ in range(1000):
            with pytest.raises(VaultError):
                vault.secrets.keyring()
            vault.later(seconds=0.1)
        pauses = [(after - before).total_seconds() for before, after in pairwise(vault.read_at)]
        limits = [1, 2, 4, 8, *[16] * len(pauses)]
        for pause, limit in zip(pauses, limits, strict=False):
            assert limit / 2 <= pause <= limit + 0.11
        assert len(pauses) >= 8
        vault.fault = None
        vault.later(seconds=16)
        vault.secrets.keyring()

    @pytest.mark.parametrize(("asked", "waits"), [(0.0, 1), (10.0, 10), (300.0, 16)])
    def test_retry_after_is_kept_but_not_beyond_16_s(self, vault: Vault, asked: float, waits: int) -> None:
        vault.fault, vault.pause = "429", asked
        with pytest.raises(VaultError):
            vault.secrets.keyring()
        vault.later(seconds=waits - 0.6)
        with pytest.raises(VaultError):
            vault.secrets.keyring()
        assert len(vault.reads) == 1
        vault.fault = None
        vault.later(seconds=0.6)
        vault.secrets.keyring()

    def test_twenty_threads_read_once(self, vault: Vault) -> None:
        at_once(*[vault.secrets.keyring] * 20)
        assert vault.key_reads() == 1

    def test_who_gets_the_keys_gets_the_client_secrets_too(self, vault: Vault) -> None:
        vault.secrets.keyring()
        vault.fault = "unreachable"
        assert vault.secrets.client_secrets(AZURE_DEVOPS_SECRET) == ("new", "old")
        assert len(vault.reads) == len(set(vault.reads)) == 3

    @pytest.mark.parametrize("value", ["", "zz" * 32, "11" * 31, f"{KEY_1},short", BLANKS])
    def test_without_usable_keys_there_are_none(self, vault: Vault, value: str) -> None:
        vault.values[ENCRYPTION_KEY] = value
        with pytest.raises(VaultError) as refused:
            vault.secrets.keyring()
        assert refused.value.reason == MALFORMED
        assert vault.told == [(ENCRYPTION_KEY, MALFORMED)]


class TestWithAValue:
    @pytest.mark.parametrize("reason", sorted(DECIDED - {MALFORMED}))
    def test_an_answer_that_will_not_change_is_asked_for_every_five_minutes(self, vault: Vault, reason: str) -> None:
        vault.secrets.keyring()
        vault.fault = reason
        for _ in range(600):
            vault.later(seconds=1)
            vault.secrets.keyring()
        assert vault.key_reads() <= 3
        assert vault.told_of(ENCRYPTION_KEY) == [reason] * (vault.key_reads() - 1)

    @pytest.mark.parametrize(("name", "value"), [(ENCRYPTION_KEY, "no key"), (AZURE_DEVOPS_SECRET, " , ")])
    def test_a_malformed_value_keeps_the_last_good_one(self, vault: Vault, name: str, value: str) -> None:
        read = vault.newest_key if name == ENCRYPTION_KEY else lambda: vault.secrets.client_secrets(name)
        good = read()
        vault.values[name] = value
        vault.later(minutes=6)
        assert read() == good
        assert vault.told == [(name, MALFORMED)]

    def test_a_value_that_nobody_foresaw_is_malformed_and_not_asked_for_by_every_request(self, vault: Vault) -> None:
        good = vault.newest_key()
        vault.values[ENCRYPTION_KEY] = None  # type: ignore[assignment]  # that is the point
        vault.later(minutes=6)
        for _ in range(5):
            assert vault.newest_key() == good
        with pytest.raises(VaultError):
            vault.secrets.check()
        assert vault.key_reads() == 2
        assert vault.told == [(ENCRYPTION_KEY, MALFORMED)]

    def test_a_vault_that_is_down_is_asked_ever_more_rarely(self, vault: Vault) -> None:
        vault.secrets.keyring()
        vault.fault = "503"
        for _ in range(3600):
            vault.later(seconds=1)
            vault.secrets.keyring()
        assert 15 <= vault.key_reads() <= 30, "an hour: backoff to five minutes"

    def test_retry_after_is_kept_but_not_beyond_five_minutes(self, vault: Vault) -> None:
        vault.secrets.keyring()
        vault.fault, vault.pause = "429", 10_000.0
        vault.later(minutes=5)
        vault.secrets.keyring()
        vault.later(seconds=299)
        vault.secrets.keyring()
        assert vault.key_reads() == 2
        vault.later(seconds=1)
        vault.secrets.keyring()
        assert vault.key_reads() == 3

    def test_a_vault_that_hangs_holds_one_caller_for_a_second_and_the_others_not_at_all(self, vault: Vault) -> None:
        vault.secrets.keyring()
        vault.gate.clear()
        vault.later(minutes=5)
        took: list[float] = []

        def ask() -> None:
            began = time.monotonic()
            vault.secrets.keyring()
            took.append(time.monotonic() - began)

        at_once(*[ask] * 20)
        vault.gate.set()
        assert sorted(took)[-1] < 2, "for the keys, and not for each client secret too"
        assert sorted(took)[-2] < 0.5
        assert vault.key_reads() == 2

    def test_what_came_of_a_read_that_outlived_its_request_is_told_by_the_next_one(self, vault: Vault) -> None:
        vault.secrets.keyring()
        vault.gate.clear()
        vault.fault = "503"
        vault.later(minutes=5)
        vault.secrets.keyring()
        assert vault.told == []
        vault.gate.set()
        wait_for(lambda: bool(vault.secrets.keyring() and vault.told_of(ENCRYPTION_KEY)))
        assert vault.told_of(ENCRYPTION_KEY) == ["503"]

    @pytest.mark.parametrize("ask", [VaultSecrets.keyring, VaultSecrets.first_end])
    def test_what_a_thread_of_the_timer_learned_is_told_on_the_thread_of_its_run(
        self, vault: Vault, ask: Callable[[VaultSecrets], object]
    ) -> None:
        """The worker files log lines by thread: on any other the event would belong to no invocation."""
        vault.secrets.check()
        vault.fault = "503"
        vault.later(minutes=5)
        at_once(lambda: vault.secrets.client_secrets(AZURE_DEVOPS_SECRET))
        assert vault.told == []
        ask(vault.secrets)
        assert (AZURE_DEVOPS_SECRET, "503") in vault.told

    def test_who_gets_the_keys_has_the_client_secrets_renewed(self, vault: Vault) -> None:
        """Or a process that serves pages only would refresh with those of its start once the vault is gone."""
        vault.secrets.check()
        vault.values[AZURE_DEVOPS_SECRET] = "newest,new"
        vault.later(minutes=5)
        vault.secrets.keyring()
        wait_for(lambda: vault.reads.count(AZURE_DEVOPS_SECRET) == 2)
        vault.fault = "unreachable"
        wait_for(lambda: vault.secrets.client_secrets(AZURE_DEVOPS_SECRET) == ("newest", "new"))


class TestReread:
    def test_a_refused_secret_is_read_again_once_and_not_more_often_than_every_half_minute(self, vault: Vault) -> None:
        vault.secrets.client_secrets(AZURE_DEVOPS_SECRET)
        vault.values[AZURE_DEVOPS_SECRET] = "newest,new"
        for _ in range(10):
            vault.secrets.reread(AZURE_DEVOPS_SECRET)
            assert vault.secrets.client_secrets(AZURE_DEVOPS_SECRET) == ("newest", "new")
        assert len(vault.reads) == 2
        vault.later(seconds=31)
        vault.secrets.reread(AZURE_DEVOPS_SECRET)
        assert len(vault.reads) == 3

    def test_twenty_threads_read_again_once_and_all_see_what_came(self, vault: Vault) -> None:
        vault.secrets.client_secrets(AZURE_DEVOPS_SECRET)
        vault.values[AZURE_DEVOPS_SECRET] = "newest"
        seen: list[object] = []

        def refused() -> None:
            vault.secrets.reread(AZURE_DEVOPS_SECRET)
            seen.append(vault.secrets.client_secrets(AZURE_DEVOPS_SECRET))

        at_once(*[refused] * 20)
        assert seen == [("newest",)] * 20
        assert len(vault.reads) == 2

    def test_a_key_that_another_process_knows_already_is_found_at_once(self, vault: Vault) -> None:
        keys = vault.secrets.keyring()
        foreign = Keyring([bytes.fromhex(KEY_2)]).seal(b"secret", HERE)
        vault.values[ENCRYPTION_KEY] = f"{KEY_2},{KEY_1}"
        assert keys.open(foreign, HERE) == b"secret"
        assert vault.key_reads() == 2

    def test_made_up_key_ids_do_not_make_us_read_without_end(self, vault: Vault) -> None:
        keys = vault.secrets.keyring()
        foreign = Keyring([bytes.fromhex(KEY_2)]).seal(b"secret", HERE)
        for _ in range(50):
            with pytest.raises(UnknownKey):
                keys.open(foreign, HERE)
        assert vault.key_reads() == 2


class TestWellBeing:
    def test_all_secrets_in_use_are_looked_at(self, vault: Vault) -> None:
        vault.secrets.check()
        assert sorted(vault.reads) == sorted([ENCRYPTION_KEY, AZURE_DEVOPS_SECRET, ENTRA_SECRET])

    def test_an_optional_secret_that_is_not_there_is_no_trouble_and_asked_for_every_five_minutes(
        self, vault: Vault
    ) -> None:
        for _ in range(300):
            with pytest.raises(VaultError) as refused:
                vault.secrets.client_secrets(ENTRA_SECRET)
            assert refused.value.reason == MISSING
            vault.secrets.check()
            vault.later(seconds=1)
        assert vault.reads.count(ENTRA_SECRET) == 1
        vault.values[ENTRA_SECRET] = "here"
        assert vault.secrets.client_secrets(ENTRA_SECRET) == ("here",)
        assert vault.told == []

    def test_that_an_optional_secret_is_not_there_is_known_for_a_day_while_the_vault_is_away(
        self, vault: Vault
    ) -> None:
        """The managed identity is the credential then: an outage must not take it away."""
        with pytest.raises(VaultError):
            vault.secrets.client_secrets(ENTRA_SECRET)
        vault.fault = "unreachable"
        for _ in range(23):
            vault.later(hours=1)
            with pytest.raises(VaultError) as refused:
                vault.secrets.client_secrets(ENTRA_SECRET)
            assert refused.value.reason == MISSING
        assert set(vault.told) == {(ENTRA_SECRET, "unreachable")}
        with pytest.raises(VaultError) as trouble:
            vault.secrets.check()
        assert trouble.value.reason == "unreachable"
        vault.later(hours=2)
        with pytest.raises(VaultError) as too_old:
            vault.secrets.client_secrets(ENTRA_SECRET)
        assert too_old.value.reason != MISSING

    @pytest.mark.parametrize("name", [ENCRYPTION_KEY, AZURE_DEVOPS_SECRET, ENTRA_SECRET])
    def test_a_secret_that_vanishes_is_trouble_though_its_value_serves(self, vault: Vault, name: str) -> None:
        vault.values[ENTRA_SECRET] = "here"
        vault.secrets.check()
        del vault.values[name]
        vault.later(minutes=5)
        with pytest.raises(VaultError) as refused:
            vault.secrets.check()
        assert refused.value.reason == MISSING
        assert vault.secrets.client_secrets(ENTRA_SECRET) == ("here",)
        assert vault.newest_key() == id_of(bytes.fromhex(KEY_1))

    def test_an_optional_secret_that_is_gone_for_a_day_is_not_there(self, vault: Vault) -> None:
        """Whoever deleted it wants the managed identity, and no trouble for good."""
        vault.values[ENTRA_SECRET] = "here"
        vault.secrets.check()
        del vault.values[ENTRA_SECRET]
        vault.later(hours=23)
        assert vault.secrets.client_secrets(ENTRA_SECRET) == ("here",)
        vault.later(hours=2)
        with pytest.raises(VaultError) as refused:
            vault.secrets.client_secrets(ENTRA_SECRET)
        assert refused.value.reason == MISSING
        vault.secrets.check()

    def test_an_expired_secret_serves_and_is_told_because_the_vault_does_not_look(self, vault: Vault) -> None:
        vault.ends[AZURE_DEVOPS_SECRET] = vault.time + timedelta(minutes=7)
        vault.secrets.check()
        vault.later(minutes=10)
        with pytest.raises(VaultError) as refused:
            vault.secrets.check()
        assert refused.value.reason == EXPIRED
        assert vault.secrets.client_secrets(AZURE_DEVOPS_SECRET) == ("new", "old")
        assert vault.told == [(AZURE_DEVOPS_SECRET, EXPIRED)]

    def test_the_first_end_of_all_secrets_is_known(self, vault: Vault) -> None:
        assert vault.secrets.first_end() is None
        vault.ends = {
            AZURE_DEVOPS_SECRET: vault.time + timedelta(days=60),
            ENCRYPTION_KEY: vault.time + timedelta(days=400),
        }
        vault.later(minutes=5)
        assert vault.secrets.first_end() == vault.ends[AZURE_DEVOPS_SECRET]


def test_a_start_without_a_vault_does_not_wait_for_its_libraries() -> None:
    """Half a second and 47 MB: they are imported by the first read."""
    program = "import sys, function_app; print({'azure.keyvault', 'azure.identity'} & sys.modules.keys())"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told == "set()\n"


def test_a_secret_is_no_part_of_what_is_printed() -> None:
    assert "hidden" not in repr(Fetched("hidden"))


@pytest.mark.parametrize(("value", "parts"), [("a", ("a",)), (" a , b ,", ("a", "b")), ("", ()), (",,", ())])
def test_a_list_of_secrets_is_read_newest_first(value: str, parts: tuple[str, ...]) -> None:
    assert secret_list(value) == parts


def test_keys_are_64_hex_digits_each_or_none_counts() -> None:
    assert parse_keys(f"{KEY_2}, {KEY_1}") == (bytes.fromhex(KEY_2), bytes.fromhex(KEY_1))
    assert parse_keys(f"{KEY_2},{'11' * 33}") == ()
    assert parse_keys(BLANKS) == ()
