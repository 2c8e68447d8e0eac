"""U2: when Azure DevOps asks a person's calls to wait, none of them goes out early, and the person is told."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count

import pytest

from tests.evidence import Report
from tests.site import Browser, Host, Simulator

LONGEST = 300
"""Seconds; longer pauses are cut."""
DEFAULT = 30
"""Seconds after a 429 that names none (facts 4.10)."""
_numbers = count(1)


@pytest.fixture
def signed_in(host: Host, simulator: Simulator) -> Callable[[], Browser]:
    """A function that signs somebody new in: pauses are kept per person."""
    simulator.settings(people_count=50)

    def sign_in() -> Browser:
        browser = Browser(host.url)
        browser.sign_in(f"user{next(_numbers):04}")
        simulator.clear_calls()
        return browser

    return sign_in


def at(seconds: float) -> str:
    """An HTTP date."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.acceptance("U2")
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("wanted", "least", "most"),
    [
        pytest.param(lambda: "17", 15, 17, id="seconds"),
        pytest.param(lambda: at(40), 36, 40, id="date"),
        pytest.param(lambda: "86400", LONGEST - 5, LONGEST, id="a-day"),
        pytest.param(lambda: "9" * 10, LONGEST - 5, LONGEST, id="a-life"),
        pytest.param(lambda: at(40_000_000), LONGEST - 5, LONGEST, id="date-far-away"),
    ],
)
def test_a_pause_with_a_refusal_is_kept_and_told(
    simulator: Simulator,
    signed_in: Callable[[], Browser],
    status: int,
    wanted: Callable[[], str],
    least: int,
    most: int,
    evidence: Report,
) -> None:
    """503 with Retry-After at once, and again without a call while the pause lasts; at most five minutes."""
    browser = signed_in()
    action = {"status": status, "headers": {"Retry-After": wanted()}}
    simulator.faults({"match": {"path": "/_apis/"}, "times": 1, "action": action})
    for ask in (browser.get, browser.api, browser.get):
        answer = ask("/org/contoso-labs/projects")
        assert answer.status_code == 503
        assert least <= int(answer.headers["Retry-After"]) <= most
        assert "Set-Cookie" not in answer.headers
    assert len(simulator.calls()) == 1
    evidence(cases=1, faults=simulator.injected())


@pytest.mark.acceptance("U2")
@pytest.mark.parametrize("value", [None, "soon", "-5", "1.5", "", "٣٠"], ids=repr)
def test_a_refusal_without_a_usable_pause_means_half_a_minute(
    simulator: Simulator, signed_in: Callable[[], Browser], value: str | None, evidence: Report
) -> None:
    """A 429 is obeyed also where it does not say how long."""
    browser = signed_in()
    headers = {} if value is None else {"Retry-After": value.encode().decode("latin-1")}
    simulator.faults({"match": {"path": "/_apis/"}, "times": 1, "action": {"status": 429, "headers": headers}})
    answers = [browser.get("/dashboard"), browser.api("/dashboard")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(DEFAULT - 3 <= int(answer.headers["Retry-After"]) <= DEFAULT for answer in answers)
    assert answers[1].json()["type"] == "urn:gatehouse:problem:throttled"
    assert len(simulator.calls()) == 1
    evidence(cases=1, faults=simulator.injected())


@pytest.mark.acceptance("U2")
@pytest.mark.parametrize(
    ("wanted", "least", "most"),
    [
        pytest.param(lambda: "25", 22, 25, id="seconds"),
        pytest.param(lambda: at(50), 46, 50, id="date"),
        pytest.param(lambda: "999999", LONGEST - 5, LONGEST, id="absurd"),
    ],
)
def test_a_pause_with_a_good_answer_serves_the_page_and_holds_the_next(
    simulator: Simulator,
    signed_in: Callable[[], Browser],
    wanted: Callable[[], str],
    least: int,
    most: int,
    evidence: Report,
) -> None:
    """Retry-After comes on HTTP 200 too: this page is shown, the next call waits, somebody else's does not."""
    browser, other = signed_in(), signed_in()
    simulator.faults({"times": 1, "action": {"headers": {"Retry-After": wanted()}}})
    assert browser.get("/dashboard").status_code == 200
    refused = browser.get("/dashboard")
    assert refused.status_code == 503
    assert least <= int(refused.headers["Retry-After"]) <= most
    assert len(simulator.calls()) == 1
    assert other.get("/dashboard").status_code == 200
    evidence(cases=1, faults=simulator.injected())


@pytest.mark.acceptance("U2")
@pytest.mark.parametrize("status", [200, 429, 503])
def test_a_short_pause_is_waited_out_within_the_page(
    simulator: Simulator, signed_in: Callable[[], Browser], status: int, evidence: Report
) -> None:
    """One second is waited for: every page is served, and no call comes early."""
    browser = signed_in()
    action = {"headers": {"Retry-After": "1"}} | ({} if status == 200 else {"status": status})
    simulator.faults({"times": 1, "action": action})
    answers = [browser.get("/dashboard"), browser.get("/dashboard")]
    served = [answer.status_code for answer in answers]
    first, second = (datetime.fromisoformat(call["time"]) for call in simulator.calls()[:2])
    assert second - first >= timedelta(seconds=0.99)
    assert served == ([503, 200] if status == 429 else [200, 200])
    evidence(cases=1, faults=simulator.injected())


@pytest.mark.acceptance("U2")
def test_a_pause_ends_by_itself(simulator: Simulator, signed_in: Callable[[], Browser], evidence: Report) -> None:
    """Told to come back in four seconds, a person who does so is served; one who comes early is told again."""
    browser = signed_in()
    simulator.faults({"times": 1, "action": {"status": 429, "headers": {"Retry-After": "4"}}})
    began = time.monotonic()
    answer = browser.get("/dashboard")
    assert answer.status_code == 503
    assert browser.get("/dashboard").status_code == 503
    time.sleep(int(answer.headers["Retry-After"]) - (time.monotonic() - began))
    assert browser.get("/dashboard").status_code == 200
    first, second = (datetime.fromisoformat(call["time"]) for call in simulator.calls())
    assert second - first >= timedelta(seconds=3.99)
    evidence(cases=1, faults=simulator.injected())
