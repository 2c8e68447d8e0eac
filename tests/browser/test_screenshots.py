"""The pictures that `make screenshots` takes."""

import struct
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tools.screenshots import __main__ as screenshots
from tools.screenshots import pictures
from tools.screenshots.stage import Stage


def width(picture: Path) -> int:
    """By its header (PNG specification, 11.2.2)."""
    return struct.unpack(">I", picture.read_bytes()[16:20])[0]


def test_a_scene_is_taken_light_dark_and_narrow(stage: Stage, started_browser: Browser, tmp_path: Path) -> None:
    """Three files that differ, each as wide as its window."""
    files = list(pictures.catalogue(started_browser, stage, ["home"], tmp_path))
    assert {file.name: width(file) for file in files} == {
        "home-light.png": 1280,
        "home-dark.png": 1280,
        "home-narrow.png": 360,
    }
    assert len({file.read_bytes() for file in files}) == 3


def test_the_readme_gets_light_and_dark_of_little_weight(
    stage: Stage, started_browser: Browser, tmp_path: Path
) -> None:
    files = list(pictures.for_readme(started_browser, stage, tmp_path))
    assert [file.name for file in files] == ["work-items.png", "work-items-dark.png"]


def test_an_unknown_scene_is_an_error_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        screenshots.main(["nowhere"])
    assert "there is no scene nowhere" in capsys.readouterr().err
