"""--clock-offset and --services: the app's composition root, called with another clock or replaced.

The contract with the app is two names: `functions._entry.services`, a callable without arguments, and
`shared.services.build_services(environ, *, now)`. Without a flag nothing of the app is touched.
"""

import importlib
import os
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

from tools.local_host.errors import HostError

DEFAULT_BUILDER = "shared.services:build_services"


def replace_services(builder_path: str, offset_seconds: float) -> None:
    """Let `functions._entry.services` call `MODULE:FUNCTION` once, its clock off by `offset_seconds`.

    Must run before the app is indexed. Raises HostError when a name is not there or an import raises.
    """
    entry = _import("functions._entry")
    if not hasattr(entry, "services"):
        raise HostError("functions._entry has no services: --clock-offset and --services can't be used with this app.")
    builder = _load(builder_path)
    vars(entry)["services"] = _once(lambda: builder(os.environ, now=offset_clock(offset_seconds)))


def offset_clock(seconds: float) -> Callable[[], datetime]:
    """A clock in UTC that is ahead by `seconds` (behind when negative)."""
    offset = timedelta(seconds=seconds)
    return lambda: datetime.now(UTC) + offset


def _load(path: str) -> Callable[..., Any]:
    module_name, colon, name = path.partition(":")
    if not colon:
        raise HostError(f"--services {path}: MODULE:FUNCTION is expected.")
    builder = getattr(_import(module_name), name, None)
    if not callable(builder):
        raise HostError(f"--services {path}: the module has no such function.")
    return builder  # type: ignore[no-any-return]  # callable() leaves it Any


def _import(module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except Exception as error:
        raise HostError(f"{module_name} could not be imported: {error!r}", traceback.format_exc()) from error


def _once(build: Callable[[], Any]) -> Callable[[], Any]:
    # functools.cache does not lock, and two first requests come at once.
    lock = threading.Lock()
    built: list[Any] = []

    def services() -> Any:
        with lock:
            if not built:
                built.append(build())
            return built[0]

    return services
