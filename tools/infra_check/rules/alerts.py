"""Rules about alerts and workbook: each is there, reads events that are written, and has its page in the README."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.infra_check.project import Project, Rule
from tools.infra_check.template import Code, Value, at, objects_in

HERE = "infra/modules/alerts.bicep"

REQUIRED = frozenset(
    (
        "timer-heartbeat",
        "sign-in-failures",
        "refresh-failures",
        "app-fault",
        "connections-ended",
        "revocation-overdue",
        "server-errors",
        "vault-stale",
        "secret-days-left",
    )
)
"""The alerts that issue 7 names; there may be more."""

WINDOWS = frozenset(
    f"{start}{n}{unit}"
    for start, unit, numbers in (
        ("PT", "M", (1, 5, 10, 15, 30, 45)),
        ("PT", "H", (1, 2, 3, 4, 5, 6)),
        ("P", "D", (1, 2)),
    )
    for n in numbers
)
"""What the service takes as a window or frequency."""

EVENT = re.compile(r'e\.event\) == "(\w+)"')
EVENTS = re.compile(r"e\.event\) in \(([^)]*)\)")
FIELD = re.compile(r"\be\.(\w+)")
OF_EVERY_EVENT = frozenset(("event", "at", "correlation_id", "provider", "user", "session", "reason", "by", "seconds"))


def alerts_there(project: Project) -> Iterator[str]:
    rules = list(objects_in(project.module("alerts").variables["logAlerts"].default))
    names = {str(rule.get("name")) for rule in rules}
    for name in sorted(REQUIRED - names):
        yield f"{HERE} has no alert {name}"
    for rule in rules:
        yield from _one(rule)
    files = {path.stem for path in (project.infra / "modules" / "alerts").glob("*.kql")}
    for name in sorted(files ^ names):
        yield f"alerts/{name}.kql and the alert {name} do not go together"
    resource = project.module("alerts").resources["logAlertRules"]
    for path in ("properties.enabled", "properties.skipQueryValidation"):
        if resource.at(path) is not True:
            yield f"{HERE}: {path} is not true"


def _one(rule: dict[str, Value]) -> Iterator[str]:
    name, query = rule.get("name"), rule.get("query")
    if not isinstance(query, Code) or query.text != f"loadTextContent('alerts/{name}.kql')":
        yield f"{HERE}: {name} does not read alerts/{name}.kql"
    for what in ("frequency", "window"):
        given = rule.get(what)
        if isinstance(given, str) and given not in WINDOWS:
            yield f"{HERE}: {name} has the {what} {given}, which the service does not take"
    if not isinstance(rule.get("severity"), int) or not rule.get("description"):
        yield f"{HERE}: {name} has no severity or description"


def somebody_is_told(project: Project) -> Iterator[str]:
    template = project.module("alerts")
    for symbol in ("logAlertRules", "availabilityRules"):
        if "actionGroups" not in str(at(template.resources[symbol].body, "properties.actions")):
            yield f"{HERE}: {symbol} tell nobody"
    for name in ("alertEmail", "actionGroupResourceId"):
        if name not in project.main.params or name not in project.main.modules["alerts"].params:
            yield f"infra/main.bicep: {name} does not reach the alerts"


def events_exist(project: Project) -> Iterator[str]:
    known = project.events_emitted
    fields = project.tick_fields | OF_EVERY_EVENT
    for place, query in _queries(project):
        named = EVENT.findall(query) + [name for part in EVENTS.findall(query) for name in re.findall(r"\w+", part)]
        for name in named:
            if name not in known:
                yield f"{place} reads the event {name}, which nothing writes"
        for name in FIELD.findall(query):
            if name not in fields:
                yield f"{place} reads the field {name}, which no event has"


def _queries(project: Project) -> Iterator[tuple[str, str]]:
    for path in sorted((project.infra / "modules" / "alerts").glob("*.kql")):
        yield path.name, path.read_text("utf-8")
    for item in project.json("infra/modules/workbook.json")["items"]:
        if item["type"] == 3:
            yield f"workbook {item['name']}", item["content"]["query"]


def pages(project: Project) -> Iterator[str]:
    text = project.text("infra/README.md")
    template = project.module("alerts")
    for variable in ("logAlerts", "availabilityAlerts"):
        for rule in objects_in(template.variables[variable].default):
            if f"| `{rule.get('name')}` |" not in text:
                yield f"infra/README.md does not say what to do about {rule.get('name')}"


RULES = (
    Rule(
        "alerts",
        "Every alert of the issue is there, with its query, a window that the service takes, and a severity.",
        alerts_there,
    ),
    Rule("alerts-told", "Alerts go to an action group.", somebody_is_told),
    Rule("alerts-events", "Alerts and workbook read events and fields that the code writes.", events_exist),
    Rule("alerts-pages", "The README says what to do about each alert.", pages),
)
