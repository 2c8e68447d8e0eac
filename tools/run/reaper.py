"""Ends process groups when their starter is gone, even by SIGKILL: the other end of a pipe.

Reads `+PGID` and `-PGID` lines on standard input; at its end every group still listed gets SIGTERM and, two
seconds later, SIGKILL. A process of its own session, so that Ctrl-C at the terminal does not end it first.
Started as a script by `processes`, once per starter; standard library only, so that it is there within
milliseconds.
"""

import os
import signal
import sys
import time

GRACE_SECONDS = 2.0


def end(groups: set[int], number: int) -> None:
    for group in groups:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            continue


def main() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(group)
    if groups:
        end(groups, signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        end(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
