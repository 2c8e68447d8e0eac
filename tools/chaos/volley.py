"""Many requests at once, as many people would send them: threads that are let go together."""

import http.client
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SECONDS = 90


@dataclass(frozen=True, slots=True)
class Shot:
    """One GET; `url` is whole, `cookies` travel as they are."""

    url: str
    cookies: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """Its answer; status 0 when there was none. `began` and `ended` on the monotonic clock."""

    shot: Shot
    status: int
    headers: Mapping[str, str]
    body: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def volley(shots: Iterable[Shot]) -> list[Reply]:
    """Fire all at once, each on a connection of its own; the replies in the order of the shots."""
    aimed: Sequence[Shot] = list(shots)
    together = threading.Barrier(len(aimed))
    with ThreadPoolExecutor(len(aimed)) as pool:
        return list(pool.map(lambda shot: _fire(shot, together), aimed))


def fire(shot: Shot) -> Reply:
    """One request alone."""
    return _fire(shot, threading.Barrier(1))


def _fire(shot: Shot, together: threading.Barrier) -> Reply:
    target = urlsplit(shot.url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=SECONDS)
    cookies = "; ".join(f"{name}={value}" for name, value in shot.cookies.items())
    headers = {"Accept-Encoding": "identity", **({"Cookie": cookies} if cookies else {}), **shot.headers}
    path = target.path + (f"?{target.query}" if target.query else "")
    together.wait()
    began = time.monotonic()
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read().decode("utf-8", "replace")
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(shot, answer.status, found, body, began, time.monotonic())
    except (OSError, http.client.HTTPException):
        return Reply(shot, 0, {}, "", began, time.monotonic())
    finally:
        connection.close()
