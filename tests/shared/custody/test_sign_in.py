"""Sign-in: nothing is stored by its start, a state works once, and a new session ends what it replaces."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.custody.rules import Limits
from shared.custody.sign_in import begin, finish
from shared.custody.sign_out import sign_out
from shared.errors import (
    AnswerTooLarge,
    AppFault,
    CodeRefused,
    Fenced,
    GrantEnded,
    Policy,
    RequestRefused,
    SignInOff,
    SignInRefused,
    SignInUnavailable,
    SignInUsed,
    StoreError,
    Suspect,
    Throttled,
    Unavailable,
    UnknownKey,
    UnknownProvider,
    Unreadable,
)
from shared.models.custody import sha256_hex
from tests.fakes import World

OPEN = "connections.open_session"


def finish_with(world: World, code: str | None = None, previous=None, login=None):
    login = login or begin(world.custody, "azure-devops", "/dashboard")[1]
    return finish(world.custody, login, code or world.code(), browser="Firefox", previous=previous).key


class TestBegin:
    def test_it_writes_nothing(self, world):
        begin(world.custody, "azure-devops", "/dashboard")
        assert world.journal.calls == []

    def test_every_secret_of_it_is_new(self, world):
        logins = [begin(world.custody, "azure-devops", "/")[1] for _ in range(100)]
        secrets = {value for login in logins for value in (login.state, login.verifier, login.nonce)}
        assert len(secrets) == 300
        assert {len(secret) for secret in secrets} == {43}

    def test_it_remembers_where_to_go_and_when_it_began(self, world):
        address, login = begin(world.custody, "azure-devops", "/org/contoso/projects")
        assert (login.return_to, login.started_at) == ("/org/contoso/projects", world.clock.now())
        assert login.state in address

    def test_an_unknown_provider_is_not_found(self, world):
        with pytest.raises(UnknownProvider):
            begin(world.custody, "github", "/")

    @pytest.mark.parametrize("name", ["azure-devops", None])
    def test_a_provider_that_takes_no_new_sign_ins_says_so(self, world, name):
        world.provider.offers_sign_in = False
        with pytest.raises(SignInOff):
            begin(world.custody, name, "/")


class TestOperations:
    def test_a_new_user_costs_four(self, world):
        world.sign_in()
        assert world.journal.calls == ["logins.burn", "provider.redeem", "connections.load", "due.put", OPEN]

    def test_a_known_user_costs_four(self, world):
        key = world.sign_in()
        start = len(world.journal.calls)
        world.sign_in(previous=key)
        assert world.journal.calls[start:] == ["logins.burn", "provider.redeem", "connections.load", "due.put", OPEN]

    @pytest.mark.parametrize("sessions", [1, 2])
    def test_another_users_session_in_this_browser_costs_two_or_three_more(self, world, sessions):
        world.provider.offers_revocation = False
        keys = [world.sign_in("ada") for _ in range(sessions)]
        start = len(world.journal.calls)
        world.sign_in("bob", previous=keys[0])
        more = {
            1: ["connections.load", "due.put", "connections.end_connection"],
            2: ["connections.load", "connections.end_sessions"],
        }
        assert world.journal.calls[start + 5 :] == more[sessions]

    def test_a_race_is_gone_on_with_from_what_is_there_now(self, world):
        world.journal.before(OPEN, lambda: world.sign_in("ada"))
        record = world.record(world.sign_in("ada").user_id)
        assert len(record.sessions) == 2
        assert record.connection.generation == 2
        assert world.journal.count("provider.redeem") == 2

    def test_five_lost_races_are_a_store_error_and_the_tokens_are_withdrawn(self, world):
        world.journal.before(OPEN, *[Fenced()] * 5)
        with pytest.raises(StoreError):
            world.sign_in()
        assert world.provider.revoked == ["refresh-1", "access-1"]


class TestState:
    def test_a_replay_makes_no_token_call(self, world):
        _, login = begin(world.custody, "azure-devops", "/")
        finish_with(world, login=login)
        start = len(world.journal.calls)
        with pytest.raises(SignInUsed):
            finish_with(world, login=login)
        assert world.journal.calls[start:] == ["logins.burn"]

    def test_it_is_burnt_before_the_code_is_redeemed_even_if_that_fails(self, world):
        _, login = begin(world.custody, "azure-devops", "/")
        world.journal.before("provider.redeem", Unavailable())
        with pytest.raises(SignInUnavailable):
            finish_with(world, login=login)
        with pytest.raises(SignInUsed):
            finish_with(world, login=login)

    def test_a_store_that_cannot_burn_it_stops_the_sign_in(self, world):
        world.journal.before("logins.burn", StoreError())
        with pytest.raises(StoreError):
            finish_with(world)
        assert world.journal.calls == ["logins.burn"]

    def test_a_provider_that_was_switched_off_meanwhile_burns_nothing(self, world):
        _, login = begin(world.custody, "azure-devops", "/")
        with pytest.raises(UnknownProvider):
            finish(world.process(providers={}), login, "ada#1", browser="", previous=None)
        assert world.journal.calls == []


class TestRefusals:
    @pytest.mark.parametrize("refusal", [GrantEnded("used"), Suspect("invalid_request")])
    def test_a_code_that_is_not_taken_means_begin_again(self, world, refusal):
        world.journal.before("provider.redeem", refusal)
        with pytest.raises(CodeRefused):
            finish_with(world)

    @pytest.mark.parametrize("error", [AppFault(), Policy()])
    def test_what_is_not_the_codes_fault_is_told_as_it_is(self, world, error):
        world.journal.before("provider.redeem", error)
        with pytest.raises(type(error)):
            finish_with(world)
        assert world.due.all() == []

    @pytest.mark.parametrize("error", [Unavailable(), Throttled(retry_after=7)])
    def test_a_service_that_does_not_answer_is_told_as_a_sign_in_to_begin_again(self, world, error):
        world.journal.before("provider.redeem", error)
        with pytest.raises(SignInUnavailable) as caught:
            finish_with(world)
        assert caught.value.retry_after == error.retry_after
        assert world.due.all() == []

    def test_without_a_refresh_token_nothing_is_stored_and_the_rest_is_withdrawn(self, world):
        world.provider.omits_refresh_token = True
        with pytest.raises(SignInRefused):
            finish_with(world)
        assert world.journal.since(0, "connections") == []
        assert world.provider.revoked == ["access-1"]

    def test_tokens_too_large_to_store_are_refused_with_a_reason_and_withdrawn(self, world):
        world.provider.token_size = 61 * 1024
        with pytest.raises(SignInRefused, match="too large") as caught:
            finish_with(world)
        assert "larger than this site can store" in caught.value.advice
        assert world.provider.revoked[0] == "refresh-1"

    def test_tokens_too_large_to_be_read_are_refused_likewise(self, world):
        world.journal.before("provider.redeem", AnswerTooLarge())
        with pytest.raises(SignInRefused) as caught:
            finish_with(world)
        assert "larger than this site can store" in caught.value.advice

    @pytest.mark.parametrize("call", ["connections.load", "due.put"])
    @pytest.mark.parametrize("error", [StoreError(), UnknownKey()], ids=repr)
    def test_tokens_that_certainly_were_not_stored_are_withdrawn(self, world, call, error):
        world.journal.before(call, error)
        with pytest.raises(type(error)):
            finish_with(world)
        assert world.provider.revoked == ["refresh-1", "access-1"]

    def test_a_transaction_that_came_through_without_a_reply_is_found_and_the_sign_in_goes_on(self, world):
        world.journal.after(OPEN, StoreError("reply lost"))
        key = finish_with(world, "ada#new")
        assert world.journal.since(0, "connections") == ["connections.load", OPEN, "connections.load"]
        assert [session.hash for session in world.record(key.user_id).sessions] == [key.hash]
        assert world.provider.revoked == []

    def test_a_transaction_that_never_arrived_is_sent_again(self, world):
        world.journal.before(OPEN, StoreError("cut"), StoreError("cut"))
        key = finish_with(world, "ada#new")
        assert [session.hash for session in world.record(key.user_id).sessions] == [key.hash]
        assert world.provider.revoked == []

    @pytest.mark.parametrize("landed", [True, False])
    def test_without_a_reply_to_the_end_tokens_that_nobody_else_can_live_on_are_withdrawn(self, world, landed):
        """There was no connection, so that the one that may be stored has a session without a browser."""
        (world.journal.after if landed else world.journal.before)(OPEN, StoreError("no reply"))
        world.journal.before("connections.load", None, *[StoreError("gone")] * 9)
        with pytest.raises(StoreError):
            finish_with(world, "ada#new")
        assert world.provider.revoked == ["refresh-1", "access-1"]

    @pytest.mark.parametrize("landed", [True, False])
    def test_without_a_reply_to_the_end_tokens_of_a_person_with_other_browsers_are_left_alone(self, world, landed):
        """Those live on them by now, perhaps: our own faults sign nobody out."""
        other = world.sign_in("ada")
        (world.journal.after if landed else world.journal.before)(OPEN, StoreError("no reply"))
        world.journal.before("connections.load", None, *[StoreError("gone")] * 9)
        with pytest.raises(StoreError):
            finish_with(world, "ada#new")
        assert world.provider.revoked == []
        assert world.provider.use(world.connection(other.user_id).access_token)

    def test_no_round_begins_after_four_seconds(self, world):
        for _ in range(4):
            world.journal.before(OPEN, StoreError("slow"))
        world.journal.after("due.put", *[lambda: world.clock.advance(timedelta(seconds=3))] * 4)
        with pytest.raises(StoreError):
            finish_with(world, "ada#new")
        assert world.journal.count(OPEN) == 2


class TestStored:
    def test_connection_and_session_are_as_the_tokens_say(self, world):
        key = world.sign_in("ada")
        record = world.record(key.user_id)
        stored = record.connection
        assert (stored.access_token, stored.refresh_token, stored.generation) == ("access-1", "refresh-1", 1)
        assert (stored.subject, stored.issuer, stored.scopes) == ("ada", world.provider.issuer, "vso.work")
        assert stored.expires_at == world.clock.now() + timedelta(hours=1)
        (session,) = record.sessions
        assert (session.hash, session.browser) == (sha256_hex(key.secret), "Firefox on Linux")
        assert session.ends_at == world.clock.now() + timedelta(hours=24)

    def test_the_secret_of_the_session_is_stored_nowhere(self, world):
        key = world.sign_in("ada")
        assert key.secret not in repr(world.record(key.user_id))
        assert key.secret not in repr(key)
        assert key.secret not in repr(world.events)

    def test_the_hint_is_at_or_before_the_next_look(self, world):
        key = world.sign_in("ada")
        assert world.due.of(key.user_id) == [world.clock.now() + timedelta(minutes=45)]

    def test_a_short_session_is_looked_at_when_it_ends(self, world):
        world.custody = world.process(limits=Limits(timedelta(minutes=10), timedelta(minutes=10)))
        key = world.sign_in("ada")
        assert world.due.of(key.user_id) == [world.clock.now() + timedelta(minutes=10)]

    def test_it_is_told_with_user_and_session(self, world):
        key = world.sign_in("ada")
        assert world.told("sign_in_completed") == [
            {"provider": "azure-devops", "user": key.user_id, "session": key.hash}
        ]


class TestSessions:
    def test_this_browsers_old_session_ends(self, world):
        old = world.sign_in("ada")
        new = world.sign_in("ada", previous=old)
        assert [session.hash for session in world.record(new.user_id).sessions] == [new.hash]

    def test_other_browsers_stay_signed_in(self, world):
        keys = [world.sign_in("ada") for _ in range(3)]
        assert {session.hash for session in world.record(keys[0].user_id).sessions} == {key.hash for key in keys}

    def test_the_oldest_over_twenty_ends(self, world):
        keys = []
        for _ in range(22):
            keys.append(world.sign_in("ada"))
            world.advance(seconds=1)
        kept = {session.hash for session in world.record(keys[0].user_id).sessions}
        assert kept == {key.hash for key in keys[2:]}

    def test_a_browser_that_signs_in_again_evicts_nobody_else(self, world):
        keys = [world.sign_in("ada") for _ in range(20)]
        new = world.sign_in("ada", previous=keys[7])
        kept = {session.hash for session in world.record(new.user_id).sessions}
        assert kept == {key.hash for key in (*keys[:7], *keys[8:], new)}

    def test_sessions_that_are_over_go_first(self, world):
        old = [world.sign_in("ada") for _ in range(5)]
        world.advance(hours=9)
        new = world.sign_in("ada")
        assert [session.hash for session in world.record(old[0].user_id).sessions] == [new.hash]

    def test_a_forged_previous_session_ends_nothing(self, world):
        ada = world.sign_in("ada")
        forged = type(ada)(ada.user_id, "forged")
        world.sign_in("bob", previous=forged)
        assert [session.hash for session in world.record(ada.user_id).sessions] == [ada.hash]

    def test_another_users_session_of_this_browser_ends_and_with_the_last_one_its_connection(self, world):
        ada = world.sign_in("ada")
        world.sign_in("bob", previous=ada)
        record = world.record(ada.user_id)
        assert (record.connection, record.sessions) == (None, ())
        assert world.provider.revoked == ["refresh-1", "access-1"]

    @pytest.mark.parametrize("trouble", [StoreError("down"), UnknownKey("k2"), Unreadable("bad"), Fenced("five times")])
    def test_trouble_with_another_users_session_is_not_the_trouble_of_who_signed_in(self, world, trouble):
        """The browser's cookie is replaced either way; what is left of the other session ends by its limits."""
        ada = world.sign_in("ada")
        world.connections.poisoned[ada.user_id] = trouble
        _, login = begin(world.custody, "azure-devops", "/dashboard")
        done = finish(world.custody, login, world.code("bob"), browser="Firefox", previous=ada)
        assert [session.hash for session in world.record(done.key.user_id).sessions] == [done.key.hash]
        assert done.left is None
        told = world.told("sign_in_completed")[-1]
        assert (told["session"], told["reason"]) == (done.key.hash, "previous_session_left")


