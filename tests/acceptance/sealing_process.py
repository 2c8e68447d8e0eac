"""Seals under one key, forks in the middle, and both halves go on: `python -m tests.acceptance.sealing_process`.

Arguments: a folder, and how many envelopes each of the two processes seals. Each leaves its nonces, 12 bytes after
12 bytes, in a file of the folder whose name is its process id.
"""

import os
import sys
from pathlib import Path

from shared.sealing import Keyring, Place
from tests.fakes import FIRST_KEY

PLACE = Place("connections", "a" * 32, "connection", "refresh_token", 1, "azure-devops")
NONCE = slice(5, 17)


def main(folder: Path, count: int) -> None:
    keys = Keyring([FIRST_KEY])
    before = nonces(keys, count // 2)
    child = os.fork()
    mine = nonces(keys, count) if child == 0 else before + nonces(keys, count - count // 2)
    (folder / str(os.getpid())).write_bytes(mine)
    if child:
        assert os.waitpid(child, 0)[1] == 0


def nonces(keys: Keyring, count: int) -> bytes:
    """All of one plaintext for one place, so that a nonce made of either would repeat at once."""
    return b"".join(keys.seal(b"token", PLACE)[NONCE] for _ in range(count))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
