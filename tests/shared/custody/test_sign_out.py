"""Sign-out: the local end first and at once; then one short attempt upstream, and the timer does the rest."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from shared.custody import rules
from shared.custody.sign_out import Receipt, disconnect, sign_out, sign_out_another
from shared.errors import Fenced, NotSignedIn, SessionUnknown, StoreError
from shared.oauth.provider import Revoked
from tests.fakes import World

END = "connections.end_connection"


def out(world: World, key) -> Receipt:
    return sign_out(world.custody, key.user_id, key.hash)


def test_while_others_remain_it_costs_two_and_ends_this_session_alone(world):
    keys = [world.sign_in("ada") for _ in range(3)]
    start = len(world.journal.calls)
    assert out(world, keys[1]) == Receipt(
        user_id=keys[1].user_id, at=world.clock.now(), sessions=1, provider="azure-devops"
    )
    assert world.journal.calls[start:] == ["connections.load", "connections.end_sessions"]
    record = world.record(keys[0].user_id)
    assert {session.hash for session in record.sessions} == {keys[0].hash, keys[2].hash}
    assert record.connection is not None


def test_others_that_end_sooner_than_we_would_look_get_a_hint_first(world):
    """The one that leaves is the newest, and the token is due only after the older one's end."""
    world.provider.offers_revocation = False
    world.sign_in("ada")
    world.advance(hours=7, minutes=50)
    newest = world.sign_in("ada")
    start = len(world.journal.calls)
    out(world, newest)
    assert world.journal.calls[start:] == ["connections.load", "due.put", "connections.end_sessions"]
    assert world.clock.now() + timedelta(minutes=10) in world.due.of(newest.user_id)


def test_the_last_one_costs_three_and_ends_the_connection_before_it_revokes(world):
    key = world.sign_in("ada")
    start = len(world.journal.calls)
    receipt = out(world, key)
    assert world.journal.calls[start:] == [
        "connections.load",
        "due.put",
        END,
        "provider.revoke",
        "provider.revoke",
        "connections.update_revocation",
    ]
    assert (receipt.connection_ended, receipt.upstream) == (True, Revoked.DONE)


def test_both_tokens_are_revoked_and_the_row_keeps_the_outcome_alone(world):
    key = world.sign_in("ada")
    out(world, key)
    assert world.provider.revoked == ["refresh-1", "access-1"]
    (kept,) = world.record(key.user_id).revocations
    assert (kept.outcome, kept.access_token, kept.refresh_token) == ("revoked", "", "")
    assert kept.retry_at == world.clock.now() + timedelta(hours=24)


def test_the_hint_is_thirty_seconds_away(world):
    key = world.sign_in("ada")
    out(world, key)
    assert world.clock.now() + timedelta(seconds=30) in world.due.of(key.user_id)


def test_the_attempt_has_700_ms_for_both_tokens_together(world):
    key = world.sign_in("ada")
    world.journal.after("provider.revoke", lambda: world.clock.advance(timedelta(milliseconds=500)))
    out(world, key)
    assert world.provider.patience == [timedelta(milliseconds=700), timedelta(milliseconds=200)]


@pytest.mark.parametrize(
    "answers", [[Revoked.LATER], [Revoked.DONE, Revoked.LATER], [Revoked.LATER, Revoked.NOT_OFFERED]], ids=repr
)
def test_what_was_not_settled_for_both_waits_sealed_for_the_timer(world, answers):
    key = world.sign_in("ada")
    world.provider.revocation_answers.extend(answers)
    assert out(world, key).upstream is Revoked.LATER
    (kept,) = world.record(key.user_id).revocations
    assert (kept.outcome, kept.access_token, kept.refresh_token) == ("", "access-1", "refresh-1")
    assert kept.give_up_at == world.clock.now() + timedelta(days=90)


@pytest.mark.parametrize(("asked", "waited"), [(None, 30), (10, 30), (120, 120)])
def test_the_timer_is_told_when_the_service_asks_to_wait_longer_than_thirty_seconds(world, asked, waited):
    """Then alone it costs another operation; its trouble changes nothing."""
    key = world.sign_in("ada")
    world.provider.revocation_answers.append(Revoked.LATER)
    world.provider.revocation_pause = asked
    start = len(world.journal.calls)
    out(world, key)
    (kept,) = world.record(key.user_id).revocations
    assert kept.retry_at == world.clock.now() + timedelta(seconds=waited)
    assert world.journal.since(start).count("connections.update_revocation") == (waited > 30)


