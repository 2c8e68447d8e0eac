"""Cookies: exact on the wire, read byte for byte, and a pending sign-in that opens for one state and ten minutes."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.custody.sign_in import SessionKey
from shared.custody.sign_out import REVOCATIONS_TOLD, Receipt
from shared.errors import SignInExpired
from shared.models.custody import Login, new_id, new_secret
from shared.oauth.provider import Revoked
from shared.sealing import Keyring
from shared.web.cookies import Cookies, pairs

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RING = Keyring([b"1" * 32])
SECRET = "s" * 43
USER = "0123456789abcdef" * 2
VALUE = USER + SECRET

pieces = st.sampled_from(
    [
        "__Host-session",
        "gatehouse-session",
        "__Host-signin-0badcafe",
        "=",
        ";",
        "; ",
        "\t",
        '"',
        ",",
        VALUE,
        VALUE[:-1],
        "%",
    ]
)
headers = st.lists(pieces | st.text(max_size=8), max_size=12).map("".join)
"""Cookie headers that are made of what we look for, in any order, with anything between."""


def login(**changes):
    pending = Login(
        provider="azure-devops",
        state=new_secret(),
        verifier=new_secret(),
        nonce=new_secret(),
        return_to="/org/ünïcode",
        started_at=NOW,
    )
    return dataclasses.replace(pending, **changes)


def receipt(**changes):
    told = tuple(new_id() for _ in range(REVOCATIONS_TOLD))
    kept = Receipt(
        user_id=USER,
        at=NOW,
        sessions=20,
        connection_ended=True,
        upstream=Revoked.NOT_OFFERED,
        provider="azure-devops",
        revocations=told,
    )
    return dataclasses.replace(kept, **changes)


def sent_back(*set_cookies):
    """The Cookie header that a browser makes of these Set-Cookie lines."""
    return "; ".join(line.partition(";")[0] for line in set_cookies)


@pytest.fixture
def cookies():
    return Cookies(secure=True)


@pytest.mark.parametrize(
    ("secure", "line"),
    [
        (True, f"__Host-session={VALUE}; Path=/; HttpOnly; SameSite=Lax; Secure"),
        (False, f"gatehouse-session={VALUE}; Path=/; HttpOnly; SameSite=Lax"),
    ],
)
def test_a_session_cookie_is_exactly_this(secure, line):
    """On https bound to this host by its prefix; it ends with the browser."""
    assert Cookies(secure=secure).session(SessionKey(USER, SECRET)) == line


def test_a_removed_cookie_keeps_the_attributes_that_its_prefix_demands(cookies):
    """A browser ignores a `__Host-` line without Secure and Path, also one that removes."""
    for line in (cookies.no_session(), cookies.no_sign_in("__Host-signin-00000000")):
        assert re.fullmatch(r"__Host-[a-z0-9-]+=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure", line)


def test_a_pending_sign_in_is_a_sealed_cookie_of_ten_minutes(cookies):
    """Named by its state's hash, nothing of it readable, and small enough for five of them."""
    pending = login(return_to="/" + "a" * 799)
    line = cookies.sign_in(pending, RING)
    found = re.fullmatch(
        r"(__Host-signin-[0-9a-f]{8})=([A-Za-z0-9_-]+); Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure", line
    )
    assert found[1] == cookies.sign_in_name(pending.state)
    assert len(found[0].partition(";")[0]) < 8192 / 5
    assert not any(secret in line for secret in (pending.state, pending.verifier, pending.nonce))


def test_a_pending_sign_in_opens_as_it_was_sealed(cookies):
    """Among other cookies, with its verifier, nonce and return_to."""
    first, second = login(), login()
    header = sent_back("a=b", cookies.sign_in(first, RING), cookies.sign_in(second, RING))
    assert cookies.open_sign_in(header, first.state, RING, NOW) == first
    assert cookies.open_sign_in(header, second.state, RING, NOW) == second


def test_a_sealed_sign_in_survives_a_new_key(cookies):
    """The old key still opens it."""
    pending = login()
    header = sent_back(cookies.sign_in(pending, RING))
    assert cookies.open_sign_in(header, pending.state, Keyring([b"2" * 32, b"1" * 32]), NOW) == pending


@pytest.mark.parametrize("seconds", [-5, 0, 1, 599, 600])
def test_a_pending_sign_in_lives_for_ten_minutes(cookies, seconds):
    """And for five seconds before its start: clocks of two instances differ a little."""
    pending = login()
    header = sent_back(cookies.sign_in(pending, RING))
    assert cookies.open_sign_in(header, pending.state, RING, NOW + timedelta(seconds=seconds)) == pending


