"""`az` and `azd` as child processes. No secret stands in their arguments or environment, and their output is captured.

A secret goes to `az` in a file that only its owner can read and that is gone when the command is, however it ends.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from console import HookError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET_VARIABLES = ("AZURE_DEVOPS_CLIENT_SECRET", "ENTRA_CLIENT_SECRET", "TOKEN_ENCRYPTION_KEY")
"""What a person or pipeline may hand to a hook by the environment; it goes no further."""
TIMEOUT_SECONDS = 300
SHOWN_CHARACTERS = 600


class CommandFailed(HookError):
    """A command that answered with an error; `says` tells which."""

    def __init__(self, command: str, output: str) -> None:
        super().__init__(f"`{command}` failed: {output[:SHOWN_CHARACTERS] or 'it said nothing'}")
        self.output = output

    def says(self, *codes: str) -> bool:
        """Whether one of these words is in what the command answered."""
        return any(code in self.output for code in codes)


def az(*arguments: str, hide: str = "") -> Any:
    """The parsed answer of the Azure CLI; `hide` is a secret that must not be in an error's text."""
    answer = _run("az", *arguments, "--only-show-errors", "--output", "json", hide=hide)
    return json.loads(answer) if answer.strip() else None


def azd(*arguments: str) -> str:
    """What azd answered."""
    return _run("azd", *arguments)


@contextmanager
def private_file(text: str) -> Iterator[str]:
    """The path of a file with this text, mode 0600 in a directory of mode 0700; both are removed in every case."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-") as directory:
        path = os.path.join(directory, "content")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        yield path


def _run(program: str, *arguments: str, hide: str = "") -> str:
    path = shutil.which(program)  # on Windows these are .cmd files, which only a full path starts
    if path is None:
        raise HookError(f"`{program}` is not on the PATH. Install it and sign in: see infra/README.md.")
    shown = " ".join([program, *arguments[:3]])
    try:
        done = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            env={name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(shown, f"no answer within {TIMEOUT_SECONDS} seconds") from None
    if done.returncode:
        output = (done.stderr.strip() or done.stdout.strip()).replace(hide or "\0", "***")
        raise CommandFailed(shown, output)
    return done.stdout
