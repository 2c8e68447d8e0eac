"""Entities and models: nothing is lost on the way there and back, and nothing wrong is guessed at."""

import contextlib
import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import UnknownKey, Unreadable
from shared.models.custody import Connection, Lease, Profile, Revocation, Session, Status
from shared.sealing import Keyring, id_of
from shared.storage import rows

KEY, LATER_KEY = b"1" * 32, b"2" * 32
KEYS = Keyring([KEY])
USER = "a" * 32
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)

CONNECTION = Connection(
    user_id=USER,
    provider="azure-devops",
    issuer="https://issuer.example",
    subject="ada",
    scopes="vso.work",
    access_token="access",
    refresh_token="refresh",
    profile=Profile("Ada", "ada@example.com"),
    expires_at=NOON,
    refreshed_at=NOON,
    generation=3,
    secret_id="5ec4e7ed",
    key_id=id_of(KEY),
    sign_in_id="0123",
    lease=Lease("holder", NOON, "intent"),
    retry_at=NOON,
    change_id="4567",
)
SESSION = Session(hash="b" * 64, created_at=NOON, ends_at=NOON, seen_at=NOON, browser="Firefox", change_id="89ab")
REVOCATION = Revocation(
    id="c" * 16,
    provider="azure-devops",
    access_token="access",
    refresh_token="refresh",
    key_id=id_of(KEY),
    attempts=2,
    retry_at=NOON,
    give_up_at=NOON,
    created_at=NOON,
)
SETTLED = Revocation(id="d" * 16, provider="azure-devops", outcome="revoked", retry_at=NOON, created_at=NOON)

ROWS = {
    "connection": (rows.connection_entity(CONNECTION, KEYS), lambda row: rows.to_connection(row, KEYS)),
    "session": (rows.session_entity(USER, SESSION), rows.to_session),
    "revocation": (rows.revocation_entity(USER, REVOCATION, KEYS), lambda row: rows.to_revocation(row, KEYS)),
    "settled": (rows.revocation_entity(USER, SETTLED, KEYS), lambda row: rows.to_revocation(row, KEYS)),
}
NOT_READ = {("session", "PartitionKey"), ("connection", "RowKey")}
"""Whoever calls has asked for these."""
ABSENT_MEANS_NONE = {"lease_until", "retry_at"}
"""Of a connection: a row written before the first refresh may lack them."""
PROPERTIES = [(kind, name) for kind, (row, _) in ROWS.items() for name in row if (kind, name) not in NOT_READ]
NONE = ("", None, [], {})
WRONG = [*NONE, "x", 7, -1, 1.5, True, b"bytes", NOON]


def wrong_values() -> list[tuple[str, str, object]]:
    return [
        (kind, name, wrong)
        for kind, name in PROPERTIES
        for wrong in WRONG
        if type(wrong) is not type(ROWS[kind][0][name])
        and not (kind == "connection" and name in ABSENT_MEANS_NONE and wrong in NONE)
    ]


@pytest.mark.parametrize(
    ("kind", "model"),
    [("connection", CONNECTION), ("session", SESSION), ("revocation", REVOCATION), ("settled", SETTLED)],
)
def test_a_model_comes_back_from_its_row(kind, model):
    row, read = ROWS[kind]
    assert read(row) == model


@pytest.mark.parametrize(("kind", "name"), PROPERTIES)
def test_a_row_without_one_of_its_properties_is_unreadable(kind, name):
    row, read = ROWS[kind]
    rest = {key: value for key, value in row.items() if key != name}
    if kind == "connection" and name in ABSENT_MEANS_NONE:
        assert read(rest) != read(row)
        return
    with pytest.raises(Unreadable):
        read(rest)


@pytest.mark.parametrize(("kind", "name", "wrong"), wrong_values(), ids=repr)
def test_a_property_of_a_wrong_type_is_unreadable(kind, name, wrong):
    row, read = ROWS[kind]
    with pytest.raises(Unreadable):
        read(row | {name: wrong})