@pytest.mark.parametrize("seconds", [-6, 600.001, 601, 3600, 86400])
def test_a_pending_sign_in_of_another_time_is_refused(cookies, seconds):
    """Its age counts, whatever a browser does with Max-Age."""
    pending = login()
    header = sent_back(cookies.sign_in(pending, RING))
    with pytest.raises(SignInExpired):
        cookies.open_sign_in(header, pending.state, RING, NOW + timedelta(seconds=seconds))


def test_a_pending_sign_in_opens_for_its_own_state_alone(cookies):
    """Nor under another name, in another scheme's cookie, twice, cut, changed, or with another key."""
    pending, other = login(), login()
    line = sent_back(cookies.sign_in(pending, RING))
    name, _, value = line.partition("=")
    headers = {
        "none": None,
        "empty": "",
        "of another state": sent_back(cookies.sign_in(other, RING)),
        "under this name": f"{name}={sent_back(cookies.sign_in(other, RING)).partition('=')[2]}",
        "twice": f"{line}; {line}",
        "twice, once empty": f"{line}; {name}=",
        "empty value": f"{name}=",
        "cut": line[:-4],
        "longer": f"{line}AAAA",
        "quoted": f'{name}="{value}"',
        "padded": f"{name}={value}==",
        "not of the alphabet": f"{name}={value[:-2]}+/",
        "name in capitals": line.replace("signin", "SIGNIN"),
        "a blank before the name": f"\u00a0{line}",
        "without the prefix": line.removeprefix("__Host-"),
        "of http": sent_back(Cookies(secure=False).sign_in(pending, RING)),
        "of http, renamed": f"{name}={sent_back(Cookies(secure=False).sign_in(pending, RING)).partition('=')[2]}",
        "of another key": sent_back(cookies.sign_in(pending, Keyring([b"2" * 32]))),
    }
    for what, header in headers.items():
        with pytest.raises(SignInExpired):
            pytest.fail(f"opened: {what} {cookies.open_sign_in(header, pending.state, RING, NOW)}")


def test_every_changed_character_of_a_sealed_sign_in_is_noticed(cookies):
    """There is no part of it that is not authenticated; base64 leaves no second spelling of the same bytes but one."""
    pending = login(return_to="/")
    name, _, value = sent_back(cookies.sign_in(pending, RING)).partition("=")
    for at in range(len(value) - 1):
        changed = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
        with pytest.raises(SignInExpired):
            cookies.open_sign_in(f"{name}={changed}", pending.state, RING, NOW)


@pytest.mark.parametrize("hours", [0, 1, 24])
def test_a_receipt_is_a_sealed_cookie_of_a_day(cookies, hours):
    """Nothing of it is readable, and it opens as it was sealed."""
    kept = receipt()
    line = cookies.receipt(kept, RING)
    assert re.fullmatch(r"__Host-receipt=[A-Za-z0-9_-]+; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax; Secure", line)
    assert USER not in line
    assert cookies.open_receipt(sent_back("a=b", line), RING, NOW + timedelta(hours=hours)) == kept


def test_a_receipt_that_is_old_foreign_changed_or_there_twice_is_none(cookies):
    """Nor does a cookie of another kind open as one, nor one of a clock that is ahead."""
    line = sent_back(cookies.receipt(receipt(), RING))
    name, _, value = line.partition("=")
    pending = sent_back(cookies.sign_in(login(), RING)).partition("=")[2]
    headers = {
        "none": None,
        "empty": f"{name}=",
        "twice": f"{line}; {line}",
        "cut": line[:-4],
        "changed": f"{name}={value[:30]}{'A' if value[30] != 'A' else 'B'}{value[31:]}",
        "not of the alphabet": f"{name}={value[:-2]}+/",
        "of another key": sent_back(cookies.receipt(receipt(), Keyring([b"2" * 32]))),
        "of another kind": f"{name}={pending}",
        "of http": f"{name}={sent_back(Cookies(secure=False).receipt(receipt(), RING)).partition('=')[2]}",
        "of tomorrow": sent_back(cookies.receipt(receipt(at=NOW + timedelta(seconds=6)), RING)),
        "of yesterday": sent_back(cookies.receipt(receipt(at=NOW - timedelta(hours=24, seconds=1)), RING)),
    }
    for what, header in headers.items():
        assert cookies.open_receipt(header, RING, NOW) is None, what


