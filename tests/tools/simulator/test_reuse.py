"""What becomes of a used refresh token, in each of the four behaviours."""

import pytest

from tests.tools.simulator.driver import Driver

MODES = ["nonrotating", "grace30", "prev-until-used", "strict"]


def started(sim: Driver, mode: str) -> tuple[str, dict[str, str]]:
    """A refresh token that was used once, and what it bought."""
    sim.settings(reuse=mode)
    old = sim.sign_in()["refresh_token"]
    return old, sim.refresh(old).json


@pytest.mark.parametrize("mode", MODES)
def test_every_refresh_buys_new_tokens_that_work(sim: Driver, mode: str) -> None:
    old, new = started(sim, mode)
    assert new["refresh_token"] != old
    assert sim.works(new["access_token"])
    assert sim.refresh(new["refresh_token"]).status == 200
    assert sim.tokens()["refreshes"] == 2


def test_nonrotating_an_old_token_stays_valid(sim: Driver) -> None:
    old, new = started(sim, "nonrotating")
    assert sim.refresh(new["refresh_token"]).status == 200
    sim.now += 86_400
    assert sim.refresh(old).status == 200
    assert sim.tokens()["reuses"] == 1


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (29.5, 200), (30, 400)])
def test_grace30_an_old_token_is_valid_for_30_seconds(sim: Driver, seconds: float, status: int) -> None:
    old, _ = started(sim, "grace30")
    sim.now += seconds
    assert sim.refresh(old).status == status


def test_grace30_reuse_does_not_prolong_the_grace(sim: Driver) -> None:
    old, _ = started(sim, "grace30")
    sim.now += 20
    assert sim.refresh(old).status == 200
    sim.now += 20
    assert sim.refresh(old).status == 400
    assert sim.tokens()["replays"] == 1


def test_prev_until_used_an_old_token_is_valid_while_nothing_it_bought_is_used(sim: Driver) -> None:
    old, _ = started(sim, "prev-until-used")
    sim.now += 86_400
    assert sim.refresh(old).status == 200


@pytest.mark.parametrize("use", ["access_token", "refresh_token"])
def test_prev_until_used_the_first_use_of_either_new_token_spends_the_old(sim: Driver, use: str) -> None:
    old, new = started(sim, "prev-until-used")
    used = sim.works(new[use]) if use == "access_token" else sim.refresh(new[use]).status == 200
    assert used
    assert sim.refresh(old).json["ErrorDescription"] == "The access token is not valid"


def test_prev_until_used_a_replay_leaves_the_new_tokens_alone(sim: Driver) -> None:
    old, new = started(sim, "prev-until-used")
    sim.works(new["access_token"])
    sim.refresh(old)
    assert sim.refresh(new["refresh_token"]).status == 200


def test_strict_an_old_token_is_refused_and_takes_its_family_with_it(sim: Driver) -> None:
    other = sim.sign_in()
    old, new = started(sim, "strict")
    replay = sim.refresh(old)
    assert (replay.status, replay.json["Error"]) == (400, "invalid_request")
    assert not sim.works(new["access_token"])
    assert sim.refresh(new["refresh_token"]).status == 400
    assert sim.works(other["access_token"])
    families = sim.tokens()["families"]
    assert [family["revoked"] for family in families] == [False, True]


def test_tokens_are_shown_by_digest_and_state_never_whole(sim: Driver) -> None:
    old, new = started(sim, "strict")
    shown = sim.control("GET", "tokens").text
    assert old not in shown
    assert new["access_token"] not in shown
    assert [token["state"] for token in sim.tokens()["families"][0]["refresh_tokens"]] == ["spent", "active"]
    assert (sim.tokens()["active_access_tokens"], sim.tokens()["active_refresh_tokens"]) == (2, 1)
