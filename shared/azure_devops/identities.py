"""People as the API writes them in fields of work items and builds. Pure."""

import msgspec


class Identity(msgspec.Struct, rename="camel"):
    """A person or a service; the other members of the wire object are not read."""

    display_name: str | None = None


def name_of(identity: Identity | str | None) -> str | None:
    """The display name; an identity may also be a string "Name <mail>" (facts/azure-devops.md 4.5)."""
    if isinstance(identity, str):
        return identity.partition(" <")[0] or None
    return identity.display_name if identity else None
