"""WIQL: what is understood, what is refused, and what queries find."""

from datetime import UTC, datetime

import pytest

from tools.simulator.sample.people import ADA
from tools.simulator.sample.projects import make_projects
from tools.simulator.sample.work_items import WorkItem, make_work_items
from tools.simulator.wiql.evaluation import Asker, run
from tools.simulator.wiql.syntax import Comparison, Every, Macro, Not, Some, WiqlError, parse

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
PROJECT = make_projects(NOW)[0]
ITEMS = make_work_items(PROJECT, 200, 1001, NOW)
START = "SELECT [System.Id] FROM WorkItems"


def find(where: str, *, precise: bool = False) -> list[WorkItem]:
    query = parse(f"{START} WHERE {where}")
    return run(query, ITEMS, Asker(ADA, PROJECT.name, NOW, precise))


def field(item: WorkItem, name: str) -> object:
    return item.fields.get(f"System.{name}")


def assignee(item: WorkItem) -> str | None:
    person = item.fields.get("System.AssignedTo")
    return person and person["displayName"]


def test_and_binds_tighter_than_or_and_parentheses_bind_tightest() -> None:
    one, two, three = "[System.Id] = 1", "[System.Id] = 2", "[System.Id] = 3"
    flat = parse(f"{START} WHERE {one} OR {two} AND {three}").where
    grouped = parse(f"{START} WHERE ({one} OR {two}) AND {three}").where
    assert isinstance(flat, Some)
    assert isinstance(flat.operands[1], Every)
    assert isinstance(grouped, Every)
    assert isinstance(grouped.operands[0], Some)


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("'O''Brien'", "O'Brien"),
        ('"O\'Brien"', "O'Brien"),
        ('"say ""so"""', 'say "so"'),
        ("''", ""),
        ("' OR 1=1 --'", " OR 1=1 --"),
        ("'プロジェクト'", "プロジェクト"),
        ("@Me", Macro("me")),
        ("@today - 7", Macro("today", -7)),
    ],
)
def test_literals(literal: str, value: object) -> None:
    where = parse(f"{START} WHERE [System.Title] = {literal}").where
    assert isinstance(where, Comparison)
    assert where.values == (value,)


def test_key_words_and_fields_are_case_insensitive_and_spacing_is_free() -> None:
    query = parse("select [system.id],[Title] from workitems where [system.state]<>'New'order by [system.id]desc")
    assert [column.reference_name for column in query.columns] == ["System.Id", "System.Title"]
    assert query.order[0].descending


@pytest.mark.parametrize("negation", ["NOT [System.State] IN ('New')", "[System.State] NOT IN ('New')"])
def test_not_goes_before_the_term_or_the_operator(negation: str) -> None:
    assert isinstance(parse(f"{START} WHERE {negation}").where, Not)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT FROM WorkItems",
        "SELECT [System.Id]",
        "SELECT * FROM WorkItems",
        "SELECT [System.Id] FROM WorkItemLinks",
        f"{START} WHERE",
        f"{START} WHERE [System.Id]",
        f"{START} WHERE [System.Id] =",
        f"{START} WHERE [System.Id] == 1",
        f"{START} WHERE [System.Id] = 1 AND",
        f"{START} WHERE ([System.Id] = 1",
        f"{START} WHERE [System.Id] = 1)",
        f"{START} WHERE [System.Id] IN 1",
        f"{START} WHERE [System.Id] IN ()",
        f"{START} WHERE [System.Title] NOT = 'a'",
        f"{START} WHERE [System.Title] = 'O'Brien'",
        f"{START} WHERE [System.Title] = 'open",
        f"{START} WHERE [System.Title] = @custom",
        f"{START} WHERE [System.Id] = 1; DROP",
        f"{START} ORDER [System.Id]",
        f"{START} ORDER BY",
        f"{START} ORDER BY [System.Id] UP",
    ],
)
def test_what_is_not_wiql_is_refused_with_a_code(text: str) -> None:
    with pytest.raises(WiqlError, match=r"^TF51006: .*«.*»"):
        parse(text)


