"""A small Azure on the PATH, and hooks run against it as azd runs them."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HOOKS = ROOT / "infra" / "hooks"
FAKE = Path(__file__).parent / "fake_cloud.py"
TENANT = "11111111-1111-4111-8111-111111111111"
READING = ("show", "list", "get-values", "status")

CLIENT_SECRET = "eyCANARYclient.partofaclientsecret.thatnobodymaysee"
OTHER_SECRET = "eyCANARYother.partofaclientsecret.thatnobodymaysee"


@dataclass(frozen=True)
class Ran:
    """How a hook ended, and everything that it said."""

    code: int
    output: str


@dataclass
class Cloud:
    """The fake, the place where hooks run, and what was seen."""

    place: Path
    outputs: list[str] = field(default_factory=list)

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((self.place / "state.json").read_text())

    def change(self, **parts: Any) -> None:
        (self.place / "state.json").write_text(json.dumps(self.state | parts))

    def values(self, **values: str) -> None:
        """Put values into the azd environment."""
        self.change(azd=self.state["azd"] | values)

    @property
    def calls(self) -> list[dict[str, Any]]:
        file = self.place / "calls.jsonl"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]  # the last one may be half written

    def writes(self) -> list[str]:
        """The commands so far that could have changed something."""
        lines = [" ".join([call["program"], *call["argv"]]) for call in self.calls]
        return [line for line in lines if not any(f" {word}" in line for word in READING)]

    def secret(self, name: str) -> list[dict[str, Any]]:
        """The versions of a secret, oldest first."""
        return self.state["secrets"].get(name, [])

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": f"{self.place / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.place / "home"),
            "TMPDIR": str(self.place / "home" / "tmp"),
            "FAKE_STATE": str(self.place / "state.json"),
            "FAKE_CALLS": str(self.place / "calls.jsonl"),
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }

    def start(self, hook: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(HOOKS / f"{hook}.py"), *arguments],
            env=self.environment(**environment),
            cwd=self.place / "home",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A test run in the background of a shell ignores SIGINT, and so would everything that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, hook: str, *arguments: str, **environment: str) -> Ran:
        process = self.start(hook, *arguments, **environment)
        output, _ = process.communicate(timeout=60)
        self.outputs.append(output)
        return Ran(process.returncode, output)

    def run_at_a_terminal(self, hook: str, *arguments: str, answers: dict[str, str]) -> Ran:
        """Run a hook on a pseudo-terminal; each answer is typed once, when its question appears."""
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.place / "home")
            os.execve(  # noqa: S606 - the child of the terminal becomes the hook
                sys.executable, [sys.executable, str(HOOKS / f"{hook}.py"), *arguments], self.environment()
            )
        seen, waiting, ends = "", dict(answers), time.monotonic() + 60
        while time.monotonic() < ends:
            ready, _, _ = select.select([terminal], [], [], 0.2)
            try:
                seen += os.read(terminal, 65536).decode() if ready else ""
            except OSError:  # the other side of the terminal is closed: the hook has ended
                break
            for question in [question for question in waiting if question in seen]:
                os.write(terminal, (waiting.pop(question) + "\n").encode())
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        self.outputs.append(seen)
        return Ran(os.waitstatus_to_exitcode(status), seen)

    def leaks(self, *secrets: str) -> list[str]:
        """Where a secret is that it must not be: arguments, environment and input of commands, output, files."""
        places = [(" ".join([call["program"], *call["argv"][:3]]), json.dumps(call)) for call in self.calls]
        places += [("output", output) for output in self.outputs]
        places += [
            (str(path.relative_to(self.place)), path.read_text(errors="replace"))
            for path in (self.place / "home").rglob("*")
            if path.is_file()
        ]
        return [name for name, text in places if any(secret in text for secret in secrets)]

    def left_behind(self) -> list[Path]:
        """Whatever a hook did not remove."""
        return [path for path in (self.place / "home").rglob("*") if path.name != "tmp"]
