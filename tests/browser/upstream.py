"""Answers of Azure DevOps with the words of a test in every string: what somebody there could really write.

The real answers of the simulator are the model, so that no field is forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.site import Simulator

PROJECT = "/org/fabrikam/project/Payments%20Platform"
API = "/fabrikam/Payments%20Platform/_apis"

VIEWS = {
    "organizations": ("/dashboard", [("GET", "/_apis/accounts", "/_apis/accounts?memberId={me}")]),
    "projects": ("/org/fabrikam/projects?top=200", [("GET", "/_apis/projects", "/fabrikam/_apis/projects")]),
    "work items": (
        f"{PROJECT}/workitems?top=200",
        [("POST", "/_apis/wit/wiql", f"{API}/wit/wiql"), ("POST", "/workitemsbatch", f"{API}/wit/workitemsbatch")],
    ),
    "builds": (f"{PROJECT}/builds?top=200", [("GET", "/_apis/build/builds", f"{API}/build/builds")]),
    "repositories": (f"{PROJECT}/repos?top=200", [("GET", "/_apis/git/", f"{API}/git/repositories")]),
}
"""Address of the page; method, path for the and target of each call behind it."""


BODIES = {
    "wiql": {"query": "SELECT [System.Id] FROM WorkItems WHERE [System.TeamProject] = @project"},
    "workitemsbatch": {
        "ids": [1001],
        "fields": ["System.Title", "System.State", "System.AssignedTo", "System.WorkItemType", "System.ChangedDate"],
    },
}
"""Of the calls that are POST."""


@dataclass
class Upstream:
    """Azure DevOps as its users fill it; `token` is an access token of Ada's."""

    simulator: Simulator
    token: str

    def fill(self, view: str, texts: Sequence[str], **names: str) -> None:
        """Let one entry for each text be in a view, the text in all strings of it, except where `names` says how a
        string is called: "project-{n}"."""
        rules = []
        for method, path, target in VIEWS[view][1]:
            body = one_each(self._answer(method, target), texts, names)
            rules.append({"match": {"method": method, "path": path}, "action": {"status": 200, "json": body}})
        self.simulator.faults(*rules)

    def _answer(self, method: str, target: str) -> dict[str, Any]:
        if "{me}" in target:
            target = target.format(me=self._answer("GET", "/_apis/profile/profiles/me?")["id"])
        answer = self.simulator.http.request(
            method,
            f"{self.simulator.url}{target}{'&' if '?' in target else '?'}api-version=7.1",
            json=BODIES.get(target.rpartition("/")[2]),
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


def one_each(answer: dict[str, Any], texts: Sequence[str], names: dict[str, str]) -> dict[str, Any]:
    """The list with one entry for each text; numbers as ids and legal names of organizations stay."""
    member = "workItems" if "workItems" in answer else "value"
    model = answer[member][0]
    entries = []
    for number, text in enumerate(texts):
        entry = spoiled(model, text)
        if isinstance(model.get("id"), int):
            entry["id"] = 1001 + number
        if "accountName" in model:
            entry["accountName"] = f"organization-{number}"
        entries.append(entry | {name: shape.format(n=number) for name, shape in names.items() if name in model})
    return {**answer, member: entries}


def spoiled(value: Any, text: str) -> Any:
    """Every string in it replaced, at any depth."""
    if isinstance(value, dict):
        return {name: spoiled(part, text) for name, part in value.items()}
    if isinstance(value, list):
        return [spoiled(part, text) for part in value]
    return text if isinstance(value, str) else value
