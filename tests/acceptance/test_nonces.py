"""F2: nonces never repeat, and a key is replaced long before so many were drawn that they might."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.config import Config
from shared.sealing import Keyring, Place
from shared.storage import rows
from tests.contracts.test_connections import a_connection
from tests.evidence import Report
from tests.fakes import FIRST_KEY
from tests.site import KEY, ROOT
from tools.simulator import defaults

STARTED, FORKED = 4, 4
NONCE_BYTES = 12
SETTINGS = {
    "PUBLIC_URL": "http://127.0.0.1:7071",
    "ENTRA_CLIENT_ID": defaults.ENTRA_CLIENT_ID,
    "ENTRA_TENANT_ID": defaults.ENTRA_TENANT_ID,
    "ENTRA_CLIENT_SECRET": defaults.ENTRA_CLIENT_SECRET,
    "TOKEN_ENCRYPTION_KEY": KEY,
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}
MOST_SEALS = 2**32
"""NIST SP 800-38D section 8.3: the most invocations under one key where nonces are 96 random bits."""


@pytest.mark.acceptance("F2")
def test_no_nonce_comes_twice_in_eight_processes_that_share_a_key(
    amount: Callable[..., int], evidence: Report, tmp_path: Path
) -> None:
    """Four are started, and each forks another in the middle of its work."""
    share = -(-amount("F2") // (STARTED + FORKED))
    command = [sys.executable, "-m", "tests.acceptance.sealing_process", tmp_path, str(share)]
    running = [subprocess.Popen(command, cwd=ROOT) for _ in range(STARTED)]
    assert [process.wait(300) for process in running] == [0] * STARTED
    drawn = {int(file.name): file.read_bytes() for file in tmp_path.iterdir()}
    assert len(drawn) == STARTED + FORKED
    assert {process.pid for process in running} < set(drawn)
    total = sum(len(nonces) // NONCE_BYTES for nonces in drawn.values())
    assert total == share * (STARTED + FORKED)
    different = {
        nonces[start : start + NONCE_BYTES] for nonces in drawn.values() for start in range(0, len(nonces), NONCE_BYTES)
    }
    assert len(different) == total
    evidence(cases=total, processes=drawn)


class CountingKeyring(Keyring):
    """Counts what it seals."""

    seals = 0

    def seal(self, plaintext: bytes, place: Place) -> bytes:
        self.seals += 1
        return super().seal(plaintext, place)


def seals_a_day(connections: int) -> int:
    """With the settings' defaults: a token of an hour is refreshed at each end of its life less the margin."""
    keys = CountingKeyring([FIRST_KEY])
    rows.token_properties(a_connection("a" * 32), keys)
    margin = Config.from_env(SETTINGS).refresh_margin.total_seconds()
    return int(connections * 24 * 3600 / (3600 - margin)) * keys.seals


@pytest.mark.parametrize(("connections", "days"), [(25_000, 365), (100_000, 90)])
def test_a_key_is_retired_long_before_the_limit_by_the_rotation_that_is_documented(connections: int, days: int) -> None:
    """A fifth of the limit at most; docs/security.md tells the arithmetic."""
    drawn = seals_a_day(connections) * days
    assert drawn < MOST_SEALS / 4
    text = " ".join((ROOT / "docs" / "security.md").read_text().split())
    assert f"{connections:,} live connections" in text
    assert f"{days} days" in text
    assert f"{round(drawn / 1e6)} million" in text
    assert f"{MOST_SEALS // seals_a_day(100_000)} days at 100,000" in text
