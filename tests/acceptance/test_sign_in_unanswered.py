"""A sign-in whose write gets no reply: it goes on from what is stored, and leaves no token alive that nobody knows."""

from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest

from tests.acceptance.revoking import left_there
from tests.acceptance.signing_in import stored
from tests.conftest import empty_tables
from tests.site import Browser, Host, Simulator, Site, start_site
from tools.chaos.storage_proxy import Cut, Fault, LoseReply, StorageProxy

TRIES = 3
"""Of one operation, before the flow itself begins anew."""
_numbers = count(1)


@pytest.fixture(scope="module")
def storage(azurite: str) -> Iterator[StorageProxy]:
    empty_tables(azurite)
    with closing(StorageProxy(azurite)) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def site(storage: StorageProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    started = start_site(tmp_path_factory.mktemp("site"), storage.connection_string)
    started.simulator.settings(people_count=20)
    yield started
    started.stop()


@pytest.fixture
def person(simulator: Simulator) -> str:
    simulator.settings(revoke=True)
    return f"user{next(_numbers):04}"


def transactions(effect: Cut | LoseReply, **how: int) -> Fault:
    """The transaction of the sign-in; the hint before it is a single upsert."""
    return Fault(effect=effect, table="$batch", **how)


@pytest.mark.parametrize("effect", [Cut(), LoseReply()], ids=["never arrived", "reply lost"])
@pytest.mark.parametrize("times", [1, TRIES])
def test_a_transaction_without_a_reply_is_found_or_sent_again(
    storage: StorageProxy, browser: Browser, simulator: Simulator, person: str, effect: Cut | LoseReply, times: int
) -> None:
    """The person is signed in by one token call, with one session, and nothing is withdrawn."""
    fault = transactions(effect, times=times)
    with storage.injecting(fault):
        assert browser.sign_in(person).headers["Location"] == "/dashboard"
    assert 1 <= fault.injected <= times
    assert browser.get("/dashboard").status_code == 200
    assert len(stored(storage.connection_string, browser).sessions) == 1
    assert simulator.calls("/oauth2/revoke") == []


def test_where_no_reply_ever_comes_nothing_is_left_alive(
    storage: StorageProxy, browser: Browser, simulator: Simulator, person: str
) -> None:
    """503, no session cookie, and both tokens withdrawn: nobody else can live on them."""
    fault = transactions(Cut())
    with storage.injecting(fault):
        answer = browser.sign_in(person)
    assert (answer.status_code, browser.session_cookie) == (503, None)
    assert fault.injected > TRIES
    assert left_there(simulator, [person]) == []
    assert browser.sign_in(person).status_code == 303


def test_other_browsers_of_the_person_never_lose_their_tokens_to_it(
    storage: StorageProxy, host: Host, browser: Browser, simulator: Simulator, person: str
) -> None:
    """Whether the replies are lost or the requests: where they may live on the new tokens, those are left alone."""
    other = Browser(host.url)
    other.sign_in(person)
    for effect in (LoseReply(), Cut()):
        fault = transactions(effect)
        with storage.injecting(fault):
            browser.sign_in(person)
        assert fault.injected
        assert other.get("/dashboard").status_code == 200
    assert simulator.calls("/oauth2/revoke") == []
