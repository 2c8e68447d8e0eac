"""`make tick`: run the timer now on the app that `make run` started, and print its `tick` event."""

from __future__ import annotations

import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools import bootstrap
from tools.run import processes
from tools.run.session import complain, read_state, say

TIMER = "refresh_tokens"
# A run works off what is due within the host's functionTimeout of five minutes (host.json).
LONGEST_RUN_SECONDS = 300.0


def main(root: Path = bootstrap.ROOT) -> int:
    state = read_state(root)
    if state is None:
        complain("make tick: nothing runs in this checkout. Start it with `make run`, then repeat.")
        return 1
    log = root / ".run" / "host.log"
    seen = log.stat().st_size
    try:
        _start_timer(str(state["local_url"]))
    except (urllib.error.URLError, OSError) as error:
        complain(f"make tick: the host refused to start {TIMER}: {error}")
        return 1
    report = _awaited_report(log, seen)
    if report is None:
        complain(f"make tick: no tick event within {LONGEST_RUN_SECONDS:.0f} s; .run/host.log ends with")
        complain(processes.tail(log))
        return 1
    say(json.dumps(report, indent=2, ensure_ascii=False))
    return 0


def events(text: str) -> Iterator[dict[str, Any]]:
    """The events in a log: JSON objects that end a line, whatever the host writes before them."""
    for line in text.splitlines():
        start = line.find("{")
        try:
            event = json.loads(line[start:]) if start >= 0 else None
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            yield event


def _start_timer(url: str) -> None:
    request = urllib.request.Request(  # noqa: S310 (own URL)
        f"{url}/admin/functions/{TIMER}",
        data=b'{"input": ""}',
        headers={"Content-Type": "application/json"},
    )
    context = ssl._create_unverified_context() if url.startswith("https") else None  # noqa: S323 (loopback)
    with urllib.request.urlopen(request, timeout=30, context=context):  # noqa: S310 (own URL)
        pass


def _awaited_report(log: Path, seen: int) -> dict[str, Any] | None:
    deadline = time.monotonic() + LONGEST_RUN_SECONDS
    while time.monotonic() < deadline:
        with log.open("rb") as file:
            file.seek(seen)
            text = file.read().decode(errors="replace")
        for event in events(text):
            if event["event"] == "tick":
                return event
        time.sleep(processes.POLL_SECONDS)
    return None


if __name__ == "__main__":
    sys.exit(main())
