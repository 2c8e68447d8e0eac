"""A zip whose bytes depend on names and contents alone."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

OLDEST_DATE = (1980, 1, 1, 0, 0, 0)  # a zip can say no earlier one
UNIX = 3
READABLE_FILE = 0o100644


def zipped(root: Path, names: Iterable[str]) -> bytes:
    """The zip of these files. They are stored, not deflated: builds of zlib differ in what they write."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(names):
            entry = zipfile.ZipInfo(name, OLDEST_DATE)
            entry.create_system = UNIX
            entry.external_attr = READABLE_FILE << 16
            archive.writestr(entry, (root / name).read_bytes())
    return target.getvalue()
