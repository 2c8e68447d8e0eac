"""Sign-in and refresh against an Entra ID that nobody here wrote: what our simulator believes is not only its belief.

`emulate` checks the redirect URI, the verifier and the client secret, signs id tokens with a key of its own, and
takes a refresh token once.
"""

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests import emulated_entra as emulated
from tests.acceptance.signing_in import rows, stored
from tests.conftest import part_is_missing
from tests.emulated_entra import ADA, BJORN, PERSONAL, EmulatedEntra
from tests.site import Browser, Host, Site, tick
from tools.chaos.clock import SERVICES, MovableClock
from tools.run.processes import free_port

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def entra(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedEntra]:
    if not emulated.installed():
        part_is_missing("emulate", "python3 tools/bootstrap.py emulate")
    home = f"http://127.0.0.1:{port}/"
    with emulated.emulated_entra(tmp_path_factory.mktemp("emulate"), [f"{home}auth/callback/entra", home]) as started:
        yield started


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> MovableClock:
    return MovableClock(tmp_path_factory.mktemp("clock") / "ahead")


@pytest.fixture(scope="module")
def host(site: Site, entra: EmulatedEntra, port: int, clock: MovableClock) -> Host:
    return site.start_host(
        port=port,
        services=SERVICES,
        **clock.setting,
        ENTRA_AUTHORITY_URL=entra.url,
        ENTRA_TENANT_ID=emulated.TENANT,
        ENTRA_CLIENT_ID=emulated.CLIENT_ID,
        ENTRA_CLIENT_SECRET=f"not-there-yet,{emulated.CLIENT_SECRET}",
    )


@pytest.fixture(autouse=True)
def this_hour(clock: MovableClock) -> None:
    clock.move_to(timedelta())


def enter(entra: EmulatedEntra, host: Host, email: str = ADA) -> tuple[Browser, str]:
    """A sign-in up to its callback, which is not visited yet."""
    browser = Browser(host.url)
    return browser, entra.choose(browser, browser.begin("/account", provider="entra"), email)


def test_a_sign_in_ends_in_a_session_of_the_person_whom_the_tokens_belong_to(
    azurite: str, entra: EmulatedEntra, host: Host
) -> None:
    """Discovery, PKCE, keys and id token of somebody else's making; the second client secret of the list is taken."""
    browser, callback = enter(entra, host)
    answer = browser.get(callback)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account"), answer.text
    assert "Ada Lovelace" in browser.get("/account").text
    connection = stored(azurite, browser).connection
    owner = entra.me(connection.access_token).json()
    assert (connection.subject, owner["mail"]) == (owner["id"], ADA)
    assert connection.issuer == f"{entra.url}/{emulated.TENANT}/v2.0"


def test_a_refresh_buys_tokens_again_and_again_with_the_newest_refresh_token(
    azurite: str, entra: EmulatedEntra, host: Host, clock: MovableClock
) -> None:
    """Three runs of the timer, an hour apart: each time other tokens, which are stored and good."""
    browser, callback = enter(entra, host)
    browser.get(callback)
    entra.proxy.forms.clear()
    known = [stored(azurite, browser).connection]
    for _ in range(3):
        clock.advance(HOUR)
        report = tick(host)
        assert (report["refreshed"], report["failed"]) == (1, {})
        known.append(stored(azurite, browser).connection)
    assert [connection.generation - known[0].generation for connection in known] == [0, 1, 2, 3]
    assert len({connection.refresh_token for connection in known}) == 4
    assert [entra.me(connection.access_token).status_code for connection in known] == [200] * 4
    assert "Ada Lovelace" in browser.get("/account").text
    sent = [form["refresh_token"] for form in entra.proxy.forms if form["grant_type"] == "refresh_token"]
    assert list(dict.fromkeys(sent)) == [connection.refresh_token for connection in known[:3]]


def test_a_refresh_token_that_the_service_does_not_know_ends_the_grant(
    azurite: str, entra: EmulatedEntra, host: Host, clock: MovableClock
) -> None:
    """Its invalid_grant is understood: no further try, and the person is asked to sign in again, which helps."""
    browser, callback = enter(entra, host)
    browser.get(callback)
    token = stored(azurite, browser).connection.refresh_token
    entra.forget(token)
    clock.advance(HOUR)
    assert tick(host)["failed"] == {"grant_ended": 1}
    assert browser.get("/dashboard").status_code == 401
    again = entra.choose(browser, browser.begin("/account", provider="entra"), ADA)
    assert browser.get(again).status_code == 303
    assert stored(azurite, browser).connection.status == "live"


def test_a_code_is_worthless_without_the_verifier_that_it_was_asked_for_with(
    azurite: str, entra: EmulatedEntra, host: Host
) -> None:
    """Put into somebody else's sign-in, it is refused there, and nobody is signed in."""
    _, stolen = enter(entra, host)
    thief, own = enter(entra, host)
    before = rows(azurite)["connections"]
    answer = thief.get(own.replace(code_of(own), code_of(stolen)))
    assert (answer.status_code, thief.session_cookie) == (400, None)
    assert rows(azurite)["connections"] == before


def code_of(callback: str) -> str:
    return parse_qs(urlsplit(callback).query)["code"][0]


@pytest.mark.parametrize(
    ("email", "words"),
    [(BJORN, "not for your organization"), (PERSONAL, "personal account")],
    ids=["foreign", "personal"],
)
def test_who_may_not_come_in_is_told_so(azurite: str, entra: EmulatedEntra, host: Host, email: str, words: str) -> None:
    """The tenant is read from tokens that are genuine: 403, and 0 rows."""
    browser, callback = enter(entra, host, email)
    before = rows(azurite)["connections"]
    answer = browser.get(callback)
    assert (answer.status_code, browser.session_cookie) == (403, None)
    assert words in answer.text
    assert email in answer.text
    assert rows(azurite)["connections"] == before


def test_the_way_out_leads_back_to_the_home_page(entra: EmulatedEntra, host: Host) -> None:
    """The link of the receipt, with the home page registered."""
    browser, callback = enter(entra, host)
    browser.get(callback)
    (link,) = re.findall(r'href="([^"]*/logout\?[^"]*)"', browser.sign_out().text)
    assert browser.get(html.unescape(link)).headers["Location"].rstrip("/") == host.url
