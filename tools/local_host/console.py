"""What the host writes to stdout: log lines in one format, and the function table of `func start`."""

import logging
import sys
import time
from collections.abc import Iterable

from tools.local_host.runtime import HostedFunction


def set_up_logging() -> None:
    """Every logger at INFO to stdout, times in UTC; `azure` and uvicorn at WARNING.

    At INFO the Azure SDK writes the keys of the rows it touches.
    """
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter("[%(asctime)s.%(msecs)03dZ] %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("azure", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


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
