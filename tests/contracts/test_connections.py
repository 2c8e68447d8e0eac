"""What every implementation of Connections promises: the fake and the one on Azure Tables alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest

from shared.errors import Fenced, UnknownKey, VaultError
from shared.models.custody import Connection, Lease, Profile, Revocation, Session, Status, UserRecord, new_id
from shared.sealing import Keyring, id_of
from shared.storage.answers import OutcomeUnknownError
from shared.storage.rows import TooLargeToStoreError
from tests.contracts.conftest import Stores
from tests.fakes import FIRST_KEY, NOON, SECOND_KEY

pytestmark = pytest.mark.acceptance("S6")

HOUR = timedelta(hours=1)


def a_connection(user_id: str, **changes) -> Connection:
    fresh = Connection(
        user_id=user_id,
        provider="azure-devops",
        issuer="https://issuer.example",
        subject="ada",
        scopes="vso.work",
        access_token="access-1",
        refresh_token="refresh-1",
        profile=Profile("Ada Lovelace", "ada@example.com"),
        expires_at=NOON + HOUR,
        refreshed_at=NOON,
        generation=1,
        secret_id="5ec4e7ed",
        key_id=id_of(FIRST_KEY),
        sign_in_id=new_id(),
    )
    return dataclasses.replace(fresh, **changes)


def a_session(at: datetime = NOON, **changes) -> Session:
    fresh = Session(hash=new_id(256), created_at=at, ends_at=at + 24 * HOUR, seen_at=at, browser="Firefox")
    return dataclasses.replace(fresh, **changes)


def a_revocation(**changes) -> Revocation:
    fresh = Revocation(
        id=new_id(),
        provider="azure-devops",
        access_token="old-access",
        refresh_token="old-refresh",
        created_at=NOON,
        retry_at=NOON + timedelta(seconds=30),
        give_up_at=NOON + timedelta(days=90),
    )
    return dataclasses.replace(fresh, **changes)


def leased(connection: Connection, until: datetime = NOON + timedelta(seconds=15)) -> Connection:
    return dataclasses.replace(connection, lease=Lease(new_id(), until, "attempt 1 2026"))


def renewed(connection: Connection) -> Connection:
    return dataclasses.replace(
        connection,
        access_token="access-2",
        refresh_token="refresh-2",
        generation=connection.generation + 1,
        refreshed_at=NOON + HOUR,
        expires_at=NOON + 2 * HOUR,
        lease=None,
    )


@pytest.fixture
def signed_in(stores: Stores, user_id: str) -> UserRecord:
    return sign_in(stores, user_id)


def sign_in(stores: Stores, user_id: str) -> UserRecord:
    before = stores.connections.load(user_id)
    stores.connections.open_session(before, a_connection(user_id), a_session())
    return stores.connections.load(user_id)


def stored(stores: Stores, user_id: str) -> Connection:
    connection = stores.connections.load(user_id).connection
    assert connection is not None
    return connection


class TestReading:
    def test_a_stranger_has_an_empty_record(self, stores, user_id):
        assert stores.connections.load(user_id) == UserRecord(user_id=user_id)

    def test_what_a_sign_in_stores_is_read_back_whole(self, stores, user_id):
        connection, session = a_connection(user_id), a_session()
        stores.connections.open_session(UserRecord(user_id=user_id), connection, session)
        record = stores.connections.load(user_id)
        assert record.connection is not None
        assert dataclasses.replace(record.connection, change_id="", etag="") == connection
        assert record.sessions == (session,)
        assert record.connection_etag == record.connection.etag
        assert record.sessions_etag

    def test_one_session_is_read_with_the_connection_and_without_the_others(self, stores, signed_in, user_id):
        other = a_session()
        stores.connections.open_session(signed_in, signed_in.connection, other)
        record = stores.connections.load_session(user_id, other.hash)
        assert record.sessions == (other,)
        assert record.connection == stored(stores, user_id)

    def test_an_unknown_session_is_not_there(self, stores, signed_in, user_id):
        assert stores.connections.load_session(user_id, new_id(256)).sessions == ()

    @pytest.mark.parametrize("read", ["load", "load_session"])
    def test_a_connection_that_does_not_open_is_named_and_can_be_replaced(self, stores, signed_in, user_id, read):
        stores.damage_connection(user_id)
        arguments = [signed_in.sessions[0].hash] if read == "load_session" else []
        record = getattr(stores.connections, read)(user_id, *arguments)
        assert (record.connection, record.unreadable) == (None, ("connection",))
        assert record.sessions == signed_in.sessions
        assert record.connection_etag
        stores.connections.open_session(stores.connections.load(user_id), a_connection(user_id), a_session())
        assert stored(stores, user_id).access_token == "access-1"

    def test_a_connection_that_does_not_open_can_be_ended(self, stores, signed_in, user_id):
        stores.damage_connection(user_id)
        stores.connections.end_connection(stores.connections.load(user_id), None)
        assert stores.connections.load(user_id) == UserRecord(user_id=user_id)

    @pytest.mark.parametrize("kind", ["connection", "revocation"])
    def test_a_key_that_is_not_here_yet_is_no_damage(self, stores, user_id, kind):
        stores.rotate(SECOND_KEY)
        if kind == "connection":
            sign_in(stores, user_id)
        else:
            stores.connections.add_revocation(user_id, a_revocation())
        before = stores.connections.load(user_id)
        stores.rotate(FIRST_KEY)
        with pytest.raises(UnknownKey):
            stores.connections.load(user_id)
        stores.rotate(FIRST_KEY, SECOND_KEY)
        assert stores.connections.load(user_id) == before

    @pytest.mark.parametrize("wanted", [0, 1, 10])
    def test_revocations_are_found_by_their_ids_and_nothing_else_is(self, stores, user_id, wanted):
        there = [a_revocation() for _ in range(wanted + 2)]
        for revocation in there:
            stores.connections.add_revocation(user_id, revocation)
        asked = [revocation.id for revocation in there[:wanted]]
        found = stores.connections.load_revocations(user_id, [*asked, "0" * 16] if asked else asked)
        assert {revocation.id for revocation in found} == set(asked)

    def test_every_property_of_a_revocation_is_read_back(self, stores, user_id):
        revocation = a_revocation()
        stores.connections.add_revocation(user_id, revocation)
        (found,) = stores.connections.load(user_id).revocations
        assert dataclasses.replace(found, etag="", key_id="") == revocation
        assert found.key_id == id_of(FIRST_KEY)
        assert found.etag


class TestSignIn:
    def test_a_second_sign_in_replaces_connection_and_keeps_the_old_tokens_to_revoke_them(
        self, stores, signed_in, user_id
    ):
        session, replaced = a_session(), a_revocation()
        again = a_connection(user_id, access_token="access-9", generation=2)
        stores.connections.open_session(signed_in, again, session, evicted=signed_in.sessions, replaced=replaced)
        record = stores.connections.load(user_id)
        assert record.connection is not None
        assert (record.connection.access_token, record.connection.generation) == ("access-9", 2)
        assert record.sessions == (session,)
        assert [kept.id for kept in record.revocations] == [replaced.id]

    def test_of_two_first_sign_ins_one_is_fenced_and_leaves_nothing(self, stores, user_id):
        nobody, first, second = UserRecord(user_id=user_id), a_session(), a_session()
        stores.connections.open_session(nobody, a_connection(user_id), first)
        with pytest.raises(Fenced):
            stores.connections.open_session(nobody, a_connection(user_id), second, replaced=a_revocation())
        record = stores.connections.load(user_id)
        assert record.sessions == (first,)
        assert record.revocations == ()

    def test_a_sign_in_that_read_an_older_connection_is_fenced(self, stores, signed_in, user_id):
        stores.connections.take_lease(leased(signed_in.connection))
        with pytest.raises(Fenced):
            stores.connections.open_session(signed_in, a_connection(user_id), a_session())

    def test_a_sign_in_that_read_fewer_sessions_is_fenced(self, stores, signed_in, user_id):
        other = a_session()
        stores.connections.open_session(signed_in, signed_in.connection, other)
        stores.connections.end_sessions(stores.connections.load(user_id), [other])
        current = stores.connections.load(user_id)
        with pytest.raises(Fenced):
            stores.connections.open_session(
                dataclasses.replace(current, sessions_etag=signed_in.sessions_etag), a_connection(user_id), a_session()
            )

    def test_evicting_a_session_that_is_gone_is_fenced(self, stores, signed_in, user_id):
        with pytest.raises(Fenced):
            stores.connections.open_session(signed_in, signed_in.connection, a_session(), evicted=[a_session()])
        assert stores.connections.load(user_id) == signed_in

    def test_twenty_sessions_end_in_one_write(self, stores, user_id):
        for _ in range(20):
            record = stores.connections.load(user_id)
            connection = record.connection or a_connection(user_id)
            stores.connections.open_session(record, connection, a_session())
        stores.connections.end_connection(stores.connections.load(user_id), a_revocation())
        record = stores.connections.load(user_id)
        assert (record.connection, record.sessions, len(record.revocations)) == (None, (), 1)

    @pytest.mark.parametrize("property_name", ["access_token", "refresh_token"])
    def test_a_token_over_60_kib_is_refused_and_nothing_is_stored(self, stores, user_id, property_name):
        large = a_connection(user_id, **{property_name: "x" * (60 * 1024 - 32)})
        with pytest.raises(TooLargeToStoreError):
            stores.connections.open_session(UserRecord(user_id=user_id), large, a_session())
        assert stores.connections.load(user_id) == UserRecord(user_id=user_id)

    def test_a_token_of_just_60_kib_is_stored(self, stores, user_id):
        large = a_connection(user_id, access_token="x" * (60 * 1024 - 33))
        stores.connections.open_session(UserRecord(user_id=user_id), large, a_session())
        assert stored(stores, user_id).access_token == large.access_token


def save(stores: Stores, record: UserRecord) -> object:
    return stores.connections.save_tokens(renewed(record.connection), stores.keyring)


def lease(stores: Stores, record: UserRecord) -> object:
    return stores.connections.take_lease(leased(record.connection))


def release(stores: Stores, record: UserRecord) -> object:
    suspect = dataclasses.replace(record.connection, status=Status.SUSPECT, reason="suspect", retry_at=NOON)
    return stores.connections.release(suspect)


def reseal(stores: Stores, record: UserRecord) -> object:
    return stores.connections.reseal(record.connection)


def touch(stores: Stores, record: UserRecord) -> object:
    return stores.connections.touch(record.user_id, dataclasses.replace(record.sessions[0], seen_at=NOON + HOUR))


def end_sessions(stores: Stores, record: UserRecord) -> object:
    return stores.connections.end_sessions(record, record.sessions)


def end_connection(stores: Stores, record: UserRecord) -> object:
    return stores.connections.end_connection(record, None)


def update_revocation(stores: Stores, record: UserRecord) -> object:
    return stores.connections.update_revocation(record.user_id, a_revocation(etag='W/"none"'))


MERGES = [save, lease, release, reseal]
CREATES_NOTHING = [*MERGES, touch, end_sessions, end_connection, update_revocation]


class TestConditions:
    @pytest.mark.parametrize("write", MERGES)
    def test_of_two_writers_that_read_the_same_row_the_second_is_fenced(self, stores, signed_in, user_id, write):
        stores.connections.take_lease(leased(signed_in.connection))
        before = stored(stores, user_id)
        with pytest.raises(Fenced):
            write(stores, signed_in)
        assert stored(stores, user_id) == before

    @pytest.mark.parametrize("write", MERGES)
    def test_a_write_returns_the_row_as_the_next_write_needs_it(self, stores, signed_in, write):
        written = write(stores, signed_in)
        assert written.etag == stored(stores, signed_in.user_id).etag
        stores.connections.take_lease(leased(written))

    @pytest.mark.parametrize("write", CREATES_NOTHING)
    def test_no_write_brings_back_what_is_gone(self, stores, signed_in, user_id, write):
        stores.connections.end_connection(signed_in, None)
        with pytest.raises(Fenced):
            write(stores, signed_in)
        assert stores.connections.load(user_id) == UserRecord(user_id=user_id)

    def test_a_touch_writes_nothing_but_when_the_session_was_seen(self, stores, signed_in, user_id):
        (session,) = signed_in.sessions
        changed = dataclasses.replace(session, seen_at=NOON + HOUR, ends_at=NOON + 99 * HOUR)
        stores.connections.touch(user_id, changed)
        record = stores.connections.load(user_id)
        assert record.sessions == (dataclasses.replace(session, seen_at=NOON + HOUR),)
        assert (record.connection_etag, record.sessions_etag) == (signed_in.connection_etag, signed_in.sessions_etag)

    def test_of_two_ends_that_read_the_same_sessions_the_second_is_fenced(self, stores, signed_in, user_id):
        first, second = a_session(), a_session()
        stores.connections.open_session(signed_in, signed_in.connection, first)
        stores.connections.open_session(stores.connections.load(user_id), signed_in.connection, second)
        both = stores.connections.load(user_id)
        stores.connections.end_sessions(both, [first])
        with pytest.raises(Fenced):
            stores.connections.end_sessions(both, [second])
        assert second in stores.connections.load(user_id).sessions

    def test_the_end_is_fenced_by_a_session_that_began_meanwhile(self, stores, signed_in, user_id):
        stores.connections.open_session(signed_in, signed_in.connection, a_session())
        with pytest.raises(Fenced):
            stores.connections.end_connection(signed_in, a_revocation())
        record = stores.connections.load(user_id)
        assert (len(record.sessions), record.revocations) == (2, ())

    def test_the_end_is_fenced_by_another_version_of_the_sessions_alone(self, stores, signed_in, user_id):
        other = a_session()
        stores.connections.open_session(signed_in, signed_in.connection, other)
        stores.connections.end_sessions(stores.connections.load(user_id), [other])
        current = stores.connections.load(user_id)
        with pytest.raises(Fenced):
            stores.connections.end_connection(
                dataclasses.replace(current, sessions_etag=signed_in.sessions_etag), a_revocation()
            )
        assert stores.connections.load(user_id) == current

    def test_the_end_is_fenced_by_tokens_that_were_saved_meanwhile(self, stores, signed_in, user_id):
        stores.connections.save_tokens(renewed(signed_in.connection), stores.keyring)
        with pytest.raises(Fenced):
            stores.connections.end_connection(signed_in, a_revocation())
        assert stored(stores, user_id).access_token == "access-2"

    def test_a_write_after_a_new_sign_in_of_the_same_user_is_fenced(self, stores, signed_in, user_id):
        stores.connections.end_connection(signed_in, None)
        sign_in(stores, user_id)
        with pytest.raises(Fenced):
            stores.connections.save_tokens(renewed(signed_in.connection), stores.keyring)


class TestTokens:
    def test_a_save_writes_tokens_and_ends_the_lease(self, stores, signed_in, user_id):
        holder = stores.connections.take_lease(leased(signed_in.connection))
        stores.connections.save_tokens(renewed(holder), stores.keyring)
        found = stored(stores, user_id)
        assert (found.access_token, found.refresh_token, found.generation) == ("access-2", "refresh-2", 2)
        assert (found.expires_at, found.refreshed_at, found.lease) == (NOON + 2 * HOUR, NOON + HOUR, None)

    @pytest.mark.parametrize("write", [lease, release])
    def test_a_lease_or_its_end_never_touches_the_tokens(self, stores, signed_in, user_id, write):
        forged = dataclasses.replace(
            signed_in.connection, access_token="forged", generation=7, expires_at=NOON, sign_in_id="forged"
        )
        write(stores, dataclasses.replace(signed_in, connection=forged))
        found = stored(stores, user_id)
        assert (found.access_token, found.generation, found.expires_at, found.sign_in_id) == (
            "access-1", 1, NOON + HOUR, signed_in.connection.sign_in_id,
        )  # fmt: skip

    def test_the_whole_state_of_a_refresh_is_read_back(self, stores, signed_in, user_id):
        state = {
            "status": Status.SUSPECT,
            "reason": "suspect",
            "failures": 3,
            "retry_at": NOON + timedelta(microseconds=30_000_001),
            "lease": Lease("holder", NOON + timedelta(microseconds=15_123_457), "intent"),
        }
        stores.connections.release(dataclasses.replace(signed_in.connection, **state))
        found = stored(stores, user_id)
        assert {name: getattr(found, name) for name in state} == state

    def test_an_end_of_lease_and_cooldown_clears_both(self, stores, signed_in, user_id):
        waiting = dataclasses.replace(leased(signed_in.connection), retry_at=NOON, reason="suspect")
        held = stores.connections.take_lease(waiting)
        stores.connections.release(dataclasses.replace(held, lease=None, retry_at=None, reason=""))
        found = stored(stores, user_id)
        assert (found.lease, found.retry_at, found.reason) == (None, None, "")

    def test_a_reseal_moves_to_the_newest_key_and_nothing_else(self, stores, signed_in, user_id):
        stores.rotate(SECOND_KEY, FIRST_KEY)
        stores.connections.reseal(signed_in.connection)
        stores.rotate(SECOND_KEY)
        found = stored(stores, user_id)
        assert found.key_id == id_of(SECOND_KEY)
        same = {"key_id": "", "etag": "", "change_id": ""}
        assert dataclasses.replace(found, **same) == dataclasses.replace(signed_in.connection, **same)

    def test_a_save_seals_under_the_keys_that_were_at_hand_before_the_call_and_asks_for_none(
        self, stores, signed_in, user_id
    ):
        """Tokens that were fetched are not lost to a vault that does not answer."""
        at_hand = Keyring([SECOND_KEY, FIRST_KEY])
        stores.vault_error = VaultError("gone")
        stores.connections.save_tokens(renewed(signed_in.connection), at_hand)
        stores.vault_error = None
        stores.rotate(SECOND_KEY, FIRST_KEY)
        assert stored(stores, user_id).key_id == id_of(SECOND_KEY)


class TestRevocations:
    def test_they_survive_the_end_of_the_connection(self, stores, signed_in, user_id):
        pending, last = a_revocation(), a_revocation()
        stores.connections.add_revocation(user_id, pending)
        stores.connections.end_connection(stores.connections.load(user_id), last)
        record = stores.connections.load(user_id)
        assert (record.connection, record.sessions, record.sessions_etag) == (None, (), None)
        assert {kept.id for kept in record.revocations} == {pending.id, last.id}

    def test_another_attempt_is_counted(self, stores, user_id):
        stores.connections.add_revocation(user_id, a_revocation())
        (found,) = stores.connections.load(user_id).revocations
        written = stores.connections.update_revocation(user_id, dataclasses.replace(found, attempts=1, retry_at=NOON))
        (again,) = stores.connections.load(user_id).revocations
        assert (again.attempts, again.retry_at, again.refresh_token) == (1, NOON, "old-refresh")
        assert again.etag == written.etag

    def test_a_settled_one_keeps_its_outcome_and_no_token(self, stores, user_id):
        stores.connections.add_revocation(user_id, a_revocation())
        (found,) = stores.connections.load(user_id).revocations
        settled = dataclasses.replace(found, outcome="revoked", retry_at=NOON + 24 * HOUR)
        stores.connections.update_revocation(user_id, settled)
        (again,) = stores.connections.load(user_id).revocations
        assert (again.outcome, again.access_token, again.refresh_token, again.key_id) == ("revoked", "", "", "")
        assert again.retry_at == NOON + 24 * HOUR

    def test_one_just_inserted_is_settled_without_being_read_first(self, stores, signed_in, user_id):
        revocation = a_revocation()
        stores.connections.end_connection(signed_in, revocation)
        stores.connections.update_revocation(user_id, dataclasses.replace(revocation, outcome="revoked"))
        assert [kept.outcome for kept in stores.connections.load(user_id).revocations] == ["revoked"]

    def test_of_two_that_try_at_once_the_second_is_fenced(self, stores, user_id):
        stores.connections.add_revocation(user_id, a_revocation())
        (found,) = stores.connections.load(user_id).revocations
        stores.connections.update_revocation(user_id, dataclasses.replace(found, attempts=1))
        with pytest.raises(Fenced):
            stores.connections.update_revocation(user_id, dataclasses.replace(found, outcome="revoked"))

    def test_an_id_that_is_taken_is_fenced(self, stores, user_id):
        revocation = a_revocation()
        stores.connections.add_revocation(user_id, revocation)
        with pytest.raises(Fenced):
            stores.connections.add_revocation(user_id, dataclasses.replace(revocation, refresh_token="other"))
        assert stores.connections.load(user_id).revocations[0].refresh_token == "old-refresh"

    def test_whatever_is_written_of_one_seals_it_under_the_newest_key(self, stores, user_id):
        stores.connections.add_revocation(user_id, a_revocation())
        (found,) = stores.connections.load(user_id).revocations
        stores.rotate(SECOND_KEY, FIRST_KEY)
        written = stores.connections.update_revocation(user_id, found)
        assert (found.key_id, written.key_id) == (id_of(FIRST_KEY), id_of(SECOND_KEY))
        assert stores.connections.load(user_id).revocations == (written,)

    def test_one_is_dropped_and_dropped_again(self, stores, user_id):
        revocation = a_revocation()
        stores.connections.add_revocation(user_id, revocation)
        stores.connections.drop_revocation(user_id, revocation)
        stores.connections.drop_revocation(user_id, revocation)
        assert stores.connections.load(user_id) == UserRecord(user_id=user_id)


@pytest.mark.parametrize("lost", [1, 2])
class TestLostReplies:
    """A write that came through although its reply was lost is ours: no error, and it happened once."""

    def lose(self, stores: Stores, lost: int, write: Callable[[], object]) -> object:
        assert stores.wire is not None
        stores.wire.to_lose = lost
        return write()

    def test_sign_in(self, real, user_id, lost):
        session = a_session()
        self.lose(real, lost, partial(
            real.connections.open_session, UserRecord(user_id=user_id), a_connection(user_id), session
        ))  # fmt: skip
        assert real.connections.load(user_id).sessions == (session,)

    @pytest.mark.parametrize("write", MERGES)
    def test_merge(self, real, user_id, lost, write):
        record = sign_in(real, user_id)
        written = self.lose(real, lost, partial(write, real, record))
        assert written.etag == stored(real, user_id).etag

    def test_merge_into_a_session(self, real, user_id, lost):
        record = sign_in(real, user_id)
        self.lose(real, lost, partial(touch, real, record))
        assert real.connections.load(user_id).sessions[0].seen_at == NOON + HOUR

    def test_save_whose_row_got_a_foreign_lease_meanwhile(self, real, user_id, lost):
        record = sign_in(real, user_id)
        held = real.connections.take_lease(leased(record.connection))
        tables = real.connections._tables
        merge = tables.merge

        def merge_and_lose_the_lead(*arguments):
            tables.merge = merge
            try:
                return merge(*arguments)
            finally:
                real.wire.to_lose = 0
                real.connections.take_lease(leased(stored(real, user_id), NOON + HOUR))

        tables.merge = merge_and_lose_the_lead
        saved = self.lose(real, lost, partial(real.connections.save_tokens, renewed(held), real.keyring))
        found = stored(real, user_id)
        assert (found.generation, found.lease.until, saved.etag) == (2, NOON + HOUR, found.etag)

    def test_end_of_a_session(self, real, user_id, lost):
        record = sign_in(real, user_id)
        other = a_session()
        real.connections.open_session(record, record.connection, other)
        self.lose(real, lost, partial(real.connections.end_sessions, real.connections.load(user_id), [other]))
        assert real.connections.load(user_id).sessions == record.sessions

    @pytest.mark.parametrize("revocation", [None, a_revocation()], ids=["bare", "with revocation"])
    def test_end_of_the_connection(self, real, user_id, lost, revocation):
        record = sign_in(real, user_id)
        self.lose(real, lost, partial(real.connections.end_connection, record, revocation))
        after = real.connections.load(user_id)
        assert (after.connection, after.sessions) == (None, ())
        assert len(after.revocations) == (1 if revocation else 0)

    def test_insert_replace_and_delete_of_a_revocation(self, real, user_id, lost):
        revocation = a_revocation()
        self.lose(real, lost, partial(real.connections.add_revocation, user_id, revocation))
        (found,) = real.connections.load(user_id).revocations
        settled = dataclasses.replace(found, outcome="revoked")
        written = self.lose(real, lost, partial(real.connections.update_revocation, user_id, settled))
        (again,) = real.connections.load(user_id).revocations
        assert (again.outcome, again.etag) == ("revoked", written.etag)
        self.lose(real, lost, partial(real.connections.drop_revocation, user_id, again))
        assert real.connections.load(user_id).revocations == ()


class TestRealConflictsBehindALostReply:
    """A lost reply does not turn somebody else's row into ours."""

    def test_a_sign_in_that_never_arrived_and_lost_the_race_is_fenced(self, real, user_id):
        nobody = UserRecord(user_id=user_id)
        tables = real.connections._tables
        transact = tables.transact

        def drop_the_request(*arguments):
            tables.transact = transact
            sign_in(real, user_id)
            real.wire.lost += 1
            raise OutcomeUnknownError("the request was never sent")

        tables.transact = drop_the_request
        with pytest.raises(Fenced):
            real.connections.open_session(nobody, a_connection(user_id), a_session())
        assert len(real.connections.load(user_id).sessions) == 1

    @pytest.mark.parametrize("write", MERGES)
    def test_a_merge_that_never_arrived_and_lost_the_race_is_fenced(self, real, user_id, write):
        record = sign_in(real, user_id)
        tables = real.connections._tables
        merge = tables.merge

        def drop_the_request(*arguments):
            tables.merge = merge
            real.connections.take_lease(leased(record.connection))
            real.wire.lost += 1
            raise OutcomeUnknownError("the request was never sent")

        tables.merge = drop_the_request
        with pytest.raises(Fenced):
            write(real, record)

    def test_an_end_that_never_arrived_and_lost_to_a_sign_in_of_this_browser_is_fenced(self, real, user_id):
        """The sign-in replaced the session that was to end: that it is gone says nothing about the connection."""
        record = sign_in(real, user_id)
        tables, session = real.connections._tables, a_session()
        transact = tables.transact

        def drop_the_request(*arguments):
            tables.transact = transact
            again = dataclasses.replace(record.connection, generation=2)
            real.connections.open_session(record, again, session, evicted=record.sessions)
            real.wire.lost += 1
            raise OutcomeUnknownError("the request was never sent")

        tables.transact = drop_the_request
        with pytest.raises(Fenced):
            real.connections.end_connection(record, None)
        assert real.connections.load(user_id).sessions == (session,)
