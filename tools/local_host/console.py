"""What the host writes to stdout: log lines in one format, and the function table of `func start`."""

import logging
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tools.local_host.runtime import HostedFunction

_QUIET = ("azure", "uvicorn")


def set_up_logging(everything: Path | None = None) -> None:
    """Every logger at INFO to stdout, times in UTC; `azure` and uvicorn at WARNING. Into `everything` all at DEBUG.

    At INFO the Azure SDK writes the keys of the rows it touches.
    """
    formatter = logging.Formatter("[%(asctime)s.%(msecs)03dZ] %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    shown = logging.StreamHandler(sys.stdout)
    shown.addFilter(lambda line: line.levelno >= _least(line.name))
    handlers: list[logging.Handler] = [shown, *([logging.FileHandler(everything)] if everything else [])]
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=logging.DEBUG if everything else logging.INFO, handlers=handlers)
    if not everything:
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)


def unmute() -> None:
    """Undo what the app and its libraries have done to keep loggers quiet; what is shown on stdout stays the same."""
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.setLevel(logging.NOTSET)


def _least(logger: str) -> int:
    return logging.WARNING if logger.partition(".")[0] in _QUIET else logging.INFO


def function_table(functions: Iterable[HostedFunction], origin: str, route_prefix: str) -> str:
    """The table of `func start`; `origin` ends with a slash."""
    base_url = f"{origin}{route_prefix}/" if route_prefix else origin
    lines = ["", "Functions:", ""]
    for function in functions:
        lines += [f"\t{function.name}: {_description(function, base_url)}", ""]
    return "\n".join(lines)


def _description(function: HostedFunction, base_url: str) -> str:
    if not function.is_http:
        return function.trigger_type
    methods = f"[{','.join(sorted(function.methods))}] " if function.methods else ""
    route = function.name if function.route is None else function.route.lstrip("/")
    return f"{methods}{base_url}{route}"
