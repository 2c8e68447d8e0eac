"""Rotation: the new one first, the old ones kept until they are dropped, nobody's secret shown."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest

from shared.sealing import id_of
from tests.infra.cloud import CLIENT_SECRET, OTHER_SECRET, Cloud

KEY_NAME, LEGACY_NAME, ENTRA_NAME = "token-encryption-key", "azure-devops-client-secret", "entra-client-secret"
OLD, OLDER = "a1" * 32, "b2" * 32


def ago(**parts: float) -> str:
    return (datetime.now(UTC) - timedelta(**parts)).isoformat()


def stored(value: str, **parts: object) -> list[dict[str, object]]:
    return [{"value": value, **parts}]


def test_a_new_key_goes_first_and_the_old_ones_stay(cloud: Cloud) -> None:
    cloud.change(secrets={KEY_NAME: stored(f"{OLD},{OLDER}")})
    ran = cloud.run("rotate", "key")
    assert ran.code == 0
    newest, *kept = cloud.secret(KEY_NAME)[-1]["value"].split(",")
    assert re.fullmatch(r"[0-9a-f]{64}", newest)
    assert kept == [OLD, OLDER]
    assert cloud.leaks(newest, OLD, OLDER) == []
    assert cloud.left_behind() == []


def test_the_ids_that_are_shown_are_those_of_the_application(cloud: Cloud) -> None:
    cloud.change(secrets={KEY_NAME: stored(OLD), LEGACY_NAME: stored(f"{CLIENT_SECRET},{OTHER_SECRET}")})
    ran = cloud.run("rotate", "status")
    for shown in (id_of(bytes.fromhex(OLD)), id_of(CLIENT_SECRET), id_of(OTHER_SECRET)):
        assert shown in ran.output
    assert id_of(CLIENT_SECRET) == hashlib.sha256(CLIENT_SECRET.encode()).hexdigest()[:8]


def test_status_counts_the_days_left_and_changes_nothing(cloud: Cloud) -> None:
    expires = (datetime.now(UTC) + timedelta(days=12, hours=1)).isoformat()
    cloud.change(secrets={LEGACY_NAME: stored(CLIENT_SECRET, expires=expires)})
    ran = cloud.run("rotate", "status")
    assert ran.code == 0
    assert "12 days left" in ran.output
    assert f"{KEY_NAME}: not stored" in ran.output
    assert cloud.writes() == []
    assert cloud.leaks("CANARY") == []


def test_old_keys_are_dropped_when_they_are_old_enough(cloud: Cloud) -> None:
    cloud.change(secrets={KEY_NAME: stored(f"{OLD},{OLDER}", created=ago(hours=3))})
    assert cloud.run("rotate", "key", "--drop-old").code == 0
    assert cloud.secret(KEY_NAME)[-1]["value"] == OLD
    before = cloud.writes()
    assert cloud.run("rotate", "key", "--drop-old").code == 0
    assert cloud.writes() == before


def test_an_old_key_is_not_dropped_while_rows_may_need_it(cloud: Cloud) -> None:
    cloud.change(secrets={KEY_NAME: stored(f"{OLD},{OLDER}", created=ago(minutes=100))})
    ran = cloud.run("rotate", "key", "--drop-old")
    assert ran.code == 1
    assert "would be lost" in ran.output
    assert len(cloud.secret(KEY_NAME)) == 1
    assert cloud.run("rotate", "key", "--drop-old", "--force").code == 0
    assert cloud.secret(KEY_NAME)[-1]["value"] == OLD


@pytest.mark.parametrize("arguments", [("key",), ("key", "--drop-old", "--force")])
def test_what_is_no_list_of_keys_is_left_alone(cloud: Cloud, arguments: tuple[str, ...]) -> None:
    cloud.change(secrets={KEY_NAME: stored(f"{OLD},damaged", created=ago(hours=3))})
    ran = cloud.run("rotate", *arguments)
    assert ran.code == 1
    assert len(cloud.secret(KEY_NAME)) == 1
    assert cloud.leaks(OLD) == []


@pytest.mark.parametrize("what", ["key", "client-secret"])
def test_there_must_be_one_to_replace(cloud: Cloud, what: str) -> None:
    ran = cloud.run("rotate", what, AZURE_DEVOPS_CLIENT_SECRET=CLIENT_SECRET)
    assert ran.code == 1
    assert "azd hooks run postprovision" in ran.output
    assert cloud.state["secrets"] == {}


def test_a_new_client_secret_goes_first_with_its_end(cloud: Cloud) -> None:
    cloud.change(secrets={LEGACY_NAME: stored(OTHER_SECRET)})
    given = {"AZURE_DEVOPS_CLIENT_SECRET": CLIENT_SECRET, "CLIENT_SECRET_EXPIRES": "2099-01-31"}
    assert cloud.run("rotate", "client-secret", **given).code == 0
    assert cloud.secret(LEGACY_NAME)[-1]["value"] == f"{CLIENT_SECRET},{OTHER_SECRET}"
    assert cloud.secret(LEGACY_NAME)[-1]["expires"] == "2099-01-31T00:00:00Z"
    before = cloud.writes()
    assert cloud.run("rotate", "client-secret", **given).code == 0
    assert cloud.writes() == before
    assert cloud.leaks("CANARY") == []
    assert cloud.left_behind() == []


def test_dropping_the_old_client_secret_keeps_the_end_of_the_newest(cloud: Cloud) -> None:
    value = f"{CLIENT_SECRET},{OTHER_SECRET}"
    expires = "2099-01-31T00:00:00+00:00"
    cloud.change(secrets={ENTRA_NAME: stored(value, created=ago(days=2), expires=expires)})
    assert cloud.run("rotate", "client-secret", "--drop-old", "--provider", "entra").code == 0
    newest = cloud.secret(ENTRA_NAME)[-1]
    assert (newest["value"], newest["expires"]) == (CLIENT_SECRET, "2099-01-31T00:00:00Z")


def test_a_secret_is_never_taken_from_the_command_line(cloud: Cloud) -> None:
    cloud.change(secrets={LEGACY_NAME: stored(OTHER_SECRET)})
    assert cloud.run("rotate", "client-secret", "somebody-types-a-secret-here").code == 2
    assert len(cloud.secret(LEGACY_NAME)) == 1
