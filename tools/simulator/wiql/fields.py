"""The work item fields that queries may name."""

from dataclasses import dataclass
from typing import Literal

type Kind = Literal["integer", "text", "time", "person"]


@dataclass(frozen=True)
class Field:
    reference_name: str
    name: str
    kind: Kind


FIELDS = (
    Field("System.Id", "ID", "integer"),
    Field("System.AreaPath", "Area Path", "text"),
    Field("System.TeamProject", "Team Project", "text"),
    Field("System.IterationPath", "Iteration Path", "text"),
    Field("System.WorkItemType", "Work Item Type", "text"),
    Field("System.State", "State", "text"),
    Field("System.Reason", "Reason", "text"),
    Field("System.AssignedTo", "Assigned To", "person"),
    Field("System.CreatedDate", "Created Date", "time"),
    Field("System.CreatedBy", "Created By", "person"),
    Field("System.ChangedDate", "Changed Date", "time"),
    Field("System.ChangedBy", "Changed By", "person"),
    Field("System.CommentCount", "Comment Count", "integer"),
    Field("System.Title", "Title", "text"),
    Field("Microsoft.VSTS.Common.StateChangeDate", "State Change Date", "time"),
    Field("Microsoft.VSTS.Common.Priority", "Priority", "integer"),
    Field("System.Description", "Description", "text"),
    Field("System.Tags", "Tags", "text"),
)
_BY_NAME = {name.lower(): field for field in FIELDS for name in (field.reference_name, field.name)}


def find_field(name: str) -> Field | None:
    """The field with this reference name or display name, whatever its case."""
    return _BY_NAME.get(name.lower())
