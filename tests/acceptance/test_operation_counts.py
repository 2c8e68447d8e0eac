"""What each flow costs, in operations of the table service and in calls to Azure DevOps: the settled figures.

Counted by a proxy before the store, and by the simulator's log of calls.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import pytest

from shared.models.custody import sha256_hex
from tests.conftest import empty_tables
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site, start_site, tick
from tools.chaos.storage_proxy import StorageProxy

PROJECT = "/org/contoso-labs/project/Lighthouse"
USERS = 100
_numbers = count(1)


@pytest.fixture(scope="module")
def storage(azurite: str) -> Iterator[StorageProxy]:
    """A way of our own to the store, which is empty."""
    empty_tables(azurite)
    with closing(StorageProxy(azurite)) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def site(storage: StorageProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A simulator with many people beside the counted store."""
    started = start_site(tmp_path_factory.mktemp("site"), storage.connection_string)
    started.simulator.settings(people_count=300)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def signed_in(host: Host) -> Browser:
    browser = Browser(host.url)
    browser.sign_in(new_person())
    return browser


@pytest.fixture
def person(simulator: Simulator) -> str:
    """Somebody who never signed in before."""
    return new_person()


def new_person() -> str:
    return f"user{next(_numbers):04}"


def test_the_start_of_a_sign_in_writes_nothing(storage: StorageProxy, browser: Browser) -> None:
    """Anonymous visitors cost no operation: home page, sign-in start, a data view, a path that is not there."""
    with storage.counting() as operations:
        browser.begin()
        for path in ("/", "/dashboard", "/auth/logout", "/nowhere", "/healthz"):
            browser.get(path)
    assert operations == []


def test_the_callback_of_a_new_user_takes_four_operations(
    storage: StorageProxy, simulator: Simulator, browser: Browser, person: str
) -> None:
    """Burn, load, hint, one transaction; upstream one token call and one profile call."""
    callback = browser.consent(browser.begin(), person)
    simulator.clear_calls()
    with storage.counting() as operations:
        assert browser.get(callback).headers["Location"] == "/dashboard"
    assert operations == ["POST logins", "GET connections", "PUT due", "POST $batch"]
    assert targets(simulator) == ["POST /oauth2/token", "GET /_apis/profile/profiles/me"]


@pytest.mark.acceptance("S5")
@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/", []),
        ("/account", []),
        ("/dashboard", ["GET /_apis/accounts"]),
        ("/org/contoso-labs/projects", ["GET /contoso-labs/_apis/projects"]),
        (
            f"{PROJECT}/workitems",
            [
                "POST /contoso-labs/Lighthouse/_apis/wit/wiql",
                "POST /contoso-labs/Lighthouse/_apis/wit/workitemsbatch",
            ],
        ),
        (f"{PROJECT}/builds", ["GET /contoso-labs/Lighthouse/_apis/build/builds"]),
        (f"{PROJECT}/repos", ["GET /contoso-labs/Lighthouse/_apis/git/repositories"]),
    ],
)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_view_takes_one_operation_and_as_few_calls_as_settled(
    storage: StorageProxy,
    signed_in: Browser,
    simulator: Simulator,
    evidence: Report,
    path: str,
    upstream: list[str],
    accept: str,
) -> None:
    """One query of the user's partition; two calls for work items, one for each other view, none for the home page."""
    with storage.counting() as operations:
        assert signed_in.get(path, headers={"Accept": accept}).status_code == 200
    assert operations == ["GET connections"]
    assert targets(simulator) == upstream
    evidence(cases=1)


@pytest.mark.acceptance("S5")
def test_use_is_noted_every_ten_minutes(
    storage: StorageProxy, site: Site, simulator: Simulator, browser: Browser, person: str, evidence: Report
) -> None:
    """Eleven minutes later the first view writes seen_at, with one more operation, and the next one does not."""
    browser.sign_in(person)
    later = Browser(site.start_host(clock_offset=11 * 60).url, browser.http)
    first, second = (operations_of_a_view(storage, later) for _ in range(2))
    assert first == ["GET connections", "PATCH connections"]
    assert second == ["GET connections"]
    evidence(cases=1)


def test_a_refresh_on_request_takes_three_operations(
    storage: StorageProxy, site: Site, simulator: Simulator, browser: Browser, person: str
) -> None:
    """Load, lease, save; the hint is left to the timer."""
    simulator.settings(token_lifetime=60)
    browser.sign_in(person)
    simulator.clear_calls()
    later = Browser(site.start_host(clock_offset=45).url, browser.http)
    assert operations_of_a_view(storage, later) == ["GET connections", "PATCH connections", "PATCH connections"]
    assert targets(simulator) == ["POST /oauth2/token", "GET /_apis/accounts"]


def test_a_logout_takes_two_operations_while_other_sessions_remain(
    storage: StorageProxy, host: Host, simulator: Simulator, browser: Browser, person: str
) -> None:
    """Load, one transaction; nothing is asked of Azure DevOps."""
    browser.sign_in(person)
    Browser(host.url).sign_in(person)
    simulator.clear_calls()
    assert operations_of_a_logout(storage, browser) == ["GET connections", "POST $batch"]
    assert targets(simulator) == []


