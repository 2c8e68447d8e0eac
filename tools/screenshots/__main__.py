"""`make screenshots`: pictures of every page into `build/screenshots`. `python -m tools.screenshots`.

With `--readme` the two pictures of the README instead, into `docs/images`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools import bootstrap
from tools.run import azurite, processes
from tools.screenshots import pictures
from tools.screenshots.chromium import launched
from tools.screenshots.scenes import SCENES, SceneError
from tools.screenshots.stage import Stage, staged

CATALOGUE = bootstrap.ROOT / "build" / "screenshots"
README = bootstrap.ROOT / "docs" / "images"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    chromium = bootstrap.find_chromium()
    if chromium is None:
        print("screenshots: Chromium is missing; install it, or set GATEHOUSE_CHROMIUM", file=sys.stderr)
        return 1
    try:
        with _stage() as stage, launched(chromium) as browser:
            if options.readme:
                files = pictures.for_readme(browser, stage, README)
            else:
                files = pictures.catalogue(browser, stage, options.scenes, CATALOGUE)
            for file in files:
                print(file.relative_to(bootstrap.ROOT), flush=True)
    except (SceneError, processes.ChildError) as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [scene.name for scene in SCENES]
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", default=names, help=f"some of: {' '.join(names)}")
    parser.add_argument("--readme", action="store_true", help="the pictures of the README instead")
    options = parser.parse_args(arguments)
    unknown = set(options.scenes) - set(names)
    if unknown:
        parser.error(f"there is no scene {' '.join(sorted(unknown))}")
    return options


@contextmanager
def _stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory() as folder:
        store = azurite.start_azurite(Path(folder, "azurite.log"))
        try:
            azurite.create_tables(store.connection_string)
            with staged(Path(folder), store.connection_string) as stage:
                yield stage
        finally:
            store.child.stop()


if __name__ == "__main__":
    sys.exit(main())
