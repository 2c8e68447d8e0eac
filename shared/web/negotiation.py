"""HTML or JSON, decided from the Accept header (RFC 9110 section 12.5.1)."""

import re
from enum import StrEnum

# Browsers send about 150 characters. Longer ones are not read: the answer would not be worth the work.
_LONGEST = 1024
_QVALUE = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")
_JSON = ("application/json", "application/problem+json")


class Wants(StrEnum):
    """The two forms in which every page exists."""

    HTML = "html"
    JSON = "json"


def wants(accept: str | None) -> Wants:
    """JSON when it is preferred over HTML; HTML when Accept is absent, undecided, garbage or over-long.

    JSON is `application/json`, `application/problem+json` or any `application/…+json`, by name: a wildcard says that
    the caller takes whatever there is, which is HTML. Beside a mere `*/*` of the same weight the name decides: so ask
    the HTTP clients of scripts, and no browser asks for a page without naming HTML.
    """
    if accept is None or len(accept) > _LONGEST:
        return Wants.HTML
    qualities = _qualities(accept)
    json = max((quality for media_type, quality in qualities.items() if _is_json(media_type)), default=0.0)
    html = next((qualities[key] for key in ("text/html", "text/*") if key in qualities), None)
    if html is None:
        return Wants.JSON if json and json >= qualities.get("*/*", 0.0) else Wants.HTML
    return Wants.JSON if json > html else Wants.HTML


def _qualities(accept: str) -> dict[str, float]:
    """Media range → quality; ranges that are not well formed are left out."""
    qualities: dict[str, float] = {}
    for part in accept.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = _quality(parameters)
        if quality is not None:
            qualities[media_type] = max(quality, qualities.get(media_type, 0.0))
    return qualities


def _quality(parameters: list[str]) -> float | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            value = value.strip()
            return float(value) if _QVALUE.match(value) else None
    return 1.0


def _is_json(media_type: str) -> bool:
    return media_type in _JSON or (media_type.startswith("application/") and media_type.endswith("+json"))
