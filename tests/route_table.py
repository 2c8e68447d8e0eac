"""The pages of the site as it registers them: a test that goes through these covers a new function by itself."""

from dataclasses import dataclass
from urllib.parse import quote

import function_app
from functions._entry import ROUTES
from shared.web.requests import Route

assert function_app.app, "registers every blueprint"

SEGMENTS = {"org": "fabrikam", "project": "Payments Platform", "id": "1", "digest": "0" * 16, "file": "style.css"}
"""Values that fit parameters of a path; what is not here gets a name of its own, an optional one is left out."""


@dataclass(frozen=True)
class Page:
    """One function that answers HTTP, with an address of it and a method that it takes."""

    name: str
    route: Route

    @property
    def path(self) -> str:
        parts = self.route.template.strip("/").split("/")
        return "/" + "/".join(_filled(part) for part in parts if not part.endswith("?}"))

    @property
    def method(self) -> str:
        return self.route.methods[0] if self.route.methods else "GET"


def pages() -> list[Page]:
    """Every page, by name."""
    return [Page(name, ROUTES[name]) for name in sorted(ROUTES)]


def _filled(part: str) -> str:
    name = part.strip("{*}")
    return quote(SEGMENTS.get(name, f"some-{name}"), safe="") if part.startswith("{") else part
