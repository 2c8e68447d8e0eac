"""Asking the operating system about processes that tests started."""

from __future__ import annotations

import subprocess
import time


def is_gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether the process ends within this time; a zombie that nobody reaps counts as gone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        if not shown.stdout.strip() or shown.stdout.startswith("Z"):
            return True
        time.sleep(0.05)
    return False
