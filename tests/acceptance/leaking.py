"""Compositions that leak, each in one way, so that the watch has something to find.

For `python -m tools.local_host --services tests.acceptance.leaking:…`: a token is let slip when a user's rows are read.
"""

import base64
import dataclasses
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from shared.errors import StoreError
from shared.models.custody import UserRecord
from shared.services import Services, build_services
from shared.storage.connections import TableConnections
from tools.chaos.canaries import unique_part

Slip = Callable[[str], object]


class _Loose(TableConnections):
    def __init__(self, inner: TableConnections, slip: Slip) -> None:
        self.__dict__.update(vars(inner))
        self._slip = slip

    def load(self, *arguments: Any, **options: Any) -> UserRecord:
        record = super().load(*arguments, **options)
        if record.connection:
            self._slip(record.connection.refresh_token)
        return record


def _fail(token: str) -> None:
    raise StoreError(f"cannot use {unique_part(token)[:12]}…")


def _log(token: str) -> None:
    logging.getLogger("gatehouse").info("read %s", base64.b64encode(token.encode()).decode())


def _whisper(token: str) -> None:
    logging.getLogger("azure.core.pipeline").debug("headers: %s", {"x-token": token})


def _leaky(slip: Slip, environ: Mapping[str, str], now: Callable[[], datetime]) -> Services:
    built = build_services(environ, now=now)
    loose = _Loose(built.custody.connections, slip)
    return dataclasses.replace(built, custody=dataclasses.replace(built.custody, connections=loose))


def debug(environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Services:
    """A library's line at DEBUG."""
    return _leaky(_whisper, environ, now)


def info(environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Services:
    """A line of our own, in base64."""
    return _leaky(_log, environ, now)


def error(environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Services:
    """The text of an exception, the token cut short."""
    return _leaky(_fail, environ, now)


def header(environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Services:
    """A header of every answer."""
    built = build_services(environ, now=now)
    return dataclasses.replace(built, security={**built.security, "X-Powered-By": environ["ENTRA_CLIENT_SECRET"]})