def test_a_pause_that_cannot_be_written_is_the_usual_one(world):
    key = world.sign_in("ada")
    world.provider.revocation_answers.append(Revoked.LATER)
    world.provider.revocation_pause = 120
    world.journal.before("connections.update_revocation", StoreError("down"))
    assert out(world, key).upstream is Revoked.LATER
    (kept,) = world.record(key.user_id).revocations
    assert kept.retry_at == world.clock.now() + rules.SOONEST_LOOK


def test_a_provider_that_turns_out_to_have_no_endpoint_is_told_so(world):
    key = world.sign_in("ada")
    world.provider.revocation_answers.append(Revoked.NOT_OFFERED)
    receipt = out(world, key)
    assert (receipt.upstream, receipt.provider) == (Revoked.NOT_OFFERED, world.provider.name)
    assert world.record(key.user_id).revocations[0].outcome == "not_offered"
    assert len(world.told("revocation_not_offered")) == 1


def test_a_provider_without_revocation_gets_no_row_and_no_call(world):
    world.provider.offers_revocation = False
    key = world.sign_in("ada")
    start = len(world.journal.calls)
    assert out(world, key).upstream is Revoked.NOT_OFFERED
    assert world.journal.calls[start:] == ["connections.load", "due.put", END]
    assert world.record(key.user_id).revocations == ()


def test_a_session_that_is_gone_is_as_good_as_ended(world):
    key = world.sign_in("ada")
    out(world, key)
    start = len(world.journal.calls)
    assert out(world, key) == Receipt(user_id=key.user_id, at=world.clock.now(), sessions=0)
    assert world.journal.calls[start:] == ["connections.load"]


def test_a_hash_that_is_not_the_users_ends_nothing(world):
    ada, bob = world.sign_in("ada"), world.sign_in("bob")
    sign_out(world.custody, ada.user_id, bob.hash)
    assert len(world.record(ada.user_id).sessions) == len(world.record(bob.user_id).sessions) == 1


def test_sessions_that_are_over_do_not_keep_the_connection(world):
    world.sign_in("ada")
    world.advance(hours=7)
    key = world.sign_in("ada")
    world.advance(hours=2)
    assert out(world, key).connection_ended
    assert world.record(key.user_id).sessions == ()


def test_everywhere_ends_all_sessions_and_the_connection_for_the_price_of_one(world):
    keys = [world.sign_in("ada") for _ in range(4)]
    world.events.clear()
    start = len(world.journal.calls)
    receipt = disconnect(world.custody, keys[0].user_id, keys[0].hash)
    assert world.journal.since(start, "connections") == ["connections.load", END, "connections.update_revocation"]
    assert (receipt.sessions, receipt.connection_ended, receipt.upstream) == (4, True, Revoked.DONE)
    record = world.record(keys[0].user_id)
    assert (record.connection, record.sessions) == (None, ())
    assert {event["session"] for event in world.told("signed_out")} == {key.hash for key in keys}


def test_another_session_of_one_s_own_ends_by_the_first_digits_of_its_hash(world):
    here, there, third = (world.sign_in("ada") for _ in range(3))
    start = len(world.journal.calls)
    receipt = sign_out_another(world.custody, here.user_id, here.hash, there.hash[:12])
    assert world.journal.calls[start:] == ["connections.load", "connections.end_sessions"]
    assert (receipt.sessions, receipt.connection_ended) == (1, False)
    assert {session.hash for session in world.record(here.user_id).sessions} == {here.hash, third.hash}


@pytest.mark.parametrize("digits", ["0" * 12, "f" * 64])
def test_digits_of_no_session_end_nothing_and_are_said_so(world, digits):
    here = world.sign_in("ada")
    world.sign_in("ada")
    with pytest.raises(SessionUnknown):
        sign_out_another(world.custody, here.user_id, here.hash, digits)
    assert len(world.record(here.user_id).sessions) == 2


def test_digits_of_another_persons_session_end_nothing(world):
    ada, bob = world.sign_in("ada"), world.sign_in("bob")
    with pytest.raises(SessionUnknown):
        sign_out_another(world.custody, ada.user_id, ada.hash, bob.hash[:12])
    assert len(world.record(bob.user_id).sessions) == 1