def test_an_unknown_field_is_named_by_tf51005() -> None:
    with pytest.raises(WiqlError, match=r"TF51005: .*«\[No.Such\]»"):
        parse("SELECT [No.Such] FROM WorkItems")


def test_a_query_of_more_than_32000_characters_is_refused() -> None:
    with pytest.raises(WiqlError):
        parse(f"{START} WHERE [System.Title] = '{'x' * 32_000}'")


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ("[System.State] = 'new'", lambda item: field(item, "State") == "New"),
        ("[System.State] <> 'New'", lambda item: field(item, "State") != "New"),
        ("[System.State] IN ('New', 'Active')", lambda item: field(item, "State") in ("New", "Active")),
        ("[System.State] NOT IN ('New')", lambda item: field(item, "State") != "New"),
        ("[System.Id] < 1010", lambda item: item.id < 1010),
        ("[System.Id] <= 1010", lambda item: item.id <= 1010),
        ("[System.Id] > 1190", lambda item: item.id > 1190),
        ("[System.Id] >= 1190", lambda item: item.id >= 1190),
        ("[System.Id] IN (1003, 1005, 9)", lambda item: item.id in (1003, 1005)),
        ("[System.Title] CONTAINS 'REFUND'", lambda item: "refund" in str(field(item, "Title")).lower()),
        ("[System.Title] NOT CONTAINS 'e'", lambda item: "e" not in str(field(item, "Title")).lower()),
        ("[System.AssignedTo] = @me", lambda item: assignee(item) == "Ada Lovelace"),
        ("[System.AssignedTo] = 'sinead@fabrikam.example'", lambda item: assignee(item) == "Sinéad O'Brien"),
        ("[System.AssignedTo] = 'Sinéad O''Brien'", lambda item: assignee(item) == "Sinéad O'Brien"),
        ("[System.AssignedTo] = ''", lambda item: assignee(item) is None),
        ("[System.AssignedTo] <> ''", lambda item: assignee(item) is not None),
        ('[System.Tags] CONTAINS "O\'Reilly"', lambda item: "O'Reilly" in str(field(item, "Tags"))),
        (
            "[System.AreaPath] UNDER 'Payments Platform\\Backend'",
            lambda item: "Backend" in str(field(item, "AreaPath")),
        ),
        (
            "[System.ChangedDate] >= @today - 7",
            lambda item: item.changed_at >= datetime(2026, 11, 17, tzinfo=UTC),
        ),
        (
            "[System.WorkItemType] = 'Bug' AND ([System.State] = 'New' OR [System.State] = 'Active')",
            lambda item: field(item, "WorkItemType") == "Bug" and field(item, "State") in ("New", "Active"),
        ),
        ("NOT ([System.State] = 'New')", lambda item: field(item, "State") != "New"),
    ],
)
def test_queries_find_exactly_what_they_ask_for(where: str, holds) -> None:
    expected = [item.id for item in ITEMS if holds(item)]
    assert 0 < len(expected) < len(ITEMS)
    assert [item.id for item in find(where)] == expected


def test_order_by_goes_through_its_keys_and_puts_missing_values_first() -> None:
    query = parse(f"{START} ORDER BY [System.AssignedTo], [System.Id] DESC")
    found = run(query, ITEMS, Asker(ADA, None, NOW, time_precision=False))
    keys = [((assignee(item) or "").casefold(), -item.id) for item in found]
    assert keys == sorted(keys)


def test_a_time_needs_time_precision() -> None:
    where = "[System.ChangedDate] > '2026-11-20T10:00:00Z'"
    with pytest.raises(WiqlError, match="date precision"):
        find(where)
    expected = [item.id for item in ITEMS if item.changed_at > datetime(2026, 11, 20, 10, tzinfo=UTC)]
    assert [item.id for item in find(where, precise=True)] == expected


@pytest.mark.parametrize("where", ["[System.Id] = 'x'", "[System.ChangedDate] = 'soon'"])
def test_a_literal_of_the_wrong_kind_is_refused(where: str) -> None:
    with pytest.raises(WiqlError):
        find(where)
