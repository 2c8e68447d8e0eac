"""What a row takes: keys are hashes whatever a person is called, a token may have some 60 KiB, a larger one is refused
before the store could refuse it (S5). What a view costs in operations stands in test_operation_counts."""

import json
import re
import secrets
from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from azure.data.tables import TableServiceClient

from shared.models.custody import Connection, Status
from tests.acceptance.refreshing import OVER, SERVES
from tests.acceptance.signing_in import rows, stored, tokens_bought_elsewhere, under_way
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site
from tools.chaos.storage_proxy import StorageProxy

FITS, TOO_LARGE = (4, 40, 59), (70, 600)
"""Sizes of tokens in KiB; of the last one even the answer is longer than we read."""
KINDS = ("access_token", "refresh_token")
SAID = "larger than this site can store"
KEYS = {
    "connections": r"[0-9a-f]{32}/(connection|sessions|session:[0-9a-f]{64}|revocation:[0-9a-f]{16})",
    "due": r"due/[0-9]{14}:[0-9a-f]{32}",
    "logins": r"[0-9]{11}0/[0-9a-f]{64}",
}
GOOD_IDS = {
    "of a URL": "../connections?$filter=a eq 'b'#",
    "of a filter": "' or PartitionKey ne '",
    "with the characters that keys must not have": "a/b\\c#d?e\t\r\n\x7f%2F",
    "with a NUL, as between the parts": "azure-devops\0another",
    "in another script": "山田" * 64,
    "of 128 characters": "x" * 128,
}
BAD_IDS = {
    "empty": "",
    "of 129 characters": "x" * 129,
    "half a character": "\ud800",
    "a number": 7,
    "null": None,
    "a list": ["id"],
}
_numbers = count(1)


@pytest.fixture(scope="module")
def later(site: Site, storage: StorageProxy) -> dict[int, Host]:
    """Hosts by their clock: a token is due and serves, or is over."""
    clocks = (SERVES, OVER)
    return {
        clock: site.start_host(clock_offset=clock, AzureWebJobsStorage=storage.connection_string) for clock in clocks
    }


@pytest.fixture(autouse=True)
def never_refused(storage: StorageProxy) -> Iterator[None]:
    """Whatever a test does: no 400 of the store, nor any other refusal of a value."""
    yield
    assert [each for each in storage.refusals if not each.endswith((" 404", " 409", " 412"))] == []


def answering(tokens: dict[str, Any], profile: object) -> list[dict[str, Any]]:
    """Faults by which the service gives these tokens, and knows who has them."""
    answers = {
        "/oauth2/token": tokens,
        "/profiles/me": {"id": profile, "displayName": "Zoë"},
        "/_apis/accounts": {"value": []},
    }
    sent = {"status": 200, "headers": {"Content-Type": "application/json"}}
    return [{"match": {"path": path}, "action": sent | {"body": json.dumps(it)}} for path, it in answers.items()]


def of_size(tokens: dict[str, Any], kind: str, kibibytes: int) -> dict[str, Any]:
    """As random as all of them: what is alike in two secrets or in a name would be taken for a leak."""
    return tokens | {kind: (tokens[kind] + secrets.token_hex(kibibytes * 512))[: kibibytes * 1024]}


def new_id() -> str:
    return str(UUID(int=next(_numbers)))


def at(host: Host, browser: Browser) -> Browser:
    return Browser(host.url, browser.http)


@pytest.mark.acceptance("S5")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", FITS)
def test_a_token_that_fits_lives_through_everything(
    azurite: str,
    storage: StorageProxy,
    counted: Host,
    later: dict[int, Host],
    simulator: Simulator,
    browser: Browser,
    evidence: Report,
    size: int,
    kind: str,
) -> None:
    """Sign-in, view, refresh, sign-out with tokens of 4, 40 and 59 KiB; the view is one operation."""
    browser.base = counted.url
    attempt, tokens = under_way(browser), of_size(tokens_bought_elsewhere(simulator, counted), kind, size)
    simulator.faults(*answering(tokens, new_id()))
    assert attempt.visit().headers["Location"] == "/dashboard"
    assert token_of(azurite, browser, kind) == tokens[kind]
    with storage.counting() as operations:
        assert browser.get("/dashboard").status_code == 200
    assert operations == ["GET connections"]
    assert at(later[OVER], browser).get("/dashboard").status_code == 200
    assert connection(azurite, browser).generation == 2
    assert token_of(azurite, browser, kind) == tokens[kind]
    assert browser.sign_out().status_code == 200
    evidence(cases=1)


def connection(azurite: str, browser: Browser) -> Connection:
    found = stored(azurite, browser).connection
    assert found
    return found