@pytest.mark.parametrize("year", [1601, 1999, 2200, 9999])
@pytest.mark.parametrize(("kind", "name"), [each for each in PROPERTIES if ROWS[each[0]][0][each[1]] == NOON])
def test_a_moment_that_nobody_wrote_is_unreadable(kind, name, year):
    """Sums with the ends of the calendar would overflow later, in a place that knows nothing of rows."""
    row, read = ROWS[kind]
    with pytest.raises(Unreadable):
        read(row | {name: NOON.replace(year=year)})


junk = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(
    timezones=st.just(UTC)
)  # fmt: skip


@given(st.sampled_from(sorted(ROWS)), st.data())
def test_whatever_stands_in_a_row_it_is_read_or_unreadable_and_nothing_else(kind, data):
    row, read = ROWS[kind]
    names = data.draw(st.sets(st.sampled_from(sorted(row)), min_size=1))
    damaged = dict(row)
    for name in names:
        if data.draw(st.booleans()):
            damaged[name] = data.draw(junk)
        else:
            del damaged[name]
    with contextlib.suppress(Unreadable):
        read(damaged)


texts = st.text(max_size=200)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zone given


@given(
    access_token=texts,
    refresh_token=texts,
    profile=st.builds(Profile, texts, st.none() | texts),
    expires_at=moments,
    refreshed_at=moments,
    generation=st.integers(0, 2**31 - 1),
    scopes=texts,
    reason=texts,
    status=st.sampled_from(Status),
    failures=st.integers(0, 99),
    lease=st.none() | st.builds(Lease, texts, moments, texts),
    retry_at=st.none() | moments,
)
def test_every_connection_comes_back_whole(**properties):
    connection = dataclasses.replace(CONNECTION, **properties)
    assert rows.to_connection(rows.connection_entity(connection, KEYS), KEYS) == connection


def test_no_token_stands_in_a_row_unsealed():
    for row, _ in ROWS.values():
        shown = repr(row)
        assert "'access'" not in shown
        assert b"access" not in b"".join(value for value in row.values() if isinstance(value, bytes))
    assert "ada@example.com" not in repr(ROWS["connection"][0])


def test_a_settled_revocation_holds_no_ciphertext():
    row, _ = ROWS["settled"]
    assert not [name for name, value in row.items() if isinstance(value, bytes)]


@pytest.mark.parametrize("kind", ["connection", "revocation"])
def test_a_key_that_is_not_here_is_retryable_and_no_damage(kind):
    later = Keyring([LATER_KEY])
    if kind == "connection":
        row = rows.connection_entity(CONNECTION, later)
        read = rows.to_connection
    else:
        row = rows.revocation_entity(USER, REVOCATION, later)
        read = rows.to_revocation
    with pytest.raises(UnknownKey):
        read(row, KEYS)


def test_a_row_that_names_another_key_than_its_envelope_is_unreadable():
    both = Keyring([KEY, LATER_KEY])
    row = rows.connection_entity(CONNECTION, both) | {"key_id": id_of(LATER_KEY)}
    with pytest.raises(Unreadable):
        rows.to_connection(row, both)


def test_a_sealed_value_may_have_60_kib_and_not_a_byte_more():
    fits = dataclasses.replace(CONNECTION, access_token="x" * (60 * 1024 - 33))
    assert len(rows.connection_entity(fits, KEYS)["access_token"]) == rows.MAX_SEALED_BYTES
    with pytest.raises(rows.TooLargeToStoreError):
        rows.connection_entity(dataclasses.replace(fits, access_token=fits.access_token + "x"), KEYS)


def test_times_come_back_in_utc_whatever_zone_they_were_written_in():
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    row = rows.session_entity(USER, dataclasses.replace(SESSION, seen_at=tokyo))
    assert rows.to_session(row).seen_at == NOON
    assert rows.to_session(row).seen_at.tzinfo is UTC


def test_the_state_of_a_refresh_holds_no_token_property():
    state = rows.state_properties(CONNECTION)
    tokens = rows.token_properties(CONNECTION, KEYS)
    assert not state.keys() & tokens.keys()
    assert set(rows.connection_entity(CONNECTION, KEYS)) == {
        "PartitionKey", "RowKey", "provider", "issuer", "subject", "scopes", "sign_in_id", *state, *tokens,
    }  # fmt: skip


def test_two_secrets_are_compared_whole():
    assert rows.same_secret("abc", "abc")
    assert not rows.same_secret("abc", "abcd")
