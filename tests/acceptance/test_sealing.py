"""F1, F3 and F4: what stands in the table is sealed for its one place, and any damage shows as one error.

The envelope is read here with the cryptography library alone, byte by byte, so that nothing of ours judges itself.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import Unreadable
from shared.models.custody import Connection, Profile
from shared.sealing import Keyring, Place
from shared.storage import rows
from tests.contracts.test_connections import a_connection, a_revocation
from tests.fakes import FIRST_KEY, SECOND_KEY

ADA, BOB = "a" * 32, "b" * 32
KEYS = Keyring([FIRST_KEY, SECOND_KEY])
SEALED = ("access_token", "refresh_token", "profile")


def key_id(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:4]


def bound_to(place: Place, key: bytes) -> bytes:
    """The additional data as the design lists its parts, each after its length."""
    parts = [b"\1", key_id(key), place.table, place.partition_key, place.row_key, place.property]
    parts += [str(place.generation), place.provider]
    raw = [part if isinstance(part, bytes) else part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in raw)


@pytest.mark.acceptance("F1")
def test_every_envelope_is_aes_256_gcm_with_a_random_nonce_and_a_full_tag(evidence, amount):
    nonces = set()
    for number in range(amount("F1")):
        connection = a_connection(f"{number:032x}", access_token=f"token-{number}", generation=number)
        envelope = rows.connection_entity(connection, KEYS)["access_token"]
        place = Place("connections", connection.user_id, "connection", "access_token", number, "azure-devops")
        assert envelope[:5] == b"\1" + key_id(FIRST_KEY)
        nonce, ciphertext, tag = envelope[5:17], envelope[17:-16], envelope[-16:]
        assert len(ciphertext) == len(connection.access_token)
        opened = AESGCM(FIRST_KEY).decrypt(nonce, ciphertext + tag, bound_to(place, FIRST_KEY))
        assert opened.decode() == connection.access_token
        nonces.add(nonce)
        evidence(cases=1)
    assert len(nonces) == amount("F1")
    assert len({nonce[:4] for nonce in nonces}) > 0.99 * len(nonces), "nonces share a prefix: a counter, not random"


def entity(connection: Connection, keys: Keyring = KEYS) -> dict:
    return rows.connection_entity(connection, keys)


ADAS = a_connection(ADA, access_token="ada-access", refresh_token="ada-refresh")
ADAS_LATER = dataclasses.replace(ADAS, access_token="ada-access-2", refresh_token="ada-refresh-2", generation=2)
BOBS = a_connection(BOB, access_token="bob-access", refresh_token="bob-refresh", profile=Profile("Bob"))
HOMONYM = dataclasses.replace(ADAS, provider="entra")


def moved_property(source: Connection, target: Connection, source_name: str, target_name: str) -> dict:
    return entity(target) | {target_name: entity(source)[source_name]}


def relabelled() -> dict:
    """Sealed with the second key, but said to be the first's, in the envelope and in the row."""
    row = entity(ADAS, Keyring([SECOND_KEY]))
    labelled = {name: row[name][:1] + key_id(FIRST_KEY) + row[name][5:] for name in SEALED}
    return row | labelled | {"key_id": key_id(FIRST_KEY).hex()}


def other_format() -> dict:
    row = entity(ADAS)
    return row | {name: b"\2" + row[name][1:] for name in SEALED}


SWAPS: dict[str, Callable[[], dict]] = {
    **{f"another user's {name}": lambda name=name: moved_property(BOBS, ADAS, name, name) for name in SEALED},
    **{
        f"{one} where {other} belongs": lambda one=one, other=other: moved_property(ADAS, ADAS, one, other)
        for one in SEALED
        for other in SEALED
        if one != other
    },
    **{
        f"{name} of an older generation": lambda name=name: moved_property(ADAS, ADAS_LATER, name, name)
        for name in SEALED
    },
    **{
        f"{name} of a newer generation": lambda name=name: moved_property(ADAS_LATER, ADAS, name, name)
        for name in SEALED
    },
    **{f"{name} of another provider": lambda name=name: moved_property(HOMONYM, ADAS, name, name) for name in SEALED},
    "the whole row under another user": lambda: entity(ADAS) | {"PartitionKey": BOB},
    "the whole row as another provider's": lambda: entity(ADAS) | {"provider": "entra"},
    "the generation counted up": lambda: entity(ADAS) | {"generation": 2},
    "another key's label": relabelled,
    "another format": other_format,
    "another key named by the row": lambda: entity(ADAS) | {"key_id": key_id(SECOND_KEY).hex()},
}


@pytest.mark.acceptance("F3")
@pytest.mark.parametrize("swap", SWAPS)
def test_a_value_opens_only_in_its_place(evidence, swap):
    assert rows.to_connection(entity(ADAS), KEYS).access_token == "ada-access"
    with pytest.raises(Unreadable):
        rows.to_connection(SWAPS[swap](), KEYS)
    evidence(cases=1)


REVOCATION_SWAPS = {
    "another row of the same user": (ADA, ADA, "refresh_token", "refresh_token"),
    "another user's row": (BOB, ADA, "refresh_token", "refresh_token"),
    "another property": (ADA, ADA, "access_token", "refresh_token"),
}


