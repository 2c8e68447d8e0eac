"""Addresses built from names and ids, never copied from an answer. Pure."""

from urllib.parse import quote


def path(*segments: str) -> str:
    """A path in which each segment is percent-encoded once, so that none can become two."""
    return "".join("/" + quote(segment, safe="") for segment in segments)
