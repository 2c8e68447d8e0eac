"""The figures of custody: when to refresh, when to look, how long to pause."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.custody import rules
from shared.custody.rules import Limits
from shared.errors import Policy, ProviderError, Suspect, Throttled, Unavailable
from shared.models.custody import Connection, Lease, Profile, Revocation, Session, Status, UserRecord

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MARGIN = timedelta(minutes=15)
LIMITS = Limits(timedelta(hours=24), timedelta(hours=8))

CONNECTION = Connection(
    user_id="a" * 32,
    provider="azure-devops",
    issuer="issuer",
    subject="ada",
    scopes="vso.work",
    access_token="access",
    refresh_token="refresh",
    profile=Profile("Ada"),
    expires_at=NOON + timedelta(hours=1),
    refreshed_at=NOON,
    generation=1,
    secret_id="5ec4e7ed",
    key_id="11111111",
    sign_in_id="0123",
    etag="1",
)


def session(created: float = 0, seen: float = 0, ends: float = 24) -> Session:
    """Hours from noon."""
    at = [NOON + timedelta(hours=hours) for hours in (created, ends, seen)]
    return Session(hash=f"{created}{seen}{ends}", created_at=at[0], ends_at=at[1], seen_at=at[2])


def record(connection: Connection | None = CONNECTION, *sessions: Session, **more) -> UserRecord:
    etag = connection.etag if connection else None
    return UserRecord(
        user_id="a" * 32, connection=connection, connection_etag=etag, sessions=sessions or (session(),), **more
    )


def look(of: UserRecord, now: datetime = NOON) -> timedelta | None:
    at = rules.next_look(of, now, LIMITS, MARGIN)
    return at - now if at else None


class TestSessions:
    @pytest.mark.parametrize(
        ("one", "hours"),
        [
            (session(), 8),
            (session(seen=7), 15),
            (session(seen=23), 24),
            (session(seen=16), 24),
            (session(ends=2), 2),
            (session(ends=99, seen=98), 24),
        ],
        ids=["idle", "used", "used to its end", "idle at its end", "its own end", "a lifetime that was shortened"],
    )
    def test_a_session_ends_by_the_first_of_its_limits(self, one, hours):
        assert rules.session_over(one, LIMITS) == NOON + timedelta(hours=hours)

    @pytest.mark.parametrize(("since", "lives"), [(-1, True), (0, True), (1, False)])
    def test_the_incident_switch_ends_older_sessions_at_once(self, since, lives):
        limits = dataclasses.replace(LIMITS, not_before=NOON + timedelta(hours=since))
        assert bool(rules.live_sessions(record(), NOON + timedelta(hours=1), limits)) is lives

    def test_a_session_is_over_at_its_end_and_not_before(self):
        end = NOON + timedelta(hours=8)
        assert rules.live_sessions(record(), end - timedelta(microseconds=1), LIMITS)
        assert not rules.live_sessions(record(), end, LIMITS)


class TestRefreshDue:
    @pytest.mark.parametrize(("life", "before"), [(60, 15), (31, 15), (30, 15), (29, 14.5), (10, 5), (2, 1)])
    def test_the_margin_is_at_most_half_of_the_life(self, life, before):
        connection = dataclasses.replace(CONNECTION, expires_at=NOON + timedelta(minutes=life))
        assert rules.refresh_due(connection, MARGIN) == NOON + timedelta(minutes=life - before)

    def test_a_pause_postpones_it(self):
        late = NOON + timedelta(hours=2)
        assert rules.refresh_due(dataclasses.replace(CONNECTION, retry_at=late), MARGIN) == late

    def test_a_pause_that_is_over_does_not_hasten_it(self):
        waited = dataclasses.replace(CONNECTION, retry_at=NOON)
        assert rules.refresh_due(waited, MARGIN) == NOON + timedelta(minutes=45)

    def test_in_reconnect_no_refresh_is_ever_due(self):
        assert rules.refresh_due(dataclasses.replace(CONNECTION, status=Status.RECONNECT), MARGIN) is None

    @pytest.mark.parametrize(
        ("changes", "rests"),
        [
            ({}, False),
            ({"status": Status.SUSPECT}, False),
            ({"status": Status.RECONNECT}, True),
            ({"retry_at": NOON}, False),
            ({"retry_at": NOON + timedelta(seconds=1)}, True),
        ],
    )
    def test_a_refresh_rests_in_a_pause_and_after_the_end(self, changes, rests):
        assert rules.rests(dataclasses.replace(CONNECTION, **changes), NOON) is rests


class TestNextLook:
    def test_it_is_when_the_refresh_is_due(self):
        assert look(record()) == timedelta(minutes=45)

    def test_it_is_when_the_last_session_ends(self):
        reconnect = dataclasses.replace(CONNECTION, status=Status.RECONNECT)
        ends = [session(ends=0.2), session(ends=0.5), session(ends=0.3)]
        assert look(record(reconnect, *ends)) == timedelta(minutes=30)

    def test_it_is_when_a_revocation_is_to_be_tried_again(self):
        waiting = [
            Revocation(id=str(minutes), provider="p", retry_at=NOON + timedelta(minutes=minutes))
            for minutes in (20, 10, 30)
        ]
        assert look(record(CONNECTION, revocations=tuple(waiting))) == timedelta(minutes=10)
        assert look(UserRecord(user_id="a", revocations=tuple(waiting))) == timedelta(minutes=10)

    def test_what_is_overdue_is_looked_at_in_thirty_seconds(self):
        assert look(record(), NOON + timedelta(hours=3)) == timedelta(seconds=30)

    def test_it_is_never_later_than_in_an_hour(self):
        long = dataclasses.replace(CONNECTION, expires_at=NOON + timedelta(hours=24))
        assert look(record(long)) == timedelta(hours=1)

    @pytest.mark.parametrize("status", Status)
    @pytest.mark.parametrize("hours", [8, 9, 30])
    def test_a_connection_whose_last_session_is_over_is_looked_at_at_once(self, status, hours):
        """It may have ended after the look that found it live, and before its hint was moved."""
        long = dataclasses.replace(CONNECTION, status=status, expires_at=NOON + timedelta(hours=99))
        assert look(record(long), NOON + timedelta(hours=hours)) == timedelta(seconds=30)

    @pytest.mark.parametrize("connection", [CONNECTION, None])
    def test_a_session_that_does_not_open_may_be_live(self, connection):
        connection = connection and dataclasses.replace(connection, expires_at=NOON + timedelta(hours=99))
        closed = record(connection, unreadable=("session:x",))
        assert look(closed, NOON + timedelta(hours=9)) == timedelta(hours=1)

    def test_an_empty_partition_is_looked_at_no_more(self):
        assert look(UserRecord(user_id="a")) is None

    def test_a_settled_revocation_alone_is_looked_at_until_it_goes(self):
        settled = Revocation(id="1", provider="p", outcome="revoked", retry_at=NOON + timedelta(hours=24))
        assert look(UserRecord(user_id="a", revocations=(settled,))) == timedelta(hours=1)

    @pytest.mark.parametrize("what", [{"connection_etag": "1"}, {"unreadable": ("session:x",)}])
    def test_what_does_not_open_is_looked_at_every_hour(self, what):
        assert look(UserRecord(user_id="a", **what)) == timedelta(hours=1)

    moments = st.integers(-10_000, 200_000).map(lambda seconds: NOON + timedelta(seconds=seconds))
    connections = st.none() | st.builds(
        lambda expires, refreshed, retry, status: dataclasses.replace(
            CONNECTION, expires_at=expires, refreshed_at=refreshed, retry_at=retry, status=status
        ),
        moments,
        moments,
        st.none() | moments,
        st.sampled_from(Status),
    )
    sessions = st.builds(
        lambda created, seen, ends: Session(hash="x", created_at=created, seen_at=seen, ends_at=ends),
        moments,
        moments,
        moments,
    )
    revocations = st.builds(lambda retry: Revocation(id="x", provider="p", retry_at=retry), st.none() | moments)

    @given(connections, st.lists(sessions, max_size=4), st.lists(revocations, max_size=3), moments)
    def test_whatever_is_stored_it_is_in_thirty_seconds_to_an_hour(self, connection, sessions, revocations, now):
        stored = UserRecord(
            user_id="a",
            connection=connection,
            connection_etag=connection.etag if connection else None,
            sessions=tuple(sessions),
            revocations=tuple(revocations),
        )
        wait = look(stored, now)
        if wait is None:
            assert not connection
            assert not sessions
        else:
            assert timedelta(seconds=30) <= wait <= timedelta(hours=1)

    @given(connections, st.lists(sessions, max_size=4), st.lists(revocations, max_size=3), moments)
    def test_nothing_falls_due_unseen(self, connection, sessions, revocations, now):
        """No due refresh and no revocation waits for longer than it must."""
        stored = dataclasses.replace(record(connection, session()), revocations=tuple(revocations))
        at = rules.next_look(stored, now, LIMITS, MARGIN)
        due = [it.retry_at for it in revocations if it.retry_at]
        if connection and (refresh := rules.refresh_due(connection, MARGIN)):
            due.append(refresh)
        for moment in due:
            assert at <= max(moment, now + timedelta(seconds=30))


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(1, 30), (2, 60), (3, 120), (4, 240), (5, 480), (6, 960), (7, 1920), (8, 3600), (9, 3600), (10_000, 3600)],
)
def test_the_cooldown_of_suspects_and_revocations_doubles_from_thirty_seconds_to_an_hour(failures, seconds):
    assert rules.cooldown(failures) == rules.revocation_pause(failures) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 80), (6, 160), (7, 300), (8, 300), (10_000, 300)]
)
def test_the_pause_after_no_answer_doubles_from_five_seconds_to_five_minutes(failures, seconds):
    assert rules.retry_pause(failures) == timedelta(seconds=seconds)


def test_suspects_are_exhausted_when_the_retry_after_an_hour_fails_too():
    assert [rules.suspects_exhausted(failures) for failures in range(1, 11)] == [False] * 8 + [True] * 2


class TestMarks:
    """What one refusal after another makes of a row."""

    @staticmethod
    def after(*refusals: ProviderError, at: datetime = NOON) -> Connection:
        connection = CONNECTION
        for refusal in refusals:
            connection = rules.marked(connection, refusal, at)
        return connection

    @pytest.mark.parametrize("unanswered", [0, 1, 5, 8, 20])
    def test_an_outage_before_the_first_suspect_refusal_counts_for_nothing(self, unanswered):
        marked = self.after(*[Unavailable()] * unanswered, Suspect("invalid_request"))
        assert (marked.status, marked.failures) == (Status.SUSPECT, 1)
        assert marked.retry_at == NOON + timedelta(seconds=30)

    @pytest.mark.parametrize("unanswered", [1, 20])
    def test_an_outage_between_suspect_refusals_counts_for_nothing(self, unanswered):
        between = [Suspect(), *[Unavailable()] * unanswered]
        assert self.after(*between * 7, Suspect()).status is Status.SUSPECT
        assert self.after(*between * 8).failures == 8
        assert self.after(*between * 8, Suspect()).status is Status.RECONNECT

    def test_the_latest_reason_of_a_pause_is_the_one_that_is_told(self):
        paused = self.after(Policy(), Unavailable())
        assert type(rules.paused_by(paused)) is Unavailable
        assert type(rules.paused_by(self.after(Unavailable(), Policy()))) is Policy

    @pytest.mark.parametrize("pause", [Policy(), Throttled(), Unavailable()])
    def test_no_pause_takes_the_reason_of_a_suspect(self, pause):
        assert self.after(Suspect(), pause).reason == "suspect"

    @pytest.mark.parametrize(("suspects", "seconds"), [(1, 30), (3, 120), (8, 300)])
    def test_a_suspect_that_gets_no_answer_is_tried_after_its_pause_again_and_within_five_minutes(
        self, suspects, seconds
    ):
        marked = self.after(*[Suspect()] * suspects, Unavailable())
        assert (marked.status, marked.retry_at) == (Status.SUSPECT, NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize(("seconds", "held"), [(-1, False), (0, False), (1, True)])
def test_a_lease_is_held_until_its_end(seconds, held):
    lease = Lease("holder", NOON + timedelta(seconds=seconds), "intent")
    assert rules.lease_is_held(dataclasses.replace(CONNECTION, lease=lease), NOON) is held
    assert not rules.lease_is_held(CONNECTION, NOON)


def test_a_token_call_fits_into_what_must_be_left_of_a_lease():
    assert rules.TOKEN_CALL < rules.LEASE_NEEDED < rules.LEASE
