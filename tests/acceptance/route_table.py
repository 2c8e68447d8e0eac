"""Every route of the application with an address that fits it, so that a new function is crawled by itself."""

import re

from tests.site import Browser
from tests.test_function_app import ROUTES

EXAMPLES = {
    "org": "fabrikam",
    "project": "Payments%20Platform",
    "provider": "entra",
    "id": "4201",
    "*path": "nowhere",
}


def addresses(browser: Browser) -> dict[str, str]:
    """Function name to a path of this site that reaches it; each optional parameter is given."""
    stylesheet = re.search(r'href="/static/([0-9a-f]+)/([a-z.]+)"', browser.get("/").text)
    assert stylesheet, "the home page has no stylesheet"
    known = {**EXAMPLES, "digest": stylesheet[1], "file": stylesheet[2]}
    paths = {}
    for name, route in ROUTES.items():
        path = re.sub(r"\{(\*?\w+)\??\}", lambda found: known[found[1]], route)
        paths[name] = "/" + path.strip("/")
    return paths
