"""The application with a bug, for the page that tells of one: `--services tools.screenshots.broken:services`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from shared.services import Services, build_services

SERVICES = "tools.screenshots.broken:services"


def services(environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Services:
    """Without a client of Azure DevOps: whoever uses it gets an exception that nobody foresaw."""
    return replace(build_services(environ, now=now), azure_devops=None)  # type: ignore[arg-type]  # that is the bug