class TestReplacedTokens:
    def test_they_are_kept_to_be_revoked(self, world):
        world.sign_in("ada")
        key = world.sign_in("ada")
        (kept,) = world.record(key.user_id).revocations
        assert (kept.access_token, kept.refresh_token) == ("access-1", "refresh-1")
        assert kept.retry_at == world.clock.now() + timedelta(seconds=30)
        assert world.clock.now() + timedelta(seconds=30) in world.due.of(key.user_id)

    def test_the_generation_counts_on_and_the_sign_in_is_another(self, world):
        key = world.sign_in("ada")
        first = world.connection(key.user_id)
        world.sign_in("ada")
        second = world.connection(key.user_id)
        assert (first.generation, second.generation) == (1, 2)
        assert first.sign_in_id != second.sign_in_id

    def test_where_nothing_can_be_revoked_they_are_not_kept(self, world):
        world.provider.offers_revocation = False
        world.sign_in("ada")
        assert world.record(world.sign_in("ada").user_id).revocations == ()

    def test_a_connection_that_does_not_open_is_replaced(self, world):
        key = world.sign_in("ada")
        world.connections.damaged.add(key.user_id)
        world.sign_in("ada")
        assert world.connection(key.user_id).access_token == "access-2"

    def test_after_a_sign_out_everything_begins_anew(self, world):
        key = world.sign_in("ada")
        sign_out(world.custody, key.user_id, key.hash)
        world.sign_in("ada")
        assert world.connection(key.user_id).generation == 1


