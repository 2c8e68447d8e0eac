"""The envelope in which the API sends lists. Pure."""

import msgspec


class Envelope[T](msgspec.Struct):
    """`value` may hold nulls for what the person may not see; `count` is not trusted (facts/azure-devops.md 4.5)."""

    value: list[T | None]


def present[T](values: list[T | None]) -> list[T]:
    """The values without the nulls."""
    return [value for value in values if value is not None]
