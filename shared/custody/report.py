"""What a run of the timer did: counted look by look, and told as the `tick` event."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.custody import Custody
from shared.models.custody import UserRecord

Event = tuple[str, dict[str, Any]]


@dataclass(slots=True)
class TickReport:
    """What a run did; the `tick` event carries it."""

    looked: int = 0
    refreshed: int = 0
    adopted: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    revoked: int = 0
    revocations_waiting: int = 0
    oldest_revocation_seconds: int = 0
    old_key: int = 0
    old_secret: int = 0
    secret_days_left: int | None = None
    unreadable: int = 0
    behind_seconds: int = 0
    purged_logins: int = 0
    complete: bool = True
    by_provider: Counter[str] = field(default_factory=Counter)
    refreshed_by_key: Counter[str] = field(default_factory=Counter)
    refreshed_by_secret: Counter[str] = field(default_factory=Counter)

    def fields(self) -> dict[str, Any]:
        """The report as the fields of an event."""
        shown = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in shown.items()}


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a user found: the record afterwards, and what happened.

    `left`: not done to its end; the user's hints stay as they are for the next run, the oldest first again.
    """

    user_id: str
    record: UserRecord | None
    events: tuple[Event, ...]
    fault: str | None = None
    left: bool = False


def count(custody: Custody, report: TickReport, looks: Sequence[Look]) -> None:
    """Tell the events of these looks, on the thread of the run, and add them to the report."""
    now = custody.now()
    newest = custody.keys().newest_id
    newest_secrets = {name: provider.newest_secret_id() for name, provider in custody.providers.items()}
    for found in looks:
        for event, fields in found.events:
            custody.emit(event, **fields)
            _count_event(report, event, fields)
        if found.left:
            report.complete = False
            continue
        report.looked += 1
        if found.fault:
            report.failed[found.fault] += 1
        if found.record is None:
            continue
        waiting = [it for it in found.record.revocations if not it.outcome]
        report.revocations_waiting += len(waiting)
        report.old_key += sum(it.key_id != newest for it in waiting)
        ages = [int((now - it.created_at).total_seconds()) for it in waiting if it.created_at]
        report.oldest_revocation_seconds = max([report.oldest_revocation_seconds, *ages])
        if connection := found.record.connection:
            report.by_provider[connection.provider] += 1
            report.old_key += connection.key_id != newest
            report.old_secret += newest_secrets.get(connection.provider) not in (None, connection.secret_id)


def days_left(custody: Custody) -> int | None:
    """Whole days until the first of our own secrets ends; below zero once it has."""
    end = custody.secrets_end()
    return (end - custody.now()).days if end else None


def _count_event(report: TickReport, event: str, fields: dict[str, Any]) -> None:
    if event == "refreshed":
        report.refreshed += 1
        report.refreshed_by_key[fields["key"]] += 1
        report.refreshed_by_secret[fields["secret"]] += 1
    elif event == "refresh_adopted":
        report.adopted += 1
    elif event == "refresh_failed":
        report.failed[str(fields.get("reason"))] += 1
    elif event == "unreadable":
        report.unreadable += 1
    elif event == "connection_ended":
        report.ended += 1
    elif event == "revoked":
        report.revoked += 1
