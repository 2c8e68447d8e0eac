"""How values read on a page. Pure: the same value reads the same for everyone, times in UTC."""

import re
from datetime import UTC, datetime

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = ("kB", "MB", "GB", "TB", "PB")
_EXTERNAL = re.compile(
    r"(?:(?:https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?)"
    r"(?:/[!-\[\]-~]*)?|mailto:[A-Za-z0-9.+_-]+@[A-Za-z0-9.-]+)\Z"
)
# Of this site: one slash, then anything but a second one or a backslash, which browsers read as one.
_LOCAL = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?\Z")


def is_external(url: str | None) -> bool:
    """Whether an address of our own configuration may become a link; for what comes from data see `links.into`.

    https with a plain host, http on loopback (the simulator), or a mail address; no user info, no blank, control or
    non-ASCII character, no backslash.
    """
    return url is not None and _EXTERNAL.match(url) is not None


def is_local(path: str | None) -> bool:
    """Whether this is a path of this site: percent-encoded, so printable ASCII, with its query if any."""
    return path is not None and _LOCAL.match(path) is not None


def moment(value: datetime) -> str:
    """24 Nov 2026, 14:50 UTC."""
    value = value.astimezone(UTC)
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}, {value.hour:02}:{value.minute:02} UTC"


def machine_time(value: datetime) -> str:
    """2026-11-24T14:50:54Z, as the `datetime` attribute of a `time` element."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def size(size_bytes: int) -> str:
    """Decimal units, as disks are sold: 0 B, 999 B, 1.5 kB, 22 MB, 4.3 GB."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    amount = float(size_bytes)
    for unit in _UNITS:
        amount /= 1000
        if amount < 999.5 or unit == _UNITS[-1]:
            break
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


def branch(ref: str | None) -> str | None:
    """refs/heads/main → main; other refs (refs/pull/7/merge) stay as they are."""
    return ref.removeprefix("refs/heads/") if ref else None


# Results and statuses of builds, and states of the work item types that every process template brings. A company can
# invent others, which read as their words alone.
_TONES = {
    "succeeded": "good",
    "completed": "good",
    "closed": "good",
    "done": "good",
    "resolved": "good",
    "failed": "bad",
    "partiallysucceeded": "warn",
    "cancelling": "warn",
    "postponed": "warn",
    "inprogress": "busy",
    "in progress": "busy",
    "active": "busy",
    "doing": "busy",
    "committed": "busy",
    "new": "fresh",
    "to do": "fresh",
    "notstarted": "fresh",
}


def tone(state: str) -> str:
    """The badge of a state: good, bad, warn, busy, fresh or quiet. Each has a shape of its own besides its colour."""
    return _TONES.get(state.lower(), "quiet")


def words(name: str) -> str:
    """An enumeration of the API in words: partiallySucceeded → partially succeeded."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
