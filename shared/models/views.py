"""What the data views show: one model per kind of row, answered as HTML or as JSON under these field names.

Field names are a public contract. Times are aware datetimes in UTC. `url` fields are absolute links into Azure DevOps,
built from our configuration and ids, never copied from an answer; `pages` are paths of this site.
"""

from datetime import datetime

import msgspec


class Organization(msgspec.Struct, frozen=True):
    """An organization that the person belongs to."""

    name: str
    url: str
    projects_page: str


class Project(msgspec.Struct, frozen=True):
    """A project; `visibility` is private, public or organization."""

    id: str
    name: str
    description: str | None
    visibility: str | None
    updated_at: datetime | None
    url: str
    work_items_page: str
    builds_page: str
    repositories_page: str


class WorkItem(msgspec.Struct, frozen=True):
    """A work item; `assigned_to` is a display name, None when unassigned."""

    id: int
    type: str | None
    title: str
    state: str | None
    assigned_to: str | None
    changed_at: datetime | None
    url: str


class Build(msgspec.Struct, frozen=True):
    """A build; queued builds have no times of their run and no result (facts 4.6)."""

    id: int
    number: str
    definition: str | None
    status: str | None
    result: str | None
    branch: str | None
    requested_for: str | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    url: str


class Repository(msgspec.Struct, frozen=True):
    """A Git repository; an empty one has no default branch, and sizes pass 2^31 (facts 4.7)."""

    id: str
    name: str
    default_branch: str | None
    size_bytes: int
    disabled: bool
    url: str


class Listing[Item](msgspec.Struct, frozen=True):
    """One page of a list; `next` and `prev` are local URLs, None at the ends."""

    items: list[Item]
    next: str | None
    prev: str | None
