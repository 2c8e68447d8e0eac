"""Looks like the app's composition root."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

builds = 0


@dataclass(frozen=True)
class Services:
    label: str
    now: Callable[[], datetime]
    builds: int


def utc_now() -> datetime:
    return datetime.now(UTC)


def build_services(environ: Mapping[str, str], *, now: Callable[[], datetime] = utc_now) -> Services:
    global builds
    builds += 1
    return Services(environ.get("LABEL", "own"), now, builds)


def build_other(environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Services:
    return Services("other", now, 1)
