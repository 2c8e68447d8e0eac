"""Keys and client secrets replaced while processes run: who knows the new one first, when the old one may go."""

from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.data.tables import TableServiceClient

from shared.sealing import id_of, key_id_of
from tests.local_vault import ENCRYPTION_KEY, LEGACY_SECRET, LocalVault
from tests.site import KEY, Browser, Host, Site, tick
from tests.vault_fleet import FRESH, Fleet, pages, statuses
from tools.chaos.clock import MovableClock
from tools.simulator import defaults

HOUR = 3600
KEYS = [f"{number:02x}" * 32 for number in range(1, 40)]
VAULT_CALLS = {"path": "^/secrets"}


@pytest.fixture(scope="module")
def fleet(site: Site, vault: LocalVault, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Two processes; more come as tests want them."""
    site.simulator.settings(people_count=1000)
    fleet = Fleet(site, vault, MovableClock(tmp_path_factory.mktemp("clock") / "clock"))
    fleet.launch("first", "second")
    return fleet


class Keys:
    """The list of encryption keys in the vault, newest first."""

    def __init__(self, vault: LocalVault) -> None:
        self._vault = vault
        self._unused = iter(KEYS)
        self.list = [KEY]

    def rotate(self) -> str:
        """A new one in front; its id."""
        self.set([next(self._unused), *self.list])
        return self.newest_id

    def set(self, keys: list[str]) -> None:
        self.list = keys
        self._vault.put(ENCRYPTION_KEY, ",".join(keys))

    @property
    def newest_id(self) -> str:
        return id_of(bytes.fromhex(self.list[0]))


@pytest.fixture(scope="module")
def keys(vault: LocalVault) -> Keys:
    return Keys(vault)


def rows(site: Site) -> list[dict[str, Any]]:
    """Every row with something sealed in it: connections, and tokens that wait to be revoked."""
    with TableServiceClient.from_connection_string(site.storage) as service:
        found = [dict(entity) for entity in service.get_table_client("connections").list_entities()]
    return [row for row in found if "access_token" in row]


def under(site: Site) -> Counter[str]:
    """Rows by the id of the key that they are really sealed with."""
    sealed = [
        (row["key_id"], {key_id_of(row[name]) for name in ("access_token", "refresh_token")}) for row in rows(site)
    ]
    assert all(real == {said} for said, real in sealed)
    return Counter(said for said, _ in sealed)


def unaware_and_aware(fleet: Fleet, keys: Keys, name: str) -> tuple[Host, Host]:
    """A process that read the keys just before they were rotated, and one that started right after."""
    fleet.vault.faults()
    fleet.jump(FRESH)
    unaware = fleet.hosts["second"]
    assert Browser(unaware.url).get("/auth/login/azure-devops").status_code == 303
    fleet.vault.settle()
    keys.rotate()
    (aware,) = fleet.launch(name)
    return unaware, aware


@pytest.mark.acceptance("F5")
def test_a_row_under_a_key_that_only_another_process_knows_is_served_after_one_re_read(
    fleet: Fleet, keys: Keys, evidence
) -> None:
    """Pages of many people at once: one forced read between them, and all are served."""
    unaware, aware = unaware_and_aware(fleet, keys, "aware-pages")
    people = [fleet.person_at(aware) for _ in range(8)]
    before = fleet.vault.last()
    assert statuses(pages(people, at=unaware)) == {200}
    assert fleet.reads(before, "second") == {("second", ENCRYPTION_KEY): 1}
    assert under(fleet.site)[keys.newest_id] >= len(people)
    evidence(cases=1, processes=[unaware.child.pid, aware.child.pid])


@pytest.mark.acceptance("F5")
def test_somebody_whose_row_is_under_an_unknown_key_can_sign_in_again(fleet: Fleet, keys: Keys, evidence) -> None:
    """The sign-in reads the keys once more and replaces the tokens as always; the old ones are not lost track of."""
    fleet.site.simulator.settings(revoke=True)
    unaware, aware = unaware_and_aware(fleet, keys, "aware-sign-in")
    before = fleet.vault.last()
    for host in (aware, unaware):
        assert Browser(host.url).sign_in("chen").headers["Location"] == "/dashboard"
    assert fleet.reads(before, "second")["second", ENCRYPTION_KEY] == 1
    replaced = [row for row in rows(fleet.site) if row["RowKey"].startswith("revocation:")]
    assert len(replaced) == 1, "sealed for a revocation, so it was opened"
    fleet.site.simulator.settings(revoke=False)
    evidence(cases=1, processes=[unaware.child.pid, aware.child.pid])


@pytest.mark.acceptance("F5")
def test_a_sign_in_that_began_where_the_key_is_known_ends_where_it_is_not(fleet: Fleet, keys: Keys, evidence) -> None:
    """The pending sign-in is a sealed cookie: the other process opens it after one forced read, and then misses the
    code; a cookie that does not open would be `expired`."""
    unaware, aware = unaware_and_aware(fleet, keys, "aware-cookie")
    browser = Browser(aware.url)
    state = parse_qs(urlsplit(browser.begin()).query)["state"][0]
    before, began = fleet.vault.last(), fleet.now()
    browser.get(f"{unaware.url}/auth/callback?state={state}")
    assert [event["reason"] for event in unaware.events("sign_in_failed") if event["at"] >= began] == ["denied"]
    assert fleet.reads(before, "second") == {("second", ENCRYPTION_KEY): 1}
    evidence(cases=1, processes=[unaware.child.pid, aware.child.pid])


@pytest.mark.acceptance("F5")
def test_an_unknown_key_is_waited_for_and_nothing_is_deleted_meanwhile(fleet: Fleet, keys: Keys, evidence) -> None:
    """While the vault is gone: 503 with Retry-After for page, sign-in and sign-out, the timer leaves the row alone;
    then it is served by the same cookie."""
    unaware, aware = unaware_and_aware(fleet, keys, "aware-waiting")
    person = fleet.person_at(aware)
    csrf = person.csrf()
    fleet.vault.faults({"match": VAULT_CALLS | {"user": "second"}, "action": {"drop": True}})
    stored = rows(fleet.site)
    there = Browser(unaware.url, person.http)
    headers = {"Sec-Fetch-Site": "same-origin"}
    answers = [there.get("/dashboard"), there.api("/dashboard"), there.get("/")]
    answers.append(person.http.post(f"{unaware.url}/auth/logout", data={"csrf": csrf}, headers=headers, timeout=30))
    for answer in answers:
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (503, False)
        assert int(answer.headers["Retry-After"]) >= 1
    fleet.jump(50 * 60)
    tick(unaware)
    kept = {row["RowKey"]: row["key_id"] for row in rows(fleet.site) if row["key_id"] == keys.newest_id}
    assert kept == {row["RowKey"]: row["key_id"] for row in stored if row["key_id"] == keys.newest_id}
    assert fleet.vault.injected() >= 1
    fleet.vault.faults()
    fleet.jump(FRESH)
    assert there.get("/dashboard").status_code == 200
    evidence(processes=[unaware.child.pid, aware.child.pid])


@pytest.mark.acceptance("F6")
def test_keys_are_rotated_twice_under_load_and_the_first_one_may_go(fleet: Fleet, keys: Keys, evidence, amount) -> None:
    """All requests are served; an hour after each rotation no row is under the key before it, so its removal harms
    nobody. A revocation that waits is sealed anew too."""
    fleet.site.simulator.settings(revoke=True)
    fleet.jump(FRESH)
    first, second = fleet.hosts["first"], fleet.hosts["second"]
    people = [fleet.person_at(host) for host in (first, second) * 4]
    fleet.site.simulator.settings(token_lifetime=5 * HOUR)  # not due for a refresh within an hour
    people += [fleet.person_at(host) for host in (first, second)]
    fleet.site.simulator.settings(token_lifetime=HOUR)
    fleet.site.simulator.faults({"match": {"path": "^/oauth2/revoke"}, "action": {"status": 503}})
    leaving = fleet.person_at(first)
    leaving.sign_out()
    replies = []
    history = [keys.newest_id]
    for _ in range(2):
        history.append(keys.rotate())
        reports = []
        for _ in range(12):
            fleet.jump(FRESH)
            replies += pages(people, at=first) + pages(people, at=second)
            reports.append(tick(first))
        assert set(under(fleet.site)) == {keys.newest_id}
        assert any(row["RowKey"].startswith("revocation:") for row in rows(fleet.site))
        assert reports[-1]["old_key"] == 0
        assert sum(report["refreshed"] for report in reports) == sum(
            report["refreshed_by_key"].get(keys.newest_id, 0) for report in reports
        )
    assert len(set(history)) == 3
    keys.set(keys.list[:2])
    for _ in range(3):
        fleet.jump(FRESH)
        replies += pages(people, at=first) + pages(people, at=second)
        assert tick(first)["failed"] == {}
    assert statuses(replies) == {200}
    assert len(replies) >= amount("F6")
    fleet.site.simulator.faults()
    fleet.site.simulator.settings(revoke=False)
    evidence(cases=len(replies), processes=[first.child.pid, second.child.pid])


def test_connections_of_an_old_client_secret_are_counted_down(fleet: Fleet) -> None:
    """`old_secret` of the report: all of them at first, none once they were refreshed with the new one."""
    old, new = defaults.CLIENT_SECRET, "another-legacy-secret"
    first = fleet.hosts["first"]
    fleet.jump(HOUR)
    assert tick(first)["old_secret"] == 0
    fleet.site.simulator.settings(client_secrets=[new, old])
    fleet.vault.put(LEGACY_SECRET, f"{new},{old}")
    fleet.jump(50 * 60)
    fleet.person_at(first)  # the list is read: while one worker of the timer does, the others go on with the old one
    fleet.vault.settle()
    seen = tick(first)
    assert seen["refreshed_by_secret"] == {id_of(new): seen["refreshed"]}
    assert seen["old_secret"] == 0
    fleet.vault.put(LEGACY_SECRET, f"third-secret,{new}")
    fleet.jump(50 * 60)
    still = tick(first)
    assert still["refreshed_by_secret"] == {id_of(new): still["refreshed"]}
    assert still["old_secret"] == still["by_provider"]["azure-devops"] > 0
