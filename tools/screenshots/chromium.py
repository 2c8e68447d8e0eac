"""Headless Chromium, talking to loopback and to nobody else."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-sync",
    "--no-proxy-server",
)
# Playwright switches this cache off. People have it, and a page must not come out of it after a sign-out.
PEOPLE_HAVE = ("--disable-back-forward-cache",)


@dataclass(frozen=True, slots=True)
class Look:
    """A colour scheme and a window width in CSS pixels."""

    name: str
    scheme: Literal["light", "dark"]
    width: int
    height: int = 800

    def put_on(self, page: Page) -> None:
        """Show the page like this; it stays loaded."""
        page.emulate_media(color_scheme=self.scheme)
        page.set_viewport_size({"width": self.width, "height": self.height})


LOOKS = (Look("light", "light", 1280), Look("dark", "dark", 1280), Look("narrow", "light", 360))


@contextmanager
def launched(executable: Path) -> Iterator[Browser]:
    """The machine's own Chromium; it ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=ARGUMENTS, ignore_default_args=PEOPLE_HAVE
        )
        with browser:
            yield browser


def person_at(browser: Browser) -> BrowserContext:
    """A profile of its own, as a person who never was here; without transitions, so that colours don't fade."""
    return browser.new_context(reduced_motion="reduce", locale="en-GB")
