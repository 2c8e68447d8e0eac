"""U1: how often and how long Azure DevOps is asked when it fails, is slow or is gone."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import count, pairwise

import pytest
import requests

from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site
from tools.run.processes import free_port

MAX_TRIES = 3
SLOWEST_DELAY = 30
"""Seconds that Azure DevOps delays a busy user's call (facts 4.10)."""
FIRST_RETRIES = 10
RETRY_SHARE = 0.1
_numbers = count(1)


@pytest.fixture(scope="module")
def delayed(site: Site, host: Host) -> Future[requests.Response]:
    """Ada's page whose call is delayed for 30 s; it is under way while the other tests of this module run."""
    browser = Browser(host.url)
    browser.sign_in("ada")
    site.simulator.faults({"match": {"user": "ada"}, "times": 1, "action": {"delay": SLOWEST_DELAY}})
    pool = ThreadPoolExecutor(1)
    page = pool.submit(browser.get, "/dashboard")
    while not site.simulator.injected():
        assert not page.done(), page.result().text
        time.sleep(0.05)
    pool.shutdown(wait=False)
    return page


@pytest.fixture(autouse=True)
def under_way(delayed: Future[requests.Response], simulator: Simulator) -> None:
    """The slow page begins before the first test, then the simulator is as after its start."""
    simulator.settings(people_count=50)


@pytest.fixture
def signed_in(site: Site, simulator: Simulator) -> Callable[..., Browser]:
    """A function that signs somebody new in, at a process of their own unless a host is given."""

    def sign_in(host: Host | None = None, **settings: str) -> Browser:
        browser = Browser((host or site.start_host(**settings)).url)
        browser.sign_in(f"user{next(_numbers):04}")
        simulator.clear_calls()
        return browser

    return sign_in


@pytest.mark.acceptance("U1")
@pytest.mark.parametrize(
    "action",
    [{"status": status} for status in (408, 500, 502, 503, 504)] + [{"drop": True}, {"commit_then_drop": True}],
    ids=str,
)
def test_what_passes_by_itself_is_tried_again(
    host: Host, simulator: Simulator, signed_in: Callable[..., Browser], action: dict, evidence: Report
) -> None:
    """One failure: the second try serves the page. For work items the POSTs only read, so they too are tried again."""
    browser = signed_in(host)
    simulator.faults({"match": {"path": "/_apis/"}, "times": 1, "action": action})
    assert browser.get("/org/contoso-labs/project/Lighthouse/workitems").status_code == 200
    assert [call["target"].partition("?")[0].rpartition("/")[2] for call in simulator.calls()] == [
        "wiql",
        "wiql",
        "workitemsbatch",
    ]
    evidence(cases=1, faults=simulator.injected())


@pytest.mark.acceptance("U1")
@pytest.mark.parametrize("action", [{"status": status} for status in (400, 403, 404, 409)], ids=str)
def test_a_refusal_is_not_tried_again(
    host: Host, simulator: Simulator, signed_in: Callable[..., Browser], action: dict, evidence: Report
) -> None:
    """4xx but 408 means the same the second time."""
    browser = signed_in(host)
    simulator.faults({"action": action})
    assert browser.get("/dashboard").status_code == (502 if action["status"] in (400, 409) else action["status"])
    assert len(simulator.calls()) == simulator.injected() == 1
    evidence(cases=1, faults=1)


@pytest.mark.acceptance("U1")
@pytest.mark.parametrize("action", [{"status": 503}, {"drop": True}], ids=str)
def test_a_page_makes_at_most_three_tries_and_says_so(
    simulator: Simulator, signed_in: Callable[..., Browser], action: dict, evidence: Report
) -> None:
    """Three tries with random pauses, then 503 as page and JSON, within seconds."""
    browser = signed_in()
    simulator.faults({"match": {"path": "/_apis/"}, "action": action})
    for ask in (browser.get, browser.api):
        simulator.clear_calls()
        began = time.monotonic()
        answer = ask("/org/contoso-labs/projects")
        assert answer.status_code == 503
        assert time.monotonic() - began < 10
        assert len(simulator.calls()) == MAX_TRIES
    assert simulator.injected() == 2 * MAX_TRIES
    evidence(cases=2, faults=2 * MAX_TRIES)


@pytest.mark.acceptance("U1")
def test_when_half_of_all_calls_fail_retries_stay_few(
    simulator: Simulator, signed_in: Callable[..., Browser], evidence: Report
) -> None:
    """No page tries more than three times, and retries stay below one in ten calls after the first ten."""
    browser = signed_in()
    simulator.faults({"match": {"path": "/_apis/"}, "probability": 0.5, "action": {"status": 503}})
    pages, tried = 40, []
    for _ in range(pages):
        before = len(simulator.calls())
        assert browser.get("/dashboard").status_code in (200, 503)
        tried.append(len(simulator.calls()) - before)
    assert set(tried) <= {1, 2, 3}
    retries = sum(tried) - pages
    assert FIRST_RETRIES <= retries <= FIRST_RETRIES + RETRY_SHARE * pages
    evidence(cases=1, faults=simulator.injected())


@pytest.mark.acceptance("U1")
def test_an_outage_is_not_met_with_three_times_the_load(
    simulator: Simulator, signed_in: Callable[..., Browser], evidence: Report
) -> None:
    """Everything fails for 30 pages: ten retries after random pauses, then one for every ten calls."""
    browser = signed_in()
    simulator.faults({"match": {"path": "/_apis/"}, "action": {"status": 502}})
    pages = 30
    assert {browser.get("/dashboard").status_code for _ in range(pages)} == {503}
    calls = simulator.calls()
    assert len(calls) - pages <= FIRST_RETRIES + RETRY_SHARE * pages
    times = [datetime.fromisoformat(call["time"]) for call in calls[: FIRST_RETRIES // 2 * MAX_TRIES]]
    pauses = [(second - first).total_seconds() for first, second in pairwise(times)]
    first, second = pauses[0::MAX_TRIES], pauses[1::MAX_TRIES]
    in_step = [*first, *(pause / 2 for pause in second)]  # the second pause is twice as long
    assert max(in_step) - min(in_step) > 0.12, "retries of many people must not come in step"
    evidence(cases=1, faults=simulator.injected())


@pytest.mark.acceptance("U1")
def test_a_dead_host_is_told_within_seconds(
    site: Site, simulator: Simulator, signed_in: Callable[..., Browser], evidence: Report
) -> None:
    """Nobody listens there: 503, the cookie stays, and the sign-in host is not bothered instead."""
    browser = signed_in(AZURE_DEVOPS_URL=f"http://127.0.0.1:{free_port()}")
    began = time.monotonic()
    for ask in (browser.get, browser.api):
        answer = ask("/org/contoso-labs/projects")
        assert answer.status_code == 503
        assert "Set-Cookie" not in answer.headers
    assert time.monotonic() - began < 20
    assert simulator.calls() == []
    assert browser.get("/dashboard").status_code == 200
    evidence(cases=1)


@pytest.mark.acceptance("U1")
def test_a_call_that_is_delayed_for_thirty_seconds_succeeds(
    delayed: Future[requests.Response], evidence: Report
) -> None:
    """The service slows busy users down instead of refusing them; giving up earlier would make an outage of it."""
    answer = delayed.result()
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= SLOWEST_DELAY
    assert "fabrikam" in answer.text
    evidence(cases=1, faults=1)
