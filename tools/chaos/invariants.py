"""What must hold after every test, whatever failed in it (acceptance section 1). Each check returns what it found.

`checked` joins them; a scanner for secrets, or any other check, is handed in as `more`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from azure.data.tables import TableServiceClient

from shared.custody import rules
from shared.models.custody import Hint, UserRecord
from shared.sealing import Keyring
from shared.storage import due
from shared.storage.connections import TableConnections
from shared.storage.rows import TABLE
from shared.storage.tables import Tables
from tools.chaos.volley import Reply
from tools.run.processes import Child

EXPECTED_FAILURES = frozenset({502, 503})
HEADERS = (
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
)
_TROUBLE = re.compile(
    r"^.*(?:Traceback \(most recent call last\)|unhandled in |\] (?:ERROR|CRITICAL) |never retrieved).*$", re.MULTILINE
)
_WHOLE_SECONDS = timedelta(seconds=2)
"""Hints are in whole seconds, and moved ones a second later."""


@dataclass(frozen=True, slots=True)
class Store:
    """A store at rest: where it is, the keys that open it, and the settings that its hints were made with.

    `now` is the clock of the process that was furthest ahead.
    """

    connection_string: str
    keys: Keyring
    now: datetime
    limits: rules.Limits
    margin: timedelta


def checked(
    *,
    children: Iterable[Child] = (),
    replies: Iterable[Reply] = (),
    store: Store | None = None,
    more: Iterable[Callable[[], list[str]]] = (),
) -> list[str]:
    """Everything that is wrong, in words; nothing is right."""
    running = list(children)
    found = [*alive(running), *quiet(running), *well_answered(replies)]
    found += at_rest(store) if store else []
    return found + [finding for check in more for finding in check()]


def alive(children: Iterable[Child]) -> list[str]:
    """Every process that was not killed on purpose still runs."""
    return [f"{child.name} ended" for child in children if not child.alive]


def quiet(children: Iterable[Child]) -> list[str]:
    """No unhandled exception, no traceback, no error in a log."""
    return [f"{child.name}: {line[:200]}" for child in children for line in _TROUBLE.findall(child.output())]


def well_answered(replies: Iterable[Reply]) -> list[str]:
    """An answer to everything, no 5xx but those that are meant, the security headers on all of them."""
    found = []
    for reply in replies:
        if reply.status == 0 or (reply.status >= 500 and reply.status not in EXPECTED_FAILURES):
            found.append(f"{reply.shot.url}: {reply.status or 'no answer'}")
        missing = [name for name in HEADERS if name not in reply.headers]
        if reply.status and missing:
            found.append(f"{reply.shot.url}: {reply.status} without {', '.join(missing)}")
    return found


def at_rest(store: Store) -> list[str]:
    """Hints, leases and sealing of everybody, once nothing is under way any more."""
    with TableServiceClient.from_connection_string(store.connection_string) as service:
        rows = list(service.get_table_client(TABLE).list_entities())
        hints = [due.parse(str(row["RowKey"])) for row in service.get_table_client(due.TABLE).list_entities()]
        opened = TableConnections(Tables(service), lambda: store.keys)
        records = [opened.load(user) for user in sorted({str(row["PartitionKey"]) for row in rows})]
    first = _earliest(hint for hint in hints if hint)
    return [
        *(finding for record in records for finding in _hint_findings(record, first, store)),
        *_lease_findings(rows, store.now),
        *_plaintext_findings(rows, records),
    ]


def _earliest(hints: Iterable[Hint]) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for hint in hints:
        found[hint.user_id] = min(hint.at, found.get(hint.user_id, hint.at))
    return found


def _hint_findings(record: UserRecord, hints: Mapping[str, datetime], store: Store) -> list[str]:
    """A partition with rows has a hint at or before its due time (design, Flows, rule i)."""
    look = rules.next_look(record, store.now, store.limits, store.margin)
    hint = hints.get(record.user_id)
    if look is None or (hint and hint <= look + _WHOLE_SECONDS):
        return []
    return [f"{record.user_id[:12]}: to be looked at {look:%H:%M:%S}, hint {f'{hint:%H:%M:%S}' if hint else 'missing'}"]


def _lease_findings(rows: Iterable[Mapping[str, Any]], now: datetime) -> list[str]:
    ends = [(str(row["PartitionKey"]), row.get("lease_until")) for row in rows]
    return [
        f"{user[:12]}: a lease is left since {end:%H:%M:%S}"
        for user, end in ends
        if isinstance(end, datetime) and end < now
    ]


def _plaintext_findings(rows: Sequence[Mapping[str, Any]], records: Sequence[UserRecord]) -> list[str]:
    """What the sealed values hold stands nowhere in the rows as it is."""
    stored = b"\n".join(_bytes(value) for row in rows for value in row.values())
    held = [it for record in records for it in (record.connection, *record.revocations) if it]
    secrets = {(it, secret) for it in held for secret in (it.access_token, it.refresh_token) if secret}
    found = [f"a token of {it.provider} stands in the store" for it, secret in secrets if secret.encode() in stored]
    return found + [f"{record.user_id[:12]}: {row} does not open" for record in records for row in record.unreadable]


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
