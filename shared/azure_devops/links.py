"""Addresses built from names and ids, never copied from an answer, and which of them may become a link. Pure."""

import re
from collections.abc import Callable
from urllib.parse import quote

_OFFICIAL = r"https://(?:dev\.azure\.com|[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.visualstudio\.com)"
# No user info, no other port, and only characters that no browser drops, folds or reads as a slash.
_REST = r"(?:[/?#][!-\[\]-~]*)?"


def path(*segments: str) -> str:
    """A path in which each segment is percent-encoded once, so that none can become two."""
    return "".join("/" + quote(segment, safe="") for segment in segments)


def into(devops_url: str) -> Callable[[str | None], bool]:
    """A test whether a link may lead there: Azure DevOps itself, by https, or the configured origin as it is."""
    allowed = re.compile(f"(?:{_OFFICIAL}|{re.escape(devops_url.rstrip('/'))}){_REST}")
    return lambda url: url is not None and allowed.fullmatch(url) is not None