@pytest.mark.parametrize("how", [disconnect, lambda *who: sign_out_another(*who, "0" * 12)], ids=["all", "another"])
def test_a_cookie_that_anybody_can_make_of_a_user_id_ends_no_session(world, how):
    """User ids and the first digits of a hash stand in logs; only the secret of a live session proves anything."""
    ada = world.sign_in("ada")
    with pytest.raises(NotSignedIn):
        how(world.custody, ada.user_id, "0" * 64)
    assert len(world.record(ada.user_id).sessions) == 1
    assert world.connection(ada.user_id)


def test_a_session_that_is_over_ends_no_other(world):
    old = world.sign_in("ada")
    world.advance(hours=7)
    new = world.sign_in("ada")
    world.advance(hours=2)
    for end in (disconnect, lambda *who: sign_out_another(*who, new.hash[:12])):
        with pytest.raises(NotSignedIn):
            end(world.custody, old.user_id, old.hash)
    assert new.hash in {session.hash for session in world.record(new.user_id).sessions}


def test_the_receipt_names_its_own_revocation_first_and_then_those_that_still_wait(world):
    """At most ten, for one query of the store reads them; what is settled is not told again."""
    keys = []
    for _ in range(12):
        keys.append(world.sign_in("ada"))
        world.advance(seconds=1)
    world.provider.revocation_answers.append(Revoked.LATER)
    receipt = disconnect(world.custody, keys[0].user_id, keys[0].hash)
    rows = {row.id: row for row in world.record(keys[0].user_id).revocations}
    assert len(rows) == 12
    assert rows[receipt.revocations[0]].refresh_token == "refresh-12"
    assert len(set(receipt.revocations)) == 10
    assert set(receipt.revocations) <= rows.keys()


def test_of_two_last_sessions_that_end_at_once_one_ends_the_connection(world):
    one, other = world.sign_in("ada"), world.sign_in("ada")
    receipts = []
    world.journal.before("connections.end_sessions", lambda: receipts.append(out(world, other)))
    receipts.append(out(world, one))
    assert [receipt.connection_ended for receipt in receipts] == [False, True]
    assert world.record(one.user_id).connection is None


def test_a_sign_in_meanwhile_keeps_its_session(world):
    key = world.sign_in("ada")
    new = []
    world.journal.before(END, lambda: new.append(world.sign_in("ada")))
    assert not out(world, key).connection_ended
    record = world.record(key.user_id)
    assert [session.hash for session in record.sessions] == [new[0].hash]
    assert world.provider.use(record.connection.access_token)


def test_a_refresh_meanwhile_is_ended_with_its_new_tokens(world):
    key = world.sign_in("ada")

    def refresh() -> None:
        current = world.connection(key.user_id)
        newer = dataclasses.replace(current, access_token="newer")
        world.connections.save_tokens(newer, world.keyring)

    world.journal.before(END, refresh)
    out(world, key)
    assert world.provider.revoked == ["refresh-1", "newer"]


def test_a_store_that_does_not_answer_revokes_nothing(world):
    """Local end first: else a session would live on with dead tokens."""
    key = world.sign_in("ada")
    world.journal.before(END, StoreError("down"))
    with pytest.raises(StoreError):
        out(world, key)
    assert world.provider.revoked == []
    assert world.connection(key.user_id)


def test_five_lost_races_are_a_store_error(world):
    key = world.sign_in("ada")
    world.journal.before(END, *[Fenced()] * 5)
    with pytest.raises(StoreError):
        out(world, key)


def test_an_outcome_that_cannot_be_written_is_left_to_the_timer(world):
    key = world.sign_in("ada")
    world.journal.before("connections.update_revocation", StoreError("down"))
    assert out(world, key).upstream is Revoked.DONE
    (kept,) = world.record(key.user_id).revocations
    assert (kept.outcome, kept.retry_at) == ("", world.clock.now() + rules.SOONEST_LOOK)


def test_it_is_told_in_order(world):
    key = world.sign_in("ada")
    world.events.clear()
    out(world, key)
    assert [name for name, _ in world.events] == ["connection_ended", "revoked", "signed_out"]
    assert world.told("connection_ended")[0]["reason"] == "signed_out"


def test_a_connection_that_does_not_open_ends_all_the_same(world):
    key = world.sign_in("ada")
    world.connections.damaged.add(key.user_id)
    assert out(world, key).connection_ended
    assert world.record(key.user_id).connection_etag is None