def test_all_cookies_of_a_browser_together_fit_in_a_header_of_8_kb(cookies):
    """A session, a full receipt, and five pending sign-ins to the longest addresses."""
    pending = [cookies.sign_in(login(return_to="/" + "a" * 799), RING) for _ in range(5)]
    header = sent_back(cookies.session(SessionKey(USER, SECRET)), cookies.receipt(receipt(), RING), *pending)
    assert len(f"Cookie: {header}\r\n") < 8192


def test_at_most_five_sign_ins_stay_pending(cookies):
    """With the one that begins: the oldest go, and before them what does not open."""
    lines = [cookies.sign_in(login(started_at=NOW + timedelta(seconds=age)), RING) for age in range(7)]
    junk = "__Host-signin-ffffffff=junk"
    names = [line.partition("=")[0] for line in lines]
    assert cookies.surplus_sign_ins(sent_back(*lines[:4]), RING) == []
    assert cookies.surplus_sign_ins(sent_back(*lines[:5]), RING) == names[:1]
    assert set(cookies.surplus_sign_ins(sent_back(*reversed(lines)), RING)) == set(names[:3])
    assert cookies.surplus_sign_ins(sent_back(*lines[:4], junk), RING) == ["__Host-signin-ffffffff"]
    assert cookies.surplus_sign_ins(f"{sent_back(*lines[:4])}; __Host-session={VALUE}; other=1", RING) == []


def test_a_hostile_cookie_name_is_never_put_into_a_header(cookies):
    """Names come from the browser: only plain ones are written back."""
    hostile = "; ".join(f"__Host-signin-{mark}{number}=x" for number, mark in enumerate("\r\n,\"'<( äÄ"))
    assert all(re.fullmatch(r"[\w-]+", name, re.ASCII) for name in cookies.surplus_sign_ins(hostile, RING))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "__Host-session",
        "__Host-session=",
        f"__Host-session={VALUE}; __Host-session={VALUE}",
        f"__Host-session={VALUE}; a=b; __Host-session=",
        f"__host-session={VALUE}",
        f"__HOST-SESSION={VALUE}",
        f"\u2003__Host-session={VALUE}",
        f"$Version=1; $__Host-session={VALUE}",
        f'__Host-session="{VALUE}"',
        f"__Host-session={VALUE}x",
        f"__Host-session={VALUE[:-1]}",
        f"__Host-session={VALUE.upper()}",
        f"__Host-session=\\{VALUE[1:]}",
        f"__Host-session =={VALUE}",
        f"__Host-session={VALUE}\n",
        f"session={VALUE}",
        f"gatehouse-session={VALUE}",
        f"a=b, __Host-session={VALUE}",
    ],
)
def test_what_is_not_one_well_formed_session_cookie_is_none(cookies, header):
    """Order, case, quotes and odd blanks never make somebody of it."""
    assert cookies.read_session(header) is None


def test_one_well_formed_session_cookie_is_read(cookies):
    """Wherever it stands; its secret is not shown by repr, and the store's name for it is another."""
    for header in (f"__Host-session={VALUE}", f"a=b;\t__Host-session={VALUE} ; c=d", f"__Host-session={VALUE}; x"):
        key = cookies.read_session(header)
        assert (key.user_id, key.secret) == (USER, SECRET)
    assert SECRET not in repr(key)
    assert SECRET not in key.hash


def test_a_cookie_header_is_read_byte_for_byte():
    """No unquoting, no percent decoding, an equals sign belongs to the value, pairs without one are skipped."""
    assert pairs('a=1;b="2;3"; c=%20;d; =e;f=g=h') == [
        ("a", "1"),
        ("b", '"2'),
        ("c", "%20"),
        ("", "e"),
        ("f", "g=h"),
    ]


@given(headers)
def test_any_cookie_header_is_read_without_an_error_and_as_one_identity_or_none(header):
    """An identity is there only where exactly one pair of that name is well formed, whatever stands around it."""
    for cookies in (Cookies(secure=True), Cookies(secure=False)):
        key = cookies.read_session(header)
        named = [
            part.strip(" \t") for part in header.split(";") if part.strip(" \t").startswith(f"{cookies.session_name}=")
        ]
        if key is None:
            assert len(named) != 1 or not re.fullmatch(r"[^=]+=[0-9a-f]{32}[A-Za-z0-9_-]{43}", named[0])
        else:
            assert named == [f"{cookies.session_name}={key.user_id}{key.secret}"]


@given(headers, st.text(max_size=50))
def test_no_made_up_cookie_header_holds_a_sign_in(header, state):
    cookies = Cookies(secure=True)
    with pytest.raises(SignInExpired):
        cookies.open_sign_in(header, state, RING, NOW)
    for name in cookies.surplus_sign_ins(header, RING):
        assert re.fullmatch(r"[A-Za-z0-9_-]+", name)
