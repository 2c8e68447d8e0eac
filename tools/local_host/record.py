"""--record FOLDER: all that leaves the process, for whoever checks what leaves.

`debug.log` has every line of every logger, libraries too, at DEBUG (console writes it). `answers` has each answer as it
goes to the wire: a line of JSON, then as many bytes of body as it says.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.local_host.messages import Answer, Headers

LOG = "debug.log"
ANSWERS = "answers"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One answer; header names are lower case, repeated ones stay apart."""

    path: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Recorder:
    """Writes the answers."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / ANSWERS).open("ab", buffering=0)
        self._lock = threading.Lock()

    def __call__(self, path: str, answer: Answer, headers: Headers) -> None:
        """Write an answer before it is sent, in one piece."""
        lines = [(name.decode().lower(), value.decode()) for name, value in headers]
        head = {"path": path, "status": answer.status, "headers": lines, "bytes": len(answer.body)}
        with self._lock:
            self._file.write(json.dumps(head).encode() + b"\n" + answer.body)


def read(data: bytes) -> Iterator[tuple[int, Recorded]]:
    """The whole answers in these bytes, each with where it ends; what was cut short is left."""
    start = 0
    while (line := data.find(b"\n", start)) >= 0:
        head = json.loads(data[start:line])
        end = line + 1 + head["bytes"]
        if end > len(data):
            return
        headers = tuple((name, value) for name, value in head["headers"])
        yield end, Recorded(head["path"], head["status"], headers, data[line + 1 : end])
        start = end
