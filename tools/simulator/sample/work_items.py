"""Work items of several types and states, assigned and unassigned, with titles that need escaping."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from tools.simulator.sample.people import COLLEAGUES
from tools.simulator.sample.projects import Project
from tools.simulator.sample.times import milliseconds

STATES = {
    "Bug": ("New", "Active", "Resolved", "Closed"),
    "Task": ("To Do", "In Progress", "Done"),
    "User Story": ("New", "Active", "Resolved", "Closed", "Removed"),
    "Feature": ("New", "Active", "Closed"),
    "Epic": ("New", "Active"),
}
TYPES, TYPE_WEIGHTS = tuple(STATES), (30, 34, 24, 9, 3)
AREAS = ("", "", "\\Backend", "\\Web", "\\Backend\\Ledger")
TAGS = ("", "", "", "regression", "security; customer", "O'Reilly", "tech-debt")

_SUBJECTS = ("Checkout", "Refund job", "Login page", "Ledger export", "Webhook retries", "Invoice PDF",
             "Audit trail", "Search index", "Rate limiter", "Settings dialog", "Nightly import",
             "Mobile menu")  # fmt: skip
_COMPLAINTS = ("fails when the amount is 0", "times out after 30 s", "shows yesterday's balance",
               "loses the second line of an address", "sends two mails", "is unreadable in dark mode",
               "should remember the last filter", "needs a retry with backoff", "must not log card numbers",
               "crashes on names longer than 64 characters", "rounds half a cent the wrong way")  # fmt: skip
ODD_TITLES = (
    "Field accepts <b>bold</b> & <script>alert(1)</script>",
    'Quotes "double" and \'single\' break the export',
    "Übergrößen-Prüfung für Straße & Co. schlägt fehl",
    "支払いが二重に計上される",
    "=HYPERLINK(\"http://example.invalid\",\"csv\") in a title",
    "O'Brien can't save '; DROP TABLE items; --",
    "A title that goes on " + "and on " * 30 + "until the 255th character is nearly reached",
    "Right-to-left: שלום עולם and back",
)  # fmt: skip


@dataclass(frozen=True)
class WorkItem:
    """One work item; `fields` has the service's field names in the service's order, `System.Id` included."""

    id: int
    project: Project
    rev: int
    fields: dict[str, Any]
    created_at: datetime
    changed_at: datetime

    @property
    def url(self) -> str:
        return f"https://dev.azure.com/{self.project.organization}/_apis/wit/workItems/{self.id}"


def make_work_items(project: Project, count: int, first_id: int, started_at: datetime) -> list[WorkItem]:
    """`count` items with ids from `first_id`; the youngest changed minutes before `started_at`."""
    random = Random(f"work items of {project.id}")
    return [_make(project, first_id + index, count - index, started_at, random) for index in range(count)]


def _make(project: Project, item_id: int, age: int, started_at: datetime, random: Random) -> WorkItem:
    created_at = started_at - timedelta(hours=7 * age, seconds=random.randint(0, 20_000), milliseconds=age)
    changed_at = created_at + (started_at - created_at) * random.uniform(0.05, 0.97)
    kind = random.choices(TYPES, TYPE_WEIGHTS)[0]
    assigned_to = random.choice((None, *COLLEAGUES))
    author, editor = random.choices(COLLEAGUES, k=2)
    fields: dict[str, Any] = {
        "System.Id": item_id,
        "System.AreaPath": project.name + random.choice(AREAS),
        "System.TeamProject": project.name,
        "System.IterationPath": f"{project.name}\\Sprint {random.randint(40, 46)}",
        "System.WorkItemType": kind,
        "System.State": random.choice(STATES[kind]),
        "System.Reason": "Moved through the board",
        "System.AssignedTo": assigned_to and assigned_to.identity(project.organization),
        "System.CreatedDate": milliseconds(created_at),
        "System.CreatedBy": author.identity(project.organization),
        "System.ChangedDate": milliseconds(changed_at),
        "System.ChangedBy": editor.identity(project.organization),
        "System.CommentCount": random.randint(0, 6),
        "System.Title": _title(random),
        "Microsoft.VSTS.Common.StateChangeDate": milliseconds(created_at),
        "Microsoft.VSTS.Common.Priority": random.randint(1, 4),
        "System.Description": "<div>Seen in production.<br>Steps: open, wait, look.</div>",
        "System.Tags": random.choice(TAGS) or None,
    }
    present = {name: value for name, value in fields.items() if value is not None}
    return WorkItem(item_id, project, random.randint(1, 14), present, created_at, changed_at)


def _title(random: Random) -> str:
    if random.random() < 0.1:
        return random.choice(ODD_TITLES)
    return f"{random.choice(_SUBJECTS)} {random.choice(_COMPLAINTS)}"
