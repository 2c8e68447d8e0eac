"""A fault of ours, told from faults of people's grants."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.custody.faults import FaultWatch

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def watch() -> FaultWatch:
    return FaultWatch()


@pytest.mark.parametrize(
    ("moments", "faults"),
    [
        ([0], [False]),
        ([0, 1, 2], [False, False, True]),
        ([0, 1, 299], [False, False, True]),
        ([0, 1, 300], [False, False, False]),
        ([0, 200, 301, 302], [False, False, False, True]),
    ],
)
def test_three_suspects_within_five_minutes_are_our_fault(watch, moments, faults):
    suspected = [watch.suspected("legacy", f"user {moment}", at(moment)) for moment in moments]
    assert suspected == faults


def test_the_retries_of_one_person_are_no_fault_of_ours(watch):
    """On a quiet site a dead grant is refused at 0, 30 and 90 s: the person has to sign in again, the site is well."""
    assert [watch.suspected("legacy", "ada", at(moment)) for moment in (0, 30, 90)] == [False] * 3
    assert [watch.suspected("legacy", name, at(100)) for name in ("bob", "cleo")] == [False, True]


def test_a_success_between_them_clears_the_count(watch):
    for moment in range(2):
        watch.suspected("legacy", f"user {moment}", at(moment))
    watch.succeeded("legacy")
    assert not watch.suspected("legacy", "ada", at(3))


def test_providers_are_watched_apart(watch):
    for moment in range(2):
        watch.suspected("legacy", f"user {moment}", at(moment))
    watch.fault("legacy", NOON)
    assert not watch.suspected("entra", "ada", at(3))
    assert watch.open_for("entra", NOON) == 0
    assert watch.succeeded("entra") is False


@pytest.mark.parametrize(("after", "left"), [(0, 30), (10.5, 19.5), (30, 0), (31, 0)])
def test_a_fault_stops_calls_for_thirty_seconds(watch, after, left):
    watch.fault("legacy", NOON)
    assert watch.open_for("legacy", at(after)) == left


def test_a_fault_is_news_once_until_a_success_ends_it(watch):
    assert [watch.fault("legacy", at(moment)) for moment in (0, 40)] == [True, False]
    assert [watch.succeeded("legacy") for _ in range(2)] == [True, False]
    assert watch.open_for("legacy", at(41)) == 0
    assert watch.fault("legacy", at(50))


def test_a_sign_in_that_works_ends_a_fault_of_the_client_but_leaves_suspects(watch):
    assert watch.accepted("legacy") is False
    watch.suspected("legacy", "ada", at(0))
    watch.fault("legacy", at(0))
    assert [watch.accepted("legacy") for _ in range(2)] == [True, False]
    assert watch.open_for("legacy", at(1)) == 0
    assert [watch.suspected("legacy", f"user {moment}", at(moment)) for moment in (1, 2)] == [False, True]


def test_a_fault_that_is_made_of_suspects_is_not_ended_by_a_sign_in(watch):
    for moment in range(3):
        watch.suspected("legacy", f"user {moment}", at(moment))
    watch.fault("legacy", at(2))
    assert watch.accepted("legacy") is False
    assert watch.open_for("legacy", at(2)) == 30
    assert watch.succeeded("legacy") is True
