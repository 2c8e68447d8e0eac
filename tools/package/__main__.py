"""``python -m tools.package``: dist/gatehouse.zip, its bill of materials, and a word about each."""

from __future__ import annotations

import argparse
import hashlib
import sys
import tomllib
from pathlib import Path

from tools.package.archive import zipped
from tools.package.contents import Contents, PackageError, read_contents
from tools.package.sbom import Application, bill, read_pinned

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    """Exit code 0, or 1 with one line when there is no package to be had."""
    parser = argparse.ArgumentParser(prog="python -m tools.package", description="Make what a deployment uploads.")
    parser.add_argument("--root", type=Path, default=ROOT, help="checkout to package")
    root: Path = parser.parse_args(arguments).root
    try:
        contents = read_contents(root)
        package = zipped(root, contents.names)
        pinned = read_pinned((root / "requirements.txt").read_text("utf-8"))
    except (PackageError, ValueError) as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    digest = hashlib.sha256(package).hexdigest()
    materials = bill(_application(root, contents, digest), pinned)
    (root / "dist").mkdir(exist_ok=True)
    (root / "dist" / "gatehouse.zip").write_bytes(package)
    (root / "dist" / "gatehouse.sbom.json").write_text(materials, "utf-8")
    _warn(contents)
    size = f"{len(contents.names)} files, {len(package) / 1024:.0f} KiB"
    print(f"dist/gatehouse.zip: {size}, commit {contents.commit[:12]}")
    print(f"  SHA-256 {digest}")
    print(f"dist/gatehouse.sbom.json: {len(pinned)} packages of requirements.txt, CycloneDX 1.6")
    return 0


def _application(root: Path, contents: Contents, digest: str) -> Application:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return Application(project["name"], project["version"], digest, contents.commit, contents.committed_at)


def _warn(contents: Contents) -> None:
    for name in contents.changed:
        print(f"note: {name} differs from the commit; it is packaged as it is here")
    for name in contents.untracked:
        print(f"note: {name} is left out: git does not track it (git add)")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
