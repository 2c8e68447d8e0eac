"""Session ids that nobody can guess, read or plant, and the exact cookies that carry them (acceptance B1–B3)."""

import base64
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.data.tables import TableServiceClient

from shared.custody.sign_in import SessionKey
from shared.models.custody import new_secret, sha256_hex
from tests import raw_http
from tests.raw_http import Reply
from tests.site import Browser, Host, Simulator, Site

JSON = "Accept: application/json"
NAME = "gatehouse-session"
KNOWN_SECRET = "A" * 43

Row = dict[str, Any]


def rows(site: Site) -> dict[tuple[str, str, str], Row]:
    """Every row of every table, by table and key."""
    with TableServiceClient.from_connection_string(site.storage) as service:
        return {
            (table.name, row["PartitionKey"], row["RowKey"]): dict(row)
            for table in service.list_tables()
            for row in service.get_table_client(table.name).list_entities()
        }


def session_row(site: Site, cookie: str) -> Row | None:
    """The row of the session that this cookie value belongs to."""
    return rows(site).get(("connections", cookie[:32], f"session:{sha256_hex(cookie[32:])}"))


def is_signed_in(host: Host, *cookies: str, name: str = NAME) -> bool:
    """Whether the page shows somebody signed in to a browser that sends these values, each in a pair of its own."""
    header = "; ".join(f"{name}={value}" for value in cookies)
    reply = raw_http.send(host.port, "GET", "/auth/logout", f"Cookie: {header}")
    assert reply.status == 200, reply
    return b'name="csrf"' in reply.body


def plant(browser: Browser, value: str) -> None:
    browser.http.cookies.set(NAME, value, domain="127.0.0.1", path="/")


def forms(value: object) -> Iterator[str]:
    """A stored value in every shape in which it might serve as a cookie or as the secret in it."""
    if isinstance(value, bytes):
        yield from forms(value.hex())
        yield base64.urlsafe_b64encode(value).decode().rstrip("=")
        return
    text = str(value)
    yield text
    yield text[:43]
    if ":" in text:
        yield from forms(text.partition(":")[2])
    if re.fullmatch(r"(?:[0-9a-f]{2})+", text):
        yield base64.urlsafe_b64encode(bytes.fromhex(text)).decode().rstrip("=")


@pytest.mark.acceptance("B1")
def test_session_ids_have_256_random_bits_and_never_repeat(evidence, amount) -> None:
    """Each id is 32 bytes of which every bit varies; what the store holds of it is its SHA-256 and nothing else."""
    wanted = max(amount("B1"), 100_000)
    ids = [new_secret() for _ in range(wanted)]
    assert len(set(ids)) == wanted
    numbers = [int.from_bytes(base64.urlsafe_b64decode(text + "=")) for text in ids]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", text) for text in ids)
    for bit in range(256):
        ones = sum(number >> bit & 1 for number in numbers[:10_000])
        assert 4_600 < ones < 5_400, bit  # 8 standard deviations
    assert all(text not in SessionKey("0" * 32, text).hash for text in ids[:1000])
    evidence(cases=wanted)


@pytest.mark.acceptance("B1")
def test_nothing_that_is_stored_serves_as_a_session_cookie(
    site: Site, simulator: Simulator, host: Host, evidence
) -> None:
    """Whoever reads all tables can't make a cookie of what they find, in whatever shape they send it."""
    before = rows(site)
    browser = Browser(host.url)
    browser.sign_in("bjorn")
    cookie = browser.session_cookie
    assert is_signed_in(host, cookie)
    user = cookie[:32]
    found = {key: row for key, row in rows(site).items() if before.get(key) != row or user in key}
    assert {table for table, _, _ in found} == {"connections", "due", "logins"}
    assert not any(cookie[32:] in text for row in found.values() for value in row.values() for text in forms(value))
    shapes = {text for row in found.values() for value in row.values() for text in forms(value)}
    tried = {text for shape in shapes for text in (shape, user + shape)} - {cookie}
    assert len(tried) > 100
    usable = [text for text in sorted(tried) if is_signed_in(host, text)]
    assert usable == []
    evidence(cases=len(tried))


@pytest.mark.acceptance("B2")
def test_a_planted_random_id_is_never_promoted_by_signing_in(
    simulator: Simulator, host: Host, browser: Browser, evidence
) -> None:
    """An attacker who set any well-formed value before the sign-in knows nothing afterwards."""
    probe = Browser(host.url)
    probe.sign_in("ada")
    own = probe.session_cookie[:32]
    for planted in ("0" * 32 + KNOWN_SECRET, own + KNOWN_SECRET, own + new_secret()):
        browser.http.cookies.clear()
        plant(browser, planted)
        assert browser.sign_in("ada").status_code == 303
        assert browser.session_cookie != planted
        assert is_signed_in(host, browser.session_cookie)
        assert not is_signed_in(host, planted)
        evidence(cases=1)


@pytest.mark.acceptance("B2")
def test_signing_in_again_gives_a_new_id_and_ends_the_old_one(
    site: Site, simulator: Simulator, host: Host, browser: Browser, evidence
) -> None:
    """The same person in the same browser: the old row is gone, the old value is dead, sessions elsewhere live on."""
    elsewhere = Browser(host.url)
    elsewhere.sign_in("ada")
    browser.sign_in("ada")
    old = browser.session_cookie
    assert session_row(site, old)
    browser.sign_in("ada")
    new = browser.session_cookie
    assert new[32:] != old[32:]
    assert session_row(site, old) is None
    assert session_row(site, new)
    assert not is_signed_in(host, old)
    assert is_signed_in(host, elsewhere.session_cookie)
    evidence(cases=1)


