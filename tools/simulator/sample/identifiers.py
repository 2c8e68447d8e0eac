"""Identifiers that are the same at every start."""

from uuid import NAMESPACE_URL, uuid5


def guid(*names: str) -> str:
    """The same GUID for the same names at every start."""
    return str(uuid5(NAMESPACE_URL, "gatehouse-simulator/" + "/".join(names)))
