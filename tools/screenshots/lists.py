"""Lists that the simulator's sample does not hold: very long ones, names written from right to left, missing fields."""

from typing import Any


def _answer(path: str, value: list[dict[str, Any]], **members: Any) -> dict[str, Any]:
    body = {"count": len(value), "value": value, **members}
    return {"match": {"path": path}, "action": {"status": 200, "json": body}}


def _guid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


ARABIC = "منصة المدفوعات"
HEBREW = "פלטפורמת התשלומים (גרסה 2)"
MIXED = "Payments מערכת 7.1 – النسخة"
WORDS = (ARABIC, HEBREW, MIXED, "اردو", "Plain")

RIGHT_TO_LEFT_PROJECTS = _answer(
    "/_apis/projects",
    [
        {"id": _guid(n), "name": name, "description": f"{name}: {HEBREW}, {ARABIC}.", "visibility": "private"}
        for n, name in enumerate(WORDS)
    ],
)
RIGHT_TO_LEFT_BUILDS = _answer(
    "/_apis/build/builds",
    [
        {
            "id": 4201 + n,
            "buildNumber": f"{name} 1.{n}",
            "definition": {"name": name},
            "status": "completed",
            "result": ("succeeded", "failed", "partiallySucceeded", "canceled", "none")[n],
            "sourceBranch": f"refs/heads/{name}",
            "finishTime": f"2026-11-2{n}T10:00:00Z",
        }
        for n, name in enumerate(WORDS)
    ],
)
PARTIAL_BUILDS = _answer(
    "/_apis/build/builds",
    [
        {"id": 4201},
        {"id": 4202, "status": "notStarted"},
        {"id": 4203, "status": "inProgress", "startTime": "2026-11-24T10:00:00Z"},
        {"id": 4204, "status": "completed", "result": "failed"},
    ],
)
PARTIAL_WORK_ITEMS = (
    {
        "match": {"path": "/_apis/wit/wiql"},
        "action": {"status": 200, "json": {"workItems": [{"id": number} for number in range(1001, 1006)]}},
    },
    _answer(
        "/_apis/wit/workitemsbatch",
        [
            {"id": 1001},
            {"id": 1002, "fields": {"System.Title": ARABIC}},
            {"id": 1003, "fields": {"System.State": "Waiting for the moon", "System.WorkItemType": "Wish"}},
            {"id": 1004, "fields": {"System.Title": "w" * 255, "System.AssignedTo": {"displayName": HEBREW}}},
        ],
    ),
)
MANY_REPOSITORIES = _answer(
    "/_apis/git/repositories",
    [
        {"id": _guid(n), "name": f"service-{n:04}", "size": n * 1_000_003, "defaultBranch": "refs/heads/main"}
        for n in range(1000)
    ],
)