def token_of(azurite: str, browser: Browser, kind: str) -> str:
    return str(getattr(connection(azurite, browser), kind))


@pytest.mark.acceptance("S5")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", TOO_LARGE)
def test_a_token_that_does_not_fit_is_refused_at_sign_in_with_a_page_that_says_so(
    azurite: str, counted: Host, simulator: Simulator, browser: Browser, evidence: Report, size: int, kind: str
) -> None:
    """70 and 600 KiB: no session, and no row but the burnt state and a hint."""
    browser.base = counted.url
    attempt, tokens = under_way(browser), of_size(tokens_bought_elsewhere(simulator, counted), kind, size)
    before, who = rows(azurite), new_id()
    simulator.faults(*answering(tokens, who))
    answer = attempt.visit()
    assert (answer.status_code, SAID in answer.text) == (400, True), answer.text
    assert browser.session_cookie is None
    after = rows(azurite)
    assert after | {"due": 0} == before | {"due": 0, "logins": before["logins"] + 1}
    evidence(cases=1)


@pytest.mark.acceptance("S5")
@pytest.mark.parametrize("kind", KINDS)
def test_a_token_that_grows_after_the_sign_in_is_no_fault_of_ours_and_signs_nobody_out(
    azurite: str,
    counted: Host,
    later: dict[int, Host],
    simulator: Simulator,
    browser: Browser,
    evidence: Report,
    kind: str,
) -> None:
    """A refresh that brings 70 KiB: the old access token serves to its end, then a page asks to sign in again."""
    browser.base, who = counted.url, new_id()
    tokens = tokens_bought_elsewhere(simulator, counted)
    simulator.faults(*answering(tokens, who))
    browser.sign_in()
    cookie = browser.session_cookie
    simulator.faults(*answering(of_size(tokens, kind, 70), who))
    assert at(later[SERVES], browser).get("/dashboard").status_code == 200
    found = connection(azurite, browser)
    assert (found.status, found.reason, found.lease) == (Status.RECONNECT, "token_too_large", None)
    answer = at(later[OVER], browser).get("/dashboard")
    assert (answer.status_code, "sign in again" in answer.text) == (401, True)
    assert browser.session_cookie == cookie
    assert [event["reason"] for event in later[SERVES].events("connection_ended")][-1] == "token_too_large"
    simulator.faults(*answering(tokens, who))
    assert browser.sign_in().headers["Location"] == "/dashboard"
    evidence(cases=1)


@pytest.mark.acceptance("S5")
@pytest.mark.parametrize("name", GOOD_IDS)
def test_whatever_a_person_is_called_the_keys_are_of_the_safe_alphabet(
    azurite: str,
    counted: Host,
    later: dict[int, Host],
    simulator: Simulator,
    browser: Browser,
    evidence: Report,
    name: str,
) -> None:
    """Sign-in, view, refresh and sign-out; the id itself is a property like any other."""
    browser.base = counted.url
    simulator.faults(*answering(tokens_bought_elsewhere(simulator, counted), GOOD_IDS[name]))
    assert browser.sign_in().headers["Location"] == "/dashboard"
    assert connection(azurite, browser).subject == GOOD_IDS[name].lower()
    assert at(later[OVER], browser).get("/dashboard").status_code == 200
    assert strange_keys(azurite) == []
    assert browser.sign_out().status_code == 200
    assert strange_keys(azurite) == []
    evidence(cases=1)


@pytest.mark.acceptance("S5")
@pytest.mark.parametrize("name", BAD_IDS)
def test_what_is_no_id_is_refused_before_the_store_sees_it(
    azurite: str, counted: Host, simulator: Simulator, browser: Browser, evidence: Report, name: str
) -> None:
    browser.base = counted.url
    attempt, tokens = under_way(browser), tokens_bought_elsewhere(simulator, counted)
    before = rows(azurite)
    simulator.faults(*answering(tokens, BAD_IDS[name]))
    answer = attempt.visit()
    assert (answer.status_code, "Start the sign-in again" in answer.text) == (503, True), answer.text
    assert browser.session_cookie is None
    assert rows(azurite) == before | {"logins": before["logins"] + 1}
    evidence(cases=1)


def strange_keys(azurite: str) -> list[str]:
    """Keys of any row that are not as the design has them."""
    with TableServiceClient.from_connection_string(azurite) as service:
        found = [
            (table, f"{row['PartitionKey']}/{row['RowKey']}")
            for table in KEYS
            for row in service.get_table_client(table).list_entities()
        ]
    assert found
    return [f"{table}: {key}" for table, key in found if not re.fullmatch(KEYS[table], key)]