@pytest.mark.acceptance("F3")
@pytest.mark.parametrize("swap", REVOCATION_SWAPS)
def test_a_value_of_one_revocation_opens_in_no_other(evidence, swap):
    owner, target, name, place = REVOCATION_SWAPS[swap]
    source = rows.revocation_entity(owner, a_revocation(id="0" * 16), KEYS)
    same_row = name != place
    row = rows.revocation_entity(target, a_revocation(id="0" * 16 if same_row else "1" * 16), KEYS)
    assert rows.to_revocation(row, KEYS).refresh_token == "old-refresh"
    with pytest.raises(Unreadable):
        rows.to_revocation(row | {place: source[name]}, KEYS)
    evidence(cases=1)


@pytest.mark.acceptance("F3")
def test_a_connection_is_no_revocation(evidence):
    """Between kinds of rows, with everything else of the place alike."""
    row = rows.revocation_entity(ADA, a_revocation(), KEYS)
    moved = rows.connection_entity(dataclasses.replace(ADAS, generation=0), KEYS)["refresh_token"]
    with pytest.raises(Unreadable):
        rows.to_revocation(row | {"refresh_token": moved}, KEYS)
    evidence(cases=1)


HERE = Place("connections", ADA, "connection", "access_token", 1, "azure-devops")
ELSEWHERE = {
    "table": "due",
    "partition_key": BOB,
    "row_key": "tenant:contoso",
    "property": "refresh_token",
    "generation": 2,
    "provider": "entra",
}


@pytest.mark.acceptance("F3")
@pytest.mark.parametrize("part", ELSEWHERE)
def test_each_part_of_the_place_is_bound_by_itself(evidence, part):
    envelope = KEYS.seal(b"secret", HERE)
    assert KEYS.open(envelope, HERE) == b"secret"
    with pytest.raises(Unreadable):
        KEYS.open(envelope, dataclasses.replace(HERE, **{part: ELSEWHERE[part]}))
    evidence(cases=1)


@pytest.mark.acceptance("F3")
def test_neighbouring_parts_share_no_bytes(evidence):
    """What one part loses at its end and the next gains at its start is another place."""
    envelope = KEYS.seal(b"secret", dataclasses.replace(HERE, row_key="ab", property="c"))
    with pytest.raises(Unreadable):
        KEYS.open(envelope, dataclasses.replace(HERE, row_key="a", property="bc"))
    evidence(cases=1)


ENVELOPES = 20
TOKEN_BYTES = 100


def envelopes() -> Iterator[tuple[dict, str, bytes]]:
    """Rows of 20 users, and one sealed value of each."""
    for number in range(ENVELOPES):
        connection = a_connection(f"{number:032x}", access_token="a" * TOKEN_BYTES, refresh_token="r" * TOKEN_BYTES)
        row = entity(connection)
        name = SEALED[number % 2]
        yield row, name, row[name]


def refused(row: dict) -> type[Exception]:
    """What reading the row raises; any plaintext at all fails the test."""
    with pytest.raises(Unreadable) as caught:
        rows.to_connection(row, KEYS)
    assert caught.value.status == 503
    assert "a" * 8 not in str(caught.value)
    return caught.type


@pytest.mark.acceptance("F4")
def test_every_flipped_bit_is_refused_alike(evidence, amount):
    """A slice takes bits evenly spread over all envelopes."""
    whole = [(row, name, envelope, bit) for row, name, envelope in envelopes() for bit in range(len(envelope) * 8)]
    wanted = amount("F4")
    assert len(whole) >= wanted
    chosen = whole if wanted > len(whole) // 2 else [whole[n * len(whole) // wanted] for n in range(wanted)]
    for row, name, envelope, bit in chosen:
        damaged = bytearray(envelope)
        damaged[bit // 8] ^= 1 << bit % 8
        assert refused(row | {name: bytes(damaged)}) is Unreadable
    evidence(cases=len(chosen))


@pytest.mark.acceptance("F4")
def test_every_truncation_is_refused_alike(evidence):
    for row, name, envelope in islice(envelopes(), 2):
        for length in range(len(envelope)):
            assert refused(row | {name: envelope[:length]}) is Unreadable
        evidence(cases=len(envelope))


@pytest.mark.acceptance("F4")
@pytest.mark.parametrize(
    "value",
    [b"", b"\0", b"\1", b"x" * 33, b"x" * 5000, "AQID", "not base64!", None, 7, True, 1.5],
    ids=repr,
)
@pytest.mark.parametrize("name", SEALED)
def test_what_is_no_envelope_at_all_is_refused_alike(evidence, name, value):
    assert refused(entity(ADAS) | {name: value}) is Unreadable
    evidence(cases=1)


@pytest.mark.acceptance("F4")
def test_what_is_put_behind_an_envelope_is_refused_alike(evidence):
    for row, name, envelope in islice(envelopes(), 2):
        for length in range(1, 20):
            assert refused(row | {name: envelope + b"\0" * length}) is Unreadable
            evidence(cases=1)