def test_ending_another_session_of_one_s_own_takes_two_operations(
    storage: StorageProxy, host: Host, simulator: Simulator, browser: Browser, person: str
) -> None:
    """Load, one transaction: the same as ending this one."""
    browser.sign_in(person)
    other = Browser(host.url)
    other.sign_in(person)
    digits = sha256_hex(other.session_cookie[32:])[:12]
    assert operations_of_a_logout(storage, browser, session=digits) == ["GET connections", "POST $batch"]


def test_disconnecting_takes_as_many_operations_as_the_last_logout(
    storage: StorageProxy, host: Host, simulator: Simulator, browser: Browser, person: str
) -> None:
    """However many sessions there are; the receipt is one query of the rows that it tells of."""
    simulator.settings(revoke=True)
    for _ in range(5):
        Browser(host.url).sign_in(person)
    browser.sign_in(person)
    operations = operations_of_a_logout(storage, browser, "/auth/disconnect")
    assert operations == ["GET connections", "PUT due", "POST $batch", "PUT connections"]
    with storage.counting() as operations:
        assert "has revoked both tokens" in browser.get("/auth/receipt").text
    assert operations == ["GET connections"]


def test_a_receipt_that_tells_of_no_revocation_asks_the_store_nothing(
    storage: StorageProxy, host: Host, simulator: Simulator, browser: Browser, person: str
) -> None:
    browser.sign_in(person)
    Browser(host.url).sign_in(person)
    browser.post("/auth/logout")
    with storage.counting() as operations:
        assert "You are signed out" in browser.get("/auth/receipt").text
    assert operations == []


@pytest.mark.parametrize("offered", [True, False])
def test_the_last_logout_takes_three_operations_and_one_for_the_outcome(
    storage: StorageProxy, simulator: Simulator, browser: Browser, person: str, offered: bool
) -> None:
    """Load, hint, one transaction; both tokens are offered for revocation; its row is reduced once settled."""
    simulator.settings(revoke=offered)
    browser.sign_in(person)
    simulator.clear_calls()
    assert operations_of_a_logout(storage, browser) == [
        "GET connections",
        "PUT due",
        "POST $batch",
        "PUT connections",
    ]
    assert targets(simulator) == ["POST /oauth2/revoke"] * 2


def test_a_logout_whose_revocation_is_not_settled_leaves_it_to_the_timer(
    storage: StorageProxy, simulator: Simulator, browser: Browser, person: str
) -> None:
    """Three operations: the row waits for the timer."""
    simulator.settings(revoke=True)
    browser.sign_in(person)
    simulator.faults({"match": {"grant": "revoke"}, "action": {"status": 503}})
    assert operations_of_a_logout(storage, browser) == ["GET connections", "PUT due", "POST $batch"]
    assert simulator.injected() == 2


def test_the_timer_takes_about_three_operations_per_due_user(
    storage: StorageProxy, site: Site, host: Host, simulator: Simulator
) -> None:
    """A hundred due users: load, lease, save each; two transactions move their hints; one query finds, one purges."""
    later = site.start_host(clock_offset=50 * 60)
    tick(later)  # whoever was left by the tests before is looked at
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: Browser(host.url).sign_in(name), [new_person() for _ in range(USERS)]))
    simulator.clear_calls()
    with storage.counting() as operations:
        report = tick(later)
    assert (report["looked"], report["refreshed"], report["failed"]) == (USERS, USERS, {})
    assert len(operations) / USERS <= 3.1, Counter(operations)
    assert Counter(operations) == {
        "GET due": 1,
        "GET connections": USERS,
        "PATCH connections": 2 * USERS,
        "POST $batch": 2,
        "GET logins": 1,
    }
    assert targets(simulator) == ["POST /oauth2/token"] * USERS


def test_the_purge_takes_one_query_a_tick(
    storage: StorageProxy, site: Site, simulator: Simulator, browser: Browser, person: str
) -> None:
    """Burnt states of more than an hour ago are found by one query; with nothing to do a tick is two queries."""
    browser.sign_in(person)
    later = site.start_host(clock_offset=3 * 3600)
    with storage.counting() as operations:
        assert tick(later)["purged_logins"] >= 1
    assert Counter(operations)["GET logins"] == 1
    with storage.counting() as operations:
        assert tick(later)["purged_logins"] == 0
    assert operations == ["GET due", "GET logins"]


def operations_of_a_view(storage: StorageProxy, browser: Browser) -> list[str]:
    with storage.counting() as operations:
        assert browser.get("/dashboard").status_code == 200
    return operations


def operations_of_a_logout(
    storage: StorageProxy, browser: Browser, path: str = "/auth/logout", **fields: str
) -> list[str]:
    csrf = browser.csrf()
    with storage.counting() as operations:
        assert browser.post(path, csrf, **fields).status_code == 303
    return operations


def targets(simulator: Simulator) -> list[str]:
    """Method and path of the calls, in their order."""
    return [f"{call['method']} {call['target'].partition('?')[0]}" for call in simulator.calls()]
