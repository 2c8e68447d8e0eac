from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.run.plan import PlanError, host_settings, kept_key, make_plan, read_settings

APP = {
    "ENTRA_CLIENT_ID": "entra-id",
    "ENTRA_TENANT_ID": "tenant",
    "ENTRA_CLIENT_SECRET": "entra-secret",
    "AZURE_DEVOPS_APP_ID": "app-id",
    "AZURE_DEVOPS_CLIENT_SECRET": "app-secret",
}


def free(_: int) -> bool:
    return True


def taken(_: int) -> bool:
    return False


def test_without_settings_the_usual_ports_and_the_simulator_are_used() -> None:
    plan = make_plan({}, free)
    assert (plan.public_url, plan.port, plan.simulator_port) == ("http://127.0.0.1:7071", 7071, 9700)
    assert plan.own_storage
    assert not plan.https
    assert plan.notes == ()


def test_taken_ports_are_replaced_and_that_is_said() -> None:
    plan = make_plan({}, taken)
    assert 7071 != plan.port != plan.simulator_port != 9700
    assert plan.public_url == f"http://127.0.0.1:{plan.port}"
    assert [str(port) in note for port, note in zip((7071, 9700), plan.notes, strict=True)] == [True, True]


def test_a_taken_port_of_a_set_public_url_is_an_error() -> None:
    with pytest.raises(PlanError, match="Port 8080 of PUBLIC_URL is taken"):
        make_plan({"PUBLIC_URL": "http://localhost:8080"}, taken)


@pytest.mark.parametrize(
    ("public_url", "port", "https"),
    [
        ("http://localhost:8080", 8080, False),
        ("https://localhost:7443", 7443, True),
        ("http://127.0.0.1", 80, False),
        ("https://127.0.0.1/", 443, True),
        ("https://gate.example.org", 7071, False),
    ],
)
def test_the_host_listens_on_the_loopback_port_of_public_url(public_url: str, port: int, https: bool) -> None:
    plan = make_plan({"PUBLIC_URL": public_url}, free)
    assert (plan.port, plan.https, plan.public_url) == (port, https, public_url.rstrip("/"))


@pytest.mark.parametrize("public_url", ["localhost:7071", "ftp://localhost", "http://", "http://localhost:x"])
def test_a_public_url_that_is_no_origin_is_an_error(public_url: str) -> None:
    with pytest.raises(PlanError, match="PUBLIC_URL"):
        make_plan({"PUBLIC_URL": public_url}, free)


@pytest.mark.parametrize("name", ["AZURE_DEVOPS_APP_ID", "ENTRA_CLIENT_ID"])
def test_a_configured_app_means_no_simulator_and_no_simulated_urls(name: str, tmp_path: Path) -> None:
    plan = make_plan({name: "1"}, free)
    added = host_settings(plan, {name: "1"}, key_file=tmp_path / "key", storage="s", app=None)
    assert plan.simulator_port is None
    assert sorted(added) == ["AzureWebJobsStorage", "PUBLIC_URL", "REFRESH_SCHEDULE", "TOKEN_ENCRYPTION_KEY"]


def test_the_simulator_stands_in_for_both_hosts_and_both_providers(tmp_path: Path) -> None:
    added = host_settings(make_plan({}, free), {}, key_file=tmp_path / "key", storage="store", app=APP)
    assert added["AZURE_DEVOPS_URL"] == added["AZURE_DEVOPS_IDENTITY_URL"] == "http://127.0.0.1:9700"
    assert added["ENTRA_AUTHORITY_URL"] == "http://127.0.0.1:9700"
    assert added.items() >= APP.items()
    assert added["AzureWebJobsStorage"] == "store"


def test_with_a_vault_no_secret_is_put_into_settings(tmp_path: Path) -> None:
    settings = {"KEY_VAULT_URL": "https://vault.example.org"}
    added = host_settings(make_plan({}, free), settings, key_file=tmp_path / "key", storage=None, app=APP)
    assert not {"TOKEN_ENCRYPTION_KEY", "AZURE_DEVOPS_CLIENT_SECRET", "ENTRA_CLIENT_SECRET"} & set(added)
    assert added["ENTRA_CLIENT_ID"] == "entra-id"


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, True),
        ({"AzureWebJobsStorage": "AccountName=a;AccountKey=b"}, False),
        ({"TOKEN_STORE_URL": "https://a.table.example.org"}, False),
    ],
)
def test_configured_storage_is_used_instead_of_azurite(settings: dict[str, str], own: bool) -> None:
    assert make_plan(settings, free).own_storage is own


def test_the_made_key_is_kept_and_private(tmp_path: Path) -> None:
    file = tmp_path / "new" / "key"
    key = kept_key(file)
    assert len(bytes.fromhex(key)) == 32
    assert kept_key(file) == key
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_environment_wins_over_local_settings(tmp_path: Path) -> None:
    values = {"PUBLIC_URL": "http://localhost:1", "APP_NAME": "file", "SUPPORT_URL": ""}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}))
    assert read_settings(tmp_path, {"APP_NAME": "shell"}) == {
        "PUBLIC_URL": "http://localhost:1",
        "APP_NAME": "shell",
    }


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"Values": []}'])
def test_a_broken_local_settings_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "local.settings.json").write_text(text)
    with pytest.raises(PlanError, match=r"local\.settings\.json"):
        read_settings(tmp_path, {})
