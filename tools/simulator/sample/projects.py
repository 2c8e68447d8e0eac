"""The projects of the organizations."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from tools.simulator.sample.identifiers import guid
from tools.simulator.sample.times import milliseconds

ORGANIZATIONS = ("fabrikam", "contoso-labs", "northwind-lab")


@dataclass(frozen=True)
class Plan:
    """How much a project holds."""

    organization: str
    name: str
    description: str | None
    visibility: str
    work_items: int
    builds: int
    repositories: tuple[str, ...]


PLANS = (
    Plan("fabrikam", "Payments Platform", "Cards, ledgers and payouts.\nOwned by a guild.", "private",
         320, 72, ("normal", "empty", "disabled", "huge")),
    Plan("fabrikam", "Tools (new)!", None, "organization", 64, 14, ("normal", "fork")),
    Plan("fabrikam", "Ünïcode プロジェクト", "größer, 日本語", "private", 48, 9, ("normal",)),
    Plan("fabrikam", "Empty Room", None, "private", 0, 0, ()),
    Plan("contoso-labs", "Lighthouse", "The public status page", "public", 120, 24,
         ("normal", "empty", "disabled")),
    Plan("contoso-labs", "Field-Service 2.0", None, "organization", 36, 6, ("normal",)),
    Plan("northwind-lab", "Cold Chain", "Sensors and alarms", "private", 24, 5, ("normal",)),
)  # fmt: skip


@dataclass(frozen=True)
class Project:
    organization: str
    name: str
    description: str | None
    visibility: str
    revision: int
    updated_at: datetime

    @property
    def id(self) -> str:
        return guid("project", self.organization, self.name)

    @property
    def url(self) -> str:
        return f"https://dev.azure.com/{self.organization}/_apis/projects/{self.id}"

    @property
    def web_url(self) -> str:
        return f"https://dev.azure.com/{self.organization}/{quote(self.name)}"

    def reference(self) -> dict[str, Any]:
        """As one entry of the projects list."""
        described = {"description": self.description} if self.description else {}
        return {
            "id": self.id,
            "name": self.name,
            **described,
            "url": self.url,
            "state": "wellFormed",
            "revision": self.revision,
            "visibility": self.visibility,
            "lastUpdateTime": milliseconds(self.updated_at),
        }


def make_projects(started_at: datetime) -> list[Project]:
    """The projects in the order of the list answers."""
    return [
        Project(
            plan.organization,
            plan.name,
            plan.description,
            plan.visibility,
            revision=212 + 37 * index,
            updated_at=started_at - timedelta(days=11 * index + 3, seconds=5303, milliseconds=413),
        )
        for index, plan in enumerate(PLANS)
    ]
