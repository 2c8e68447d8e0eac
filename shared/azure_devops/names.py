"""Azure DevOps' own rules for names, applied before any call (facts/azure-devops.md 4.11). Pure.

Reserved names (CON, web.config …) stay legal: they can't be created, but reading them harms nobody.
"""

import re
from urllib.parse import unquote_to_bytes

from shared.errors import BadRequest

MAX_ORGANIZATION_CHARACTERS = 50
MAX_PROJECT_CHARACTERS = 64
ORGANIZATION_PATTERN = rf"[A-Za-z0-9](?:[A-Za-z0-9-]{{0,{MAX_ORGANIZATION_CHARACTERS - 2}}}[A-Za-z0-9])?"

_ORGANIZATION = re.compile(ORGANIZATION_PATTERN)
_FORBIDDEN_IN_PROJECTS = frozenset("/:\\~&%;@'\"?<>|#$*}{,+=[]")
_SEGMENT = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LAST_BEFORE_SURROGATE_PAIRS = "\uffff"


def _class_without(edge: str) -> str:
    """The characters of a project's name but those that may not stand at this edge; for Python and ECMA-262."""
    printable = (chr(code) for code in range(0x20, 0x7F))
    legal = (one for one in printable if one not in _FORBIDDEN_IN_PROJECTS and one not in edge)
    return "[" + "".join(f"\\{one}" if one in "-^" else one for one in legal) + r"\u00a0-\ud7ff\ue000-\uffff]"


PROJECT_PATTERN = (
    f"{_class_without('_.')}({_class_without('')}{{0,{MAX_PROJECT_CHARACTERS - 2}}}{_class_without('.')})?"
)
"""The rule of `project` for the contract; `_broken_project_rule` says which part of it a name breaks."""


def organization(text: str) -> str:
    """The name of an organization as given; BadRequest when Azure DevOps can't have one of this name."""
    if not is_organization(text):
        raise BadRequest(
            advice="The name of an organization has at most 50 letters a–z, digits and hyphens, "
            "and begins and ends with a letter or digit."
        )
    return text


def project(text: str) -> str:
    """The name (or id) of a project or repository as given; BadRequest when Azure DevOps can't have such a name."""
    if broken := _broken_project_rule(text):
        raise BadRequest(advice=f"The name of a project or repository {broken}.")
    return text


def is_organization(text: str) -> bool:
    """Whether `organization` takes the text."""
    return _ORGANIZATION.fullmatch(text) is not None


def is_project(text: str) -> bool:
    """Whether `project` takes the text; the API lists some names that its own rule refuses."""
    return _broken_project_rule(text) is None


def is_id(text: str) -> bool:
    """Whether this is the id of a project or repository, which the API takes in place of a name."""
    return _ID.fullmatch(text) is not None


def decode_segment(raw: str) -> str:
    """One raw path segment, percent-decoded exactly once as strict UTF-8; BadRequest when it is malformed.

    What comes out may still hold a slash, a dot segment or a control character: the name rules refuse those.
    """
    if not _SEGMENT.fullmatch(raw):
        raise BadRequest(advice="The address holds a character that must be percent-encoded, or a broken “%”.")
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise BadRequest(advice="The address is not UTF-8.") from None


def _broken_project_rule(text: str) -> str | None:
    if not 1 <= len(text) <= MAX_PROJECT_CHARACTERS:
        return f"has 1 to {MAX_PROJECT_CHARACTERS} characters"
    if any(map(is_control, text)):
        return "holds no control characters"
    if any(_needs_surrogates(character) for character in text):
        return "holds no emoji or other characters beyond U+FFFF"
    if not _FORBIDDEN_IN_PROJECTS.isdisjoint(text):
        return "holds none of / : \\ ~ & % ; @ ' \" ? < > | # $ * } { , + = [ ]"
    if text.startswith(("_", ".")) or text.endswith("."):
        return "does not begin with “_” and neither begins nor ends with “.”"
    return None


def is_control(character: str) -> bool:
    """Whether this is one of C0, DEL or C1, the control characters of Unicode (category Cc)."""
    return character < " " or "\x7f" <= character <= "\x9f"


def _needs_surrogates(character: str) -> bool:
    """Azure DevOps counts in UTF-16: beyond U+FFFF a character is a pair of surrogates."""
    return "\ud800" <= character <= "\udfff" or character > _LAST_BEFORE_SURROGATE_PAIRS
