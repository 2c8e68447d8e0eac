"""Every event that the design names is written when it happens, on one line whatever the input (acceptance G3)."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from azure.data.tables import TableServiceClient

from tests import raw_http
from tests.acceptance.signing_in import under_way
from tests.evidence import Report
from tests.route_table import Page, pages
from tests.site import Browser, Simulator, Site, tick
from tools.chaos.clock import SERVICES, MovableClock
from tools.chaos.storage_proxy import StorageProxy
from tools.simulator import defaults

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
NOW = timedelta(0)
UNAVAILABLE = {"status": 503}


class Stage:
    """Two processes on one clock, whose store can be cut off."""

    def __init__(self, site: Site, storage: StorageProxy, simulator: Simulator, clock: MovableClock) -> None:
        self.site, self.storage, self.simulator, self.clock = site, storage, simulator, clock
        options = {"services": SERVICES, **clock.setting, "AzureWebJobsStorage": storage.connection_string}
        self.host = site.start_host(**options)
        self.twin = site.start_host(**options)

    def reset(self) -> None:
        """Back to now, with everybody's hints of the test before out of the way."""
        self.clock.move_to(NOW)
        self.simulator.faults()

    def signed_in(self, user: str = "ada") -> Browser:
        browser = Browser(self.host.url)
        assert browser.sign_in(user).status_code == 303
        return browser

    def after(self, passed: timedelta, browser: Browser) -> int:
        """Status of the dashboard when so much time has passed."""
        self.clock.move_to(passed)
        return browser.get("/dashboard").status_code

    def sign_out(self, browser: Browser) -> None:
        browser.http.post(
            f"{browser.base}/auth/logout",
            data={"csrf": browser.csrf()},
            headers={"Sec-Fetch-Site": "same-origin"},
            timeout=30,
        )


