"""local.settings.json and host.json, as `func start` reads them."""

import json
from pathlib import Path

import pytest

from tools.local_host.errors import HostError
from tools.local_host.settings import apply_to_environment, read_host_config, read_local_settings, resolve


def local(tmp_path: Path, **content: object) -> Path:
    (tmp_path / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, **content}))
    return tmp_path


def applied(tmp_path: Path, **environ: str) -> tuple[dict[str, str], list[str]]:
    notes = apply_to_environment(read_local_settings(tmp_path), environ, root=tmp_path, host_name="localhost:1")
    return environ, notes


def test_values_become_environment_variables(tmp_path: Path) -> None:
    values = {"A": "1", "B": True, "C": 5}
    environ, _ = applied(local(tmp_path, Values=values))
    assert (environ["A"], environ["B"], environ["C"]) == ("1", "true", "5")


def test_the_environment_wins_and_the_note_has_the_name_but_no_value(tmp_path: Path) -> None:
    environ, notes = applied(local(tmp_path, Values={"A": "from-file"}), A="from-process")
    assert environ["A"] == "from-process"
    assert notes == ["Skipping 'A' from local settings as it's already defined in current environment variables."]


def test_null_values_and_empty_names_are_skipped_with_a_note(tmp_path: Path) -> None:
    settings = read_local_settings(local(tmp_path, Values={"": "x", "NULL": None, "EMPTY": ""}))
    assert settings.values == {"EMPTY": ""}
    assert len(settings.notes) == 2
    assert "NULL" in settings.notes[1]


def test_connection_strings_get_their_prefix(tmp_path: Path) -> None:
    strings = {"db": "x", "other": {"ConnectionString": "y", "ProviderName": "z"}}
    settings = read_local_settings(local(tmp_path, ConnectionStrings=strings))
    assert settings.values == {"ConnectionStrings:db": "x", "ConnectionStrings:other": "y"}


@pytest.mark.parametrize("flag", [{"IsEncrypted": True}, {}, {"IsEncrypted": "false"}])
def test_encrypted_settings_are_refused_and_missing_means_encrypted(tmp_path: Path, flag: dict[str, object]) -> None:
    (tmp_path / "local.settings.json").write_text(json.dumps({**flag, "Values": {}}))
    with pytest.raises(HostError, match="IsEncrypted"):
        read_local_settings(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"IsEncrypted": false,\n "Values": {"A": "hunter2"', "line 2"),
        ("[]", "no JSON object"),
        ('{"IsEncrypted": false, "Values": []  , "Values": "x"}', "Values is no object"),
        ('{"IsEncrypted": false, "Values": {"A": {"hunter2": 1}}}', "the setting A"),
        ('{"IsEncrypted": false, "Host": {"LocalHttpPort": "many"}}', "LocalHttpPort"),
        ('{"IsEncrypted": false, "Host": {"LocalHttpPort": 65536}}', "LocalHttpPort"),
    ],
)
def test_a_broken_file_gives_one_line_without_values(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "local.settings.json").write_text(text)
    with pytest.raises(HostError, match=words) as refused:
        read_local_settings(tmp_path)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('\ufeff{"IsEncrypted": false}', encoding="utf-8")
    assert read_local_settings(tmp_path).values == {}


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    assert "not found" in read_local_settings(tmp_path).notes[0]


def test_the_host_section_names_the_port(tmp_path: Path) -> None:
    assert read_local_settings(local(tmp_path, Host={"LocalHttpPort": 7099})).port == 7099


def test_what_the_host_itself_sets(tmp_path: Path) -> None:
    environ, _ = applied(tmp_path, AZURE_FUNCTIONS_ENVIRONMENT="Production", WEBSITE_HOSTNAME="elsewhere")
    assert environ == {
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "WEBSITE_HOSTNAME": "localhost:1",
        "AzureWebJobsScriptRoot": str(tmp_path),
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "PYTHON_THREADPOOL_THREAD_COUNT": "32",
    }


def test_a_thread_count_of_ones_own_stays(tmp_path: Path) -> None:
    environ, _ = applied(tmp_path, PYTHON_THREADPOOL_THREAD_COUNT="4")
    assert environ["PYTHON_THREADPOOL_THREAD_COUNT"] == "4"


def test_another_worker_runtime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="python"):
        applied(tmp_path, FUNCTIONS_WORKER_RUNTIME="node")


def test_host_json_gives_prefix_and_headers(tmp_path: Path) -> None:
    http = {"routePrefix": "/v1/", "customHeaders": {"X-A": "b"}}
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"http": http}}))
    config = read_host_config(tmp_path)
    assert (config.route_prefix, config.custom_headers) == ("v1", {"X-A": "b"})


def test_the_default_prefix_is_api(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    assert read_host_config(tmp_path).route_prefix == "api"


def test_a_missing_host_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"host\.json"):
        read_host_config(tmp_path)


def test_a_reference_between_percent_signs_is_resolved() -> None:
    assert resolve("%WHEN%", {"WHEN": "now"}) == "now"
    assert resolve("0 0 * * * *", {}) == "0 0 * * * *"


@pytest.mark.parametrize("environ", [{}, {"WHEN": ""}])
def test_a_reference_to_nothing_names_the_setting(environ: dict[str, str]) -> None:
    with pytest.raises(HostError, match="WHEN"):
        resolve("%WHEN%", environ)
