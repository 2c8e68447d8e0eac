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

from playwright.sync_api import Browser

from tools import bootstrap
from tools.run import azurite, processes
from tools.screenshots.chromium import LOOKS, Look, launched, person_at
from tools.screenshots.scenes import SCENES, Scene, SceneError
from tools.screenshots.stage import Stage, staged

PICTURES = bootstrap.ROOT / "build" / "screenshots"
README_PICTURES = bootstrap.ROOT / "docs" / "images"
README_SCENE = "work-items"
README_LOOKS = (Look("light", "light", 1100, 720), Look("dark", "dark", 1100, 720))
README_MOST_BYTES = 150_000


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    chromium = bootstrap.find_chromium()
    if chromium is None:
        print("screenshots: Chromium is missing; install it, or set GATEHOUSE_CHROMIUM", file=sys.stderr)
        return 1
    try:
        with _stage() as stage, launched(chromium) as browser:
            if options.readme:
                _take_readme_pictures(browser, stage)
            else:
                _take_pictures(browser, stage, options.scenes)
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


def _take_pictures(browser: Browser, stage: Stage, names: Sequence[str]) -> None:
    """The whole length of each scene in each look, as SCENE-LOOK.png."""
    for scene in SCENES:
        if scene.name in names:
            _take(browser, stage, scene, {look: PICTURES / f"{scene.name}-{look.name}.png" for look in LOOKS})


def _take_readme_pictures(browser: Browser, stage: Stage) -> None:
    """The upper part of one scene. Raises SceneError when a picture is too heavy for the README."""
    scene = next(scene for scene in SCENES if scene.name == README_SCENE)
    light, dark = README_LOOKS
    files = {light: README_PICTURES / f"{scene.name}.png", dark: README_PICTURES / f"{scene.name}-dark.png"}
    _take(browser, stage, scene, files, full_page=False)
    for file in files.values():
        if file.stat().st_size > README_MOST_BYTES:
            raise SceneError(f"{file.name} has {file.stat().st_size} bytes, more than {README_MOST_BYTES}")


def _take(browser: Browser, stage: Stage, scene: Scene, files: dict[Look, Path], *, full_page: bool = True) -> None:
    with person_at(browser) as context:
        page = context.new_page()
        scene.show(page, stage)
        for look, file in files.items():
            look.put_on(page)
            page.screenshot(path=file, full_page=full_page)
            print(file.relative_to(bootstrap.ROOT), flush=True)


if __name__ == "__main__":
    sys.exit(main())