@pytest.mark.acceptance("B2")
def test_a_planted_id_of_somebody_else_ends_with_the_sign_in_and_is_not_taken_over(
    site: Site, simulator: Simulator, host: Host, browser: Browser, evidence
) -> None:
    """The attacker's own live session in the victim's browser: the victim signs in as themselves, and it is over."""
    attacker = Browser(host.url)
    attacker.sign_in("bjorn")
    planted = attacker.session_cookie
    plant(browser, planted)
    assert is_signed_in(host, planted)
    browser.sign_in("ada")
    assert browser.session_cookie[:32] != planted[:32]
    assert session_row(site, planted) is None
    assert not is_signed_in(host, planted)
    evidence(cases=1)


@pytest.mark.acceptance("B2")
def test_when_another_person_signs_in_in_the_same_browser_the_first_one_s_session_is_gone(
    site: Site, simulator: Simulator, host: Host, browser: Browser, evidence
) -> None:
    """As at a sign-out: with the last session the connection and its tokens go too, other sessions stay."""
    for has_another in (True, False):
        simulator.settings(people_count=9)
        person = "user0001" if has_another else "user0002"
        if has_another:
            other = Browser(host.url)
            other.sign_in(person)
        browser.sign_in(person)
        first = browser.session_cookie
        browser.sign_in("ada")
        assert session_row(site, first) is None
        assert not is_signed_in(host, first)
        assert is_signed_in(host, browser.session_cookie)
        assert (("connections", first[:32], "connection") in rows(site)) is has_another
        assert not has_another or is_signed_in(host, other.session_cookie)
        evidence(cases=1)


def set_cookies(reply: Reply) -> dict[str, tuple[str, dict[str, str]]]:
    """Each Set-Cookie line of the answer: name → value and attributes, names of attributes in lower case."""
    found = {}
    for line in reply.all("set-cookie"):
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        parted = [attribute.partition("=") for attribute in attributes]
        assert name not in found
        assert len(pair) <= 4096
        assert re.fullmatch(r"[A-Za-z0-9_-]*", value), line
        found[name] = value, {key.lower(): text.lower() for key, _, text in parted}
        assert len(found[name][1]) == len(attributes), "an attribute twice"
    return found


@pytest.mark.acceptance("B3")
@pytest.mark.parametrize("public_url", ["https://gatehouse.test", None], ids=["https", "http loopback"])
def test_cookies_reach_the_wire_each_on_a_line_of_its_own_with_exactly_these_attributes(
    site: Site, simulator: Simulator, public_url: str | None, evidence
) -> None:
    """`__Host-` and Secure follow the scheme of PUBLIC_URL, not the connection; the callback sets one cookie and
    removes another in the same answer."""
    host = site.start_host(public_url=public_url)
    name = urlsplit(public_url or host.url).netloc
    prefix = "__Host-" if public_url else "gatehouse-"
    secure = {"secure": ""} if public_url else {}
    always = {"path": "/", "httponly": "", "samesite": "lax"} | secure

    wanted = "/org/fabrikam/projects?" + "x" * 770
    begun = raw_http.send(host.port, "GET", f"/auth/login/azure-devops?return_to={wanted}", host=name)
    (pending, (sealed, attributes)), *none = set_cookies(begun).items()
    assert (begun.status, none) == (303, [])
    assert re.fullmatch(re.escape(prefix) + r"signin-[0-9a-f]{8}", pending)
    assert attributes == always | {"max-age": "600"}

    callback = Browser(host.url).consent(begun.header("location"), "ada")
    assert callback.startswith(f"{public_url or host.url}/auth/callback?")
    target = callback.removeprefix(public_url or host.url)
    done = raw_http.send(host.port, "GET", target, f"Cookie: {pending}={sealed}", host=name)
    assert (done.status, done.header("location")) == (303, wanted)
    lines = done.all("set-cookie")
    assert len(lines) == 2
    cookies = set_cookies(done)
    session, attributes = cookies[f"{prefix}session"]
    assert attributes == always
    assert re.fullmatch(r"[0-9a-f]{32}[A-Za-z0-9_-]{43}", session)
    assert cookies[pending] == ("", always | {"max-age": "0"})

    page = raw_http.send(host.port, "GET", "/auth/logout", f"Cookie: {prefix}session={session}", host=name)
    csrf = re.search(rb'name="csrf" value="([^"]+)"', page.body)[1]
    assert page.all("set-cookie") == []
    for other in {"__Host-session", "gatehouse-session", "session", "__Secure-session"} - {f"{prefix}session"}:
        unknown = raw_http.send(host.port, "GET", "/dashboard", JSON, f"Cookie: {other}={session}", host=name)
        assert unknown.status == 401

    ended = raw_http.send(
        host.port,
        "POST",
        "/auth/logout",
        f"Cookie: {prefix}session={session}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Origin: {public_url or host.url}",
        host=name,
        body=b"csrf=" + csrf,
    )
    assert (ended.status, ended.header("location")) == (303, "/auth/receipt")
    cookies = set_cookies(ended)
    assert cookies.pop(f"{prefix}session") == ("", always | {"max-age": "0"})
    ((receipt, (sealed, attributes)),) = cookies.items()
    assert (receipt, attributes) == (f"{prefix}receipt", always | {"max-age": "86400"})
    assert session[:32] not in sealed
    evidence(cases=5)
