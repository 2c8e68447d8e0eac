"""What a hook says and asks. Nothing here ever shows a secret; a refusal ends the hook with one plain sentence."""

from __future__ import annotations

import getpass
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

OLDEST_PYTHON = (3, 9)


class HookError(Exception):
    """Why the hook can't go on, and what to do about it; its text is shown."""


def say(line: str) -> None:
    """One line of progress, at once, also through the pipes of azd."""
    print(f"  {line}", flush=True)


def warn(line: str) -> None:
    """Something that a person should look at, which does not end the hook."""
    print(f"  WARNING: {line}", flush=True)


def can_ask() -> bool:
    """Whether somebody sits at a terminal; pipelines set CI (GitHub) or TF_BUILD (Azure Pipelines)."""
    return sys.stdin.isatty() and not (os.environ.get("CI") or os.environ.get("TF_BUILD"))


def ask(question: str) -> str:
    """A visible answer."""
    return input(f"  {question}: ").strip()


def ask_hidden(question: str) -> str:
    """An answer that the terminal does not echo."""
    return getpass.getpass(f"  {question} (hidden): ").strip()


def run(work: Callable[[], None]) -> NoReturn:
    """Do `work` and end the process: 0, or 1 after a HookError, whose text is all that is shown."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit("Python 3.9 or newer is needed.")
    # Without a handler SIGTERM ends the process at once, and private files stay behind.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        work()
    except HookError as error:
        print(f"ERROR: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
    except (KeyboardInterrupt, EOFError):
        print("ERROR: interrupted; running it again is safe.", file=sys.stderr, flush=True)
        sys.exit(130)
    sys.exit(0)
