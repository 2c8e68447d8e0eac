"""What the app finds in its environment, and what host.json says.

The rules of local.settings.json are those of `func start`: IsEncrypted is true when it is missing, the
process environment wins, empty and null settings are skipped.
"""

import json
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.local_host.errors import HostError

# The runtime's default is cores + 4: six slow pages then hold up a fast one on two cores.
_THREADS = "32"
# The words of `func start`.
_ALREADY_SET = "Skipping '{}' from local settings as it's already defined in current environment variables."


@dataclass(frozen=True)
class LocalSettings:
    """The content of local.settings.json, and what the developer should know about it."""

    values: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostConfig:
    """The part of host.json that the local host follows.

    HSTS is not in it: the real host sends that outside the environment Development only.
    """

    route_prefix: str
    custom_headers: Mapping[str, str]


def read_local_settings(root: Path) -> LocalSettings:
    """Read local.settings.json of `root`; a missing file is a note. Raises HostError."""
    path = root / "local.settings.json"
    if not path.exists():
        return LocalSettings(notes=("local.settings.json file not found; only the environment is used.",))
    content = _read_json(path)
    if content.get("IsEncrypted", True) is not False:
        raise HostError('local.settings.json is encrypted: "IsEncrypted" must be false (missing means true).')
    notes: list[str] = []
    values = _flat(content, "Values", notes)
    for name, value in _connection_strings(content).items():
        values[f"ConnectionStrings:{name}"] = value
    return LocalSettings(values, _local_port(content), tuple(notes))


def read_host_config(root: Path) -> HostConfig:
    """Read host.json of `root`. Raises HostError when it is missing or broken."""
    path = root / "host.json"
    if not path.exists():
        raise HostError("host.json file is missing: the directory is no function app.")
    http = _section(_section(_read_json(path), "extensions", path), "http", path)
    prefix = http.get("routePrefix", "api")
    headers = _section(http, "customHeaders", path)
    if not isinstance(prefix, str):
        raise HostError("host.json: extensions.http.routePrefix is no text.")
    return HostConfig(prefix.strip("/"), {name: str(value) for name, value in headers.items()})


def apply_to_environment(
    settings: LocalSettings, environ: MutableMapping[str, str], *, root: Path, host_name: str
) -> list[str]:
    """Set what the app sees; returns one note per setting that the environment already had, by name."""
    notes = []
    for name, value in settings.values.items():
        if name in environ:
            notes.append(_ALREADY_SET.format(name))
        else:
            environ[name] = value
    environ["AZURE_FUNCTIONS_ENVIRONMENT"] = "Development"
    environ["WEBSITE_HOSTNAME"] = host_name
    environ["AzureWebJobsScriptRoot"] = str(root)
    environ.setdefault("PYTHON_THREADPOOL_THREAD_COUNT", _THREADS)
    if environ.setdefault("FUNCTIONS_WORKER_RUNTIME", "python") != "python":
        raise HostError("FUNCTIONS_WORKER_RUNTIME must be python.")
    return notes


def resolve(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Replace a whole `%NAME%` by the setting of that name, as trigger attributes allow. Raises HostError."""
    if not (len(text) > 2 and text.startswith("%") and text.endswith("%")):
        return text
    name = text[1:-1]
    if not environ.get(name):
        raise HostError(f"the setting {name} is missing; a function's trigger refers to it.")
    return environ[name]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise HostError(f"{path.name} is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise HostError(f"{path.name} is not JSON: line {error.lineno}, column {error.colno}.") from error
    if not isinstance(content, dict):
        raise HostError(f"{path.name} is no JSON object.")
    return content


def _section(content: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    section = content.get(name) or {}
    if not isinstance(section, dict):
        raise HostError(f"{path.name}: {name} is no object.")
    return section


def _flat(content: Mapping[str, Any], section: str, notes: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in _section(content, section, Path("local.settings.json")).items():
        if not name or value is None:
            notes.append(f"Skipping a setting of local.settings.json: {name or 'its name is empty'}.")
        elif isinstance(value, dict | list):
            raise HostError(f"local.settings.json: the setting {name} is neither text, number nor boolean.")
        else:
            values[name] = value if isinstance(value, str) else json.dumps(value)
    return values


def _connection_strings(content: Mapping[str, Any]) -> dict[str, str]:
    strings = {}
    for name, value in _section(content, "ConnectionStrings", Path("local.settings.json")).items():
        text = value.get("ConnectionString") if isinstance(value, dict) else value
        if isinstance(text, str):
            strings[name] = text
    return strings


def _local_port(content: Mapping[str, Any]) -> int | None:
    port = _section(content, "Host", Path("local.settings.json")).get("LocalHttpPort")
    if port is None:
        return None
    if not str(port).isdigit() or not 0 <= int(port) <= 65535:
        raise HostError("local.settings.json: Host.LocalHttpPort is no port.")
    return int(port)
