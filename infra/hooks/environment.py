"""The values of the azd environment: azd puts them into the environment of a hook; by hand they are asked of azd."""

from __future__ import annotations

import json
import os
from functools import lru_cache

from commands import azd
from console import HookError


def value(name: str, default: str = "") -> str:
    """One value; `default` where it is absent or empty."""
    return os.environ.get(name, "").strip() or _of_azd().get(name, "").strip() or default


def values(*names: str) -> list[str]:
    """All of these values. Raises HookError that names every missing one."""
    found = {name: value(name) for name in names}
    missing = [name for name, content in found.items() if not content]
    if missing:
        raise HookError(f"the azd environment lacks {', '.join(missing)}: run `azd provision` first")
    return list(found.values())


def stored() -> dict[str, str]:
    """What azd itself keeps, on disk and unencrypted."""
    return dict(_of_azd())


def store(name: str, content: str) -> bool:
    """Keep a value that is no secret in the azd environment; False when it is there already."""
    if _of_azd().get(name) == content:
        return False
    azd("env", "set", name, content)
    _of_azd.cache_clear()
    os.environ[name] = content
    return True


def seconds(name: str, default: int) -> float:
    """A number of seconds that the environment may set. Raises HookError."""
    text = value(name, str(default))
    if not text.isdigit():
        raise HookError(f"{name} is not a whole number of seconds")
    return float(text)


@lru_cache(maxsize=1)
def _of_azd() -> dict[str, str]:
    found = json.loads(azd("env", "get-values", "--output", "json") or "{}")
    return {name: str(content) for name, content in found.items()}
