"""Looks for what has the shape of a real secret: in bytes, in a zip's entries, in everything that git ever held.

A finding names place and kind, and never the value. What is allowed is listed by value, each with its reason.
"""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

SHAPES: dict[str, re.Pattern[bytes]] = {
    # 40 characters; the fourth to sixth are a digit and "Q~" (facts, Entra).
    "client secret of Entra ID": re.compile(rb"[\w.~-]{3}\dQ~[\w.~-]{31,34}"),
    # 512 bits in base64. npm writes digests alike, and labels them.
    "key of a storage account": re.compile(rb"(?<![A-Za-z0-9+/])(?<!sha512-)[A-Za-z0-9+/]{86}=="),
    "encryption key": re.compile(rb"(?<![0-9A-Za-z])[0-9A-Fa-f]{64}(?![0-9A-Za-z])"),
    "token or legacy client secret (JWT)": re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*"),
    "refresh token of Entra ID": re.compile(rb"(?<![\w.])[01]\.A[\w-]{100,}"),
    "private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "shared access signature": re.compile(rb"\bsig=[A-Za-z0-9%+/]{40,}"),
    "personal access token": re.compile(rb"(?<![A-Za-z0-9])[a-z2-7]{52}(?![A-Za-z0-9])"),
    "personal access token since 2024": re.compile(
        rb"(?<![A-Za-z0-9])[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}(?![A-Za-z0-9])"
    ),
    "key of the Functions host": re.compile(rb"[\w-]{44}AzFu[\w-]{5}[AQgw]=="),
}

LABELLED_AS_DIGEST = re.compile(rb"sha-?256\W+(?:content\W+)?$", re.IGNORECASE)
"""What stands before 64 hex digits that are a SHA-256: requirements, bills of materials, manifests."""
LABEL_BYTES = 60

ALLOWED: dict[bytes, str] = {
    b"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==": (
        "Azurite's well-known key, the same on every machine and published by Microsoft"
    ),
    b"sim8Q~no-secret-of-anybody_sample.value0": "the simulator's client secret, in the shape of real ones",
}


class Finding(NamedTuple):
    """Where something of this kind stands."""

    where: str
    kind: str


def findings(where: str, body: bytes) -> list[Finding]:
    """What in these bytes looks like a secret and is not allowed."""
    return [
        Finding(where, kind)
        for kind, shape in SHAPES.items()
        for match in shape.finditer(body)
        if match[0] not in ALLOWED and not _is_digest(body, match)
    ]


def scan(places: Iterable[tuple[str, bytes]]) -> tuple[int, list[Finding]]:
    """How many places were looked at, and what was found."""
    judged = [findings(where, body) for where, body in places]
    return len(judged), [finding for found in judged for finding in found]


def history(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every version of every file, every commit message and tag that HEAD ever had."""
    listed = _git(root, "rev-list", "--objects", "HEAD").splitlines()
    names = dict(line.partition(b" ")[::2] for line in listed)
    stream = io.BytesIO(_git(root, "cat-file", "--batch", given=b"\n".join(names) + b"\n"))
    while header := stream.readline():
        digest, kind, size = header.split()
        body = stream.read(int(size))
        stream.read(1)
        if kind != b"tree":
            yield f"{kind.decode()} {digest[:12].decode()} {names[digest].decode()}".rstrip(), body


def tracked(root: Path) -> Iterator[tuple[str, bytes]]:
    """The tracked files as they lie here, also where they are not committed yet."""
    for name in _git(root, "ls-files", "-z").decode().split("\0")[:-1]:
        if (root / name).is_file():
            yield name, (root / name).read_bytes()


def zip_entries(package: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        for name in archive.namelist():
            yield name, archive.read(name)


def folder(path: Path) -> Iterator[tuple[str, bytes]]:
    """All files below, a zip by its entries; nothing when the folder is not there."""
    for file in sorted(it for it in path.rglob("*") if it.is_file()):
        body = file.read_bytes()
        entries = zip_entries(body) if zipfile.is_zipfile(file) else [(file.name, body)]
        yield from ((f"{file.relative_to(path.parent)} {name}", content) for name, content in entries)


def cut_off(root: Path) -> str:
    """What a shallow clone hides, in one sentence; empty where the history is whole."""
    if _git(root, "rev-parse", "--is-shallow-repository").strip() == b"false":
        return ""
    commits = _git(root, "rev-list", "--count", "HEAD").decode().strip()
    return f"shallow clone: only the last {commits} commits were scanned (git fetch --unshallow)"


def _is_digest(body: bytes, match: re.Match[bytes]) -> bool:
    return LABELLED_AS_DIGEST.search(body[max(0, match.start() - LABEL_BYTES) : match.start()]) is not None


def _git(root: Path, *arguments: str, given: bytes | None = None) -> bytes:
    return subprocess.run(["git", "-C", root, *arguments], input=given, capture_output=True, check=True).stdout
