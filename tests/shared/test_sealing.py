import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import UnknownKey, Unreadable
from shared.sealing import Keyring, Place, id_of, key_id_of

ONE, TWO, THREE = b"1" * 32, b"2" * 32, b"3" * 32
HERE = Place("connections", "a" * 32, "connection", "access_token", 1, "azure-devops")


@given(st.binary(max_size=2000))
def test_what_was_sealed_opens_again(plaintext):
    keys = Keyring([ONE])
    assert keys.open(keys.seal(plaintext, HERE), HERE) == plaintext


def test_the_newest_key_seals_and_all_open():
    old = Keyring([ONE]).seal(b"old", HERE)
    both = Keyring([TWO, ONE])
    assert both.open(old, HERE) == b"old"
    assert key_id_of(both.seal(b"new", HERE)) == id_of(TWO) == both.newest_id


def test_a_key_given_twice_still_seals_when_it_is_the_newest():
    keys = Keyring([ONE, TWO, ONE])
    assert keys.open(keys.seal(b"secret", HERE), HERE) == b"secret"
    assert keys.newest_id == id_of(ONE)


def test_a_key_that_is_not_here_yet_is_told_from_damage():
    later = Keyring([TWO]).seal(b"secret", HERE)
    with pytest.raises(UnknownKey) as caught:
        Keyring([ONE]).open(later, HERE)
    assert (caught.value.status, caught.value.retry_after) == (503, 5)


def test_damage_is_no_unknown_key():
    envelope = bytearray(Keyring([ONE]).seal(b"secret", HERE))
    envelope[-1] ^= 1
    with pytest.raises(Unreadable) as caught:
        Keyring([ONE]).open(bytes(envelope), HERE)
    assert type(caught.value) is Unreadable


@pytest.mark.parametrize("keys", [[], [b""], [ONE[:31]], [ONE + b"1"], [ONE, b"short"]])
def test_a_keyring_holds_keys_of_32_bytes(keys):
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(keys)


@pytest.mark.parametrize("part", ["table", "partition_key", "row_key", "property", "provider"])
def test_a_place_with_an_empty_part_is_refused_before_any_key_is_touched(part):
    with pytest.raises(ValueError, match="empty part"):
        dataclasses.replace(HERE, **{part: ""})


def test_an_id_is_the_first_eight_digits_of_the_sha_256():
    assert id_of("abc") == id_of(b"abc") == "ba7816bf"


def test_a_keyring_shows_ids_and_no_key():
    shown = repr(Keyring([ONE, TWO]))
    assert id_of(ONE) in shown
    assert id_of(TWO) in shown
    assert ONE.decode() not in shown
    assert ONE.hex() not in shown


@given(st.binary(max_size=200))
def test_bytes_that_were_never_sealed_are_unreadable(envelope):
    with pytest.raises(Unreadable):
        Keyring([ONE]).open(envelope, HERE)


def test_a_key_that_is_not_here_is_looked_for_once_where_keys_come_from():
    asked = []

    def renewed():
        asked.append(True)
        return Keyring([TWO, ONE])

    keys = Keyring([ONE], renewed=renewed)
    assert keys.open(Keyring([ONE]).seal(b"old", HERE), HERE) == b"old"
    assert asked == []
    assert keys.open(Keyring([TWO]).seal(b"new", HERE), HERE) == b"new"
    with pytest.raises(UnknownKey):
        keys.open(Keyring([THREE]).seal(b"newer", HERE), HERE)
    assert len(asked) == 2