@pytest.fixture(scope="module")
def built(site: Site, storage: StorageProxy, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    clock = MovableClock(Path(tmp_path_factory.mktemp("clock"), "offset"))
    clock.move_to(NOW)
    return Stage(site, storage, site.simulator, clock)


@pytest.fixture
def stage(built: Stage, simulator: Simulator) -> Iterator[Stage]:
    built.reset()
    simulator.settings(people_count=20)
    yield built
    built.reset()


def a_sign_in(stage: Stage) -> None:
    stage.signed_in()


def a_callback_of_no_browser(stage: Stage) -> None:
    Browser(stage.host.url).get(under_way(Browser(stage.host.url)).url)


def a_declined_consent(stage: Stage) -> None:
    browser = Browser(stage.host.url)
    browser.get(browser.consent(browser.begin(), decision="deny"))


def a_store_that_is_gone(stage: Stage) -> None:
    attempt = under_way(Browser(stage.host.url))
    with stage.storage.gone():
        assert attempt.visit().status_code == 503


def a_profile_that_may_not_be_read(stage: Stage) -> None:
    attempt = under_way(Browser(stage.host.url))
    stage.simulator.faults({"match": {"path": "/_apis/profile"}, "action": {"status": 403, "json": {}}})
    assert attempt.visit().status_code == 403
    assert stage.simulator.injected() == 1


def a_refused_client_and_its_cure(stage: Stage) -> None:
    attempt = under_way(Browser(stage.host.url))
    stage.simulator.settings(client_secrets=["another"])
    assert attempt.visit().status_code == 503
    stage.simulator.settings(client_secrets=[defaults.CLIENT_SECRET])
    stage.signed_in()


def a_form_of_another_site(stage: Stage) -> None:
    browser = stage.signed_in()
    browser.http.post(f"{browser.base}/auth/logout", headers={"Sec-Fetch-Site": "cross-site"}, timeout=30)


def a_missing_permission(stage: Stage) -> None:
    browser = stage.signed_in()
    stage.simulator.faults({"match": {"path": "/_apis/accounts"}, "action": {"status": 403, "json": {}}})
    assert browser.get("/dashboard").status_code == 403


def a_pause_of_azure_devops(stage: Stage) -> None:
    browser = stage.signed_in("user0001")
    action = {"status": 429, "headers": {"Retry-After": "20"}, "json": {}}
    stage.simulator.faults({"match": {"path": "/_apis/accounts"}, "action": action})
    assert browser.get("/dashboard").status_code == 503


def a_refresh_on_request(stage: Stage) -> None:
    assert stage.after(56 * MINUTE, stage.signed_in("user0002")) == 200


def a_refresh_by_the_timer(stage: Stage) -> None:
    stage.signed_in("user0003")
    stage.clock.move_to(50 * MINUTE)
    tick(stage.host)


def a_refresh_without_an_answer(stage: Stage) -> None:
    browser = stage.signed_in("user0004")
    stage.simulator.faults({"match": {"grant": "refresh_token"}, "action": UNAVAILABLE})
    assert stage.after(61 * MINUTE, browser) == 503


def a_refresh_of_another_process(stage: Stage) -> None:
    browser = stage.signed_in("user0005")
    stage.simulator.faults({"match": {"grant": "refresh_token"}, "action": {"reply_delay": 1.5}})
    stage.clock.move_to(61 * MINUTE)
    first = threading.Thread(target=browser.get, args=["/dashboard"])
    first.start()
    while not any(call["grant"] == "refresh_token" for call in stage.simulator.calls("/oauth2/token")):
        time.sleep(0.02)
    assert Browser(stage.twin.url, browser.http).get("/dashboard").status_code == 200
    first.join()


def an_ended_grant(stage: Stage) -> None:
    browser = stage.signed_in("user0006")
    refusal = {"token_error": {"error": "invalid_grant", "description": 'gone\r\n{"event": "forged"}'}}
    stage.simulator.faults({"match": {"grant": "refresh_token"}, "action": refusal})
    stage.after(61 * MINUTE, browser)


def a_sign_out_with_revocation(stage: Stage) -> None:
    stage.simulator.settings(revoke=True)
    stage.sign_out(stage.signed_in("user0007"))


def a_sign_out_where_none_is_offered(stage: Stage) -> None:
    stage.sign_out(stage.signed_in("user0008"))


def a_revocation_that_is_never_taken(stage: Stage) -> None:
    stage.simulator.settings(revoke=True)
    stage.simulator.faults({"match": {"grant": "revoke"}, "action": UNAVAILABLE})
    stage.sign_out(stage.signed_in("user0009"))
    for passed in (2 * MINUTE, 91 * DAY):
        stage.clock.move_to(passed)
        tick(stage.host)


def a_session_that_was_left_alone(stage: Stage) -> None:
    stage.after(timedelta(hours=9), stage.signed_in("user0010"))


def a_row_that_does_not_open(stage: Stage) -> None:
    browser = stage.signed_in("user0011")
    with TableServiceClient.from_connection_string(stage.site.storage) as service:
        table = service.get_table_client("connections")
        row = table.get_entity(browser.session_cookie[:32], "connection")
        table.update_entity(row | {"access_token": row["access_token"][:-1] + b"?"})
    stuck = browser.get("/dashboard")
    assert (stuck.status_code, ">Sign in<" in stuck.text, ">Sign out<" in stuck.text) == (503, True, True)
    assert "Sign in with" in browser.get("/").text
    assert "Sign out now" in browser.get("/auth/logout").text


DRIVEN: dict[Callable[[Stage], None], dict[str, dict[str, object]]] = {
    a_sign_in: {"sign_in_started": {"provider": "azure-devops"}, "sign_in_completed": {"provider": "azure-devops"}},
    a_callback_of_no_browser: {"sign_in_failed": {"reason": "expired", "provider": "azure-devops"}},
    a_declined_consent: {"sign_in_failed": {"reason": "denied", "provider": "azure-devops"}},
    a_store_that_is_gone: {"sign_in_failed": {"reason": "store_unavailable", "provider": "azure-devops"}},
    a_profile_that_may_not_be_read: {
        "sign_in_failed": {"reason": "scope_missing", "provider": "azure-devops"},
        "denied": {"reason": "scope_missing"},
    },
    a_refused_client_and_its_cure: {
        "sign_in_failed": {"reason": "app_fault", "provider": "azure-devops"},
        "app_fault": {"provider": "azure-devops"},
        "app_fault_over": {"provider": "azure-devops"},
    },
    a_form_of_another_site: {"denied": {"reason": "forbidden"}},
    a_missing_permission: {"denied": {"reason": "access_denied"}},
    a_pause_of_azure_devops: {"upstream_throttled": {}},
    a_refresh_on_request: {"refreshed": {"by": "request"}},
    a_refresh_by_the_timer: {"refreshed": {"by": "timer"}, "tick": {}},
    a_refresh_without_an_answer: {"refresh_failed": {"by": "request", "reason": "unavailable"}},
    a_refresh_of_another_process: {"refreshed": {"by": "request"}, "refresh_adopted": {"by": "request"}},
    an_ended_grant: {"refresh_failed": {"reason": "grant_ended"}, "connection_ended": {"reason": "grant_ended"}},
    a_sign_out_with_revocation: {"signed_out": {}, "connection_ended": {"reason": "signed_out"}, "revoked": {}},
    a_sign_out_where_none_is_offered: {"signed_out": {}, "revocation_not_offered": {}},
    a_revocation_that_is_never_taken: {"revocation_delayed": {}, "revocation_given_up": {}},
    a_session_that_was_left_alone: {"session_expired": {}},
    a_row_that_does_not_open: {"unreadable": {"reason": "page"}},
}
NAMED = {
    *("sign_in_started", "sign_in_completed", "sign_in_failed", "signed_out", "session_expired", "refreshed"),
    *("refresh_adopted", "refresh_failed", "connection_ended", "revoked", "revocation_delayed", "unreadable"),
    *("revocation_not_offered", "revocation_given_up", "app_fault", "app_fault_over", "denied", "vault_stale"),
    *("upstream_throttled", "tick"),
}
"""By the design; `vault_stale` is driven with the vault's own tests."""
OF_A_PERSON = {"signed_out", "session_expired", "refreshed", "refresh_adopted", "refresh_failed", "connection_ended"}
OF_A_PERSON |= {"revoked", "revocation_delayed", "revocation_not_offered", "revocation_given_up", "unreadable"}
OF_A_SESSION = {"sign_in_completed", "signed_out", "session_expired"}


def events_of(stage: Stage, since: dict[str, int]) -> list[dict]:
    """What all processes told since then."""
    return [event for host in stage.site.hosts for event in host.events()[since.get(host.url, 0) :]]


@pytest.mark.acceptance("G3")
@pytest.mark.parametrize("happens", DRIVEN, ids=lambda happens: happens.__name__)
def test_what_happens_is_told(stage: Stage, happens: Callable[[Stage], None], evidence: Report) -> None:
    """With time in UTC, the id of the request, and hashes of who and which session, cut to twelve digits."""
    since = {host.url: len(host.events()) for host in stage.site.hosts}
    happens(stage)
    told = events_of(stage, since)
    for name, fields in DRIVEN[happens].items():
        found = [event for event in told if event["event"] == name and fields.items() <= event.items()]
        assert found, (name, told)
        for event in found:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["at"])
            assert re.fullmatch(r"[0-9a-f]{8,64}", event["correlation_id"])
            assert name not in OF_A_PERSON or re.fullmatch(r"[0-9a-f]{12}", event["user"])
            assert name not in OF_A_SESSION or re.fullmatch(r"[0-9a-f]{12}", event["session"])
            assert set(event.get("reason", "x")) <= set("abcdefghijklmnopqrstuvwxyz_")
        evidence(cases=1)