class TestFaultsOfOurs:
    """A sign-in shows a wrong client secret as well as a refresh does."""

    def fail(self, world, error):
        world.journal.before("provider.redeem", error)
        with pytest.raises((AppFault, CodeRefused, Policy, RequestRefused)) as caught:
            finish_with(world)
        return caught.value

    def test_a_refused_client_is_told_once_and_opens_the_breaker(self, world):
        errors = [self.fail(world, AppFault("invalid_client")) for _ in range(2)]
        assert [error.retry_after for error in errors] == [30, 30]
        assert world.told("app_fault") == [{"provider": "azure-devops", "reason": "app_fault"}]
        assert world.custody.faults.open_for("azure-devops", world.clock.now()) == 30

    def test_the_next_sign_in_that_works_ends_it(self, world):
        self.fail(world, AppFault("invalid_client"))
        world.sign_in()
        world.sign_in()
        assert [name for name, _ in world.events if name.startswith("app_fault")] == ["app_fault", "app_fault_over"]
        assert world.custody.faults.open_for("azure-devops", world.clock.now()) == 0

    @pytest.mark.parametrize("error", [RequestRefused, Suspect, GrantEnded, Policy])
    def test_nobody_can_open_the_breaker_by_sending_codes(self, world, error):
        for _ in range(5):
            self.fail(world, error("as told"))
        assert world.told("app_fault") == []
        assert world.custody.faults.open_for("azure-devops", world.clock.now()) == 0
