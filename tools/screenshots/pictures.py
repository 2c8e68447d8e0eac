"""Takes the pictures: the whole catalogue of scenes, and the two that the README shows."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from playwright.sync_api import Browser

from tools.screenshots.chromium import LOOKS, Look, person_at
from tools.screenshots.scenes import ADA, PROJECT, SCENES, Scene, SceneError
from tools.screenshots.stage import Stage

# Far enough down the sample for ordinary titles, none with letters that the fonts of a build machine lack.
README_SCENE = Scene("work-items", f"{PROJECT}/workitems?top=20&continuation=WyIxMjAiXQ", ADA)
README_LOOKS = {"": Look("light", "light", 1100, 720), "-dark": Look("dark", "dark", 1100, 720)}
README_MOST_BYTES = 150_000


def catalogue(browser: Browser, stage: Stage, names: Sequence[str], folder: Path) -> Iterator[Path]:
    """Take the scenes of these names in every look, in full length: SCENE-LOOK.png. Raises SceneError."""
    for scene in SCENES:
        if scene.name in names:
            files = {folder / f"{scene.name}-{look.name}.png": look for look in LOOKS}
            yield from _taken(browser, stage, scene, files, full_page=True)


def for_readme(browser: Browser, stage: Stage, folder: Path) -> Iterator[Path]:
    """Take what a window shows of one scene, light and dark. Raises SceneError when a file is too heavy."""
    files = {folder / f"{README_SCENE.name}{suffix}.png": look for suffix, look in README_LOOKS.items()}
    for file in _taken(browser, stage, README_SCENE, files, full_page=False):
        if file.stat().st_size > README_MOST_BYTES:
            raise SceneError(f"{file.name} has {file.stat().st_size} bytes, more than {README_MOST_BYTES}")
        yield file


def _taken(
    browser: Browser, stage: Stage, scene: Scene, files: Mapping[Path, Look], *, full_page: bool
) -> Iterator[Path]:
    with person_at(browser) as context:
        page = context.new_page()
        scene.show(page, stage)
        for file, look in files.items():
            look.put_on(page)
            page.screenshot(path=file, full_page=full_page)
            yield file