def test_every_event_of_the_design_is_driven() -> None:
    driven = {name for expected in DRIVEN.values() for name in expected}
    assert driven == NAMED - {"vault_stale"}


FORGED = '{"event": "forged", "at": "2026-01-01T00:00:00.000Z"}'
INPUTS = [f"x\r\n{FORGED}", f"x\n{FORGED}", f"\x1b[2J\x1b[31m{FORGED}", f"\u2028{FORGED}\u0085{FORGED}", "x" * 1500]
INPUTS += [f"gatehouse.events: {FORGED}", '"}' + FORGED]


@pytest.mark.acceptance("G3")
@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_no_input_forges_a_line(stage: Stage, page: Page, evidence: Report) -> None:
    """In path, query, form, cookie and headers of every page, by somebody signed in and by a stranger."""
    host, seen = stage.host, len(stage.host.child.output())
    browser = stage.signed_in()
    for text in INPUTS:
        coded, plain = quote(text, safe=""), text.encode("ascii", "ignore").decode().replace("\r", "").replace("\n", "")
        plain = plain.replace("\x1b", "")
        targets = [f"{page.path}?{coded}={coded}", f"{page.path.rstrip('/')}/{coded}"]
        targets += [page.path.replace("fabrikam", coded), f"{page.path}?state={coded}&code={coded}&error={coded}"]
        for target in targets:
            for cookie in (f"gatehouse-session={browser.session_cookie}", f"gatehouse-session={plain}; a={plain}"):
                headers = [f"Cookie: {cookie}", f"User-Agent: {plain}", f"Referer: {plain}", f"Accept: {plain}"]
                body = f"csrf={coded}&session={coded}".encode() if page.method == "POST" else b""
                kind = "Content-Type: application/x-www-form-urlencoded"
                assert raw_http.send(host.port, page.method, target, *headers, kind, body=body).status < 500
                evidence(cases=1)
    written = host.child.output()[seen:]
    assert "\x1b" not in written
    lines = written.splitlines()
    assert [line for line in lines if "forged" in line and not _is_one_whole_event(line)] == []
    assert host.events("forged") == []
    assert len(host.events()) >= 1


def _is_one_whole_event(line: str) -> bool:
    """Whether the line is one event of ours that only quotes what was sent."""
    _, mark, text = line.partition("gatehouse.events: ")
    return bool(mark) and json.loads(text)["event"] in NAMED
