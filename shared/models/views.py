"""What the data views show: one model per kind of row, answered as HTML or as JSON under these field names.

Field names are a public contract. Times are aware datetimes in UTC. `url` fields are absolute links into Azure DevOps,
built from our configuration and ids, never copied from an answer; `pages` are paths of this site.
"""

from datetime import datetime
from typing import Literal

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


class Scope(msgspec.Struct, frozen=True):
    """A scope that was asked for, and what it allows in words."""

    name: str
    meaning: str


class AccountSession(msgspec.Struct, frozen=True):
    """A browser that is signed in; `id` is what the form of `auth/logout` takes as `session` to end it.

    `seen_at` is up to ten minutes old; `ends_at` is when it ends if it is not used again.
    """

    id: str
    browser: str
    started_at: datetime
    seen_at: datetime
    ends_at: datetime
    current: bool


class Account(msgspec.Struct, frozen=True):
    """What we keep of the person who asks: the connection and its sessions, this one first, then the last used.

    `status` is live, suspect (a renewal was refused and is tried again at `next_try_at`) or reconnect (sign in again);
    either way the access token serves until `expires_at`. `receipt_page` is there when this browser has a receipt.
    """

    name: str
    email: str | None
    provider: str
    provider_title: str
    status: Literal["live", "suspect", "reconnect"]
    scopes: list[Scope]
    expires_at: datetime
    refreshed_at: datetime
    next_try_at: datetime | None
    sessions: list[AccountSession]
    receipt_page: str | None


class RevocationState(msgspec.Struct, frozen=True):
    """What became of one pair of tokens at the provider; `retried` is tried again at about `next_try_at`."""

    state: Literal["revoked", "retried", "not_offered", "given_up"]
    next_try_at: datetime | None


class SignOutReceipt(msgspec.Struct, frozen=True):
    """What the last sign-out in this browser did, and how its revocations stand now.

    `sessions_ended` is 0 when the session was gone already. `checked` is false when the storage did not answer, so that
    the states are those of the sign-out itself. `access_token_minutes` is how long the last access token may live on
    where the provider revokes none. The two addresses are where the person alone can go on.
    """

    signed_out_at: datetime
    sessions_ended: int
    tokens_deleted: bool
    provider: str | None
    revocations: list[RevocationState]
    checked: bool
    access_token_minutes: int | None
    withdraw_url: str | None
    sign_out_url: str | None


class Listing[Item](msgspec.Struct, frozen=True):
    """One page of a list; `next` and `prev` are local URLs, None at the ends."""

    items: list[Item]
    next: str | None
    prev: str | None
