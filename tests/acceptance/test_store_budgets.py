"""A store that refuses, is throttled or hangs, for some operations or for all: how often it is asked, how long people
wait for it, and what they are told (S2)."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from shared.models.custody import sha256_hex
from tests.acceptance.refreshing import OVER, PEOPLE, Person, arrive, is_signed_out
from tests.chaos_cases import Case
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site
from tools.chaos.storage_proxy import Delay, Fault, Refuse, StorageProxy
from tools.chaos.volley import Reply, fire

TRIES = 3
ANSWERED_WITHIN = 10
HANGS = Delay(40)
"""Longer than anybody may wait."""
EFFECTS = {"429": Refuse(429), "500": Refuse(500), "503": Refuse(503), "time-out": HANGS}
SHARES = (0.1, 0.5, 1.0)
SERVED = 0.999
"""Of all requests while a tenth of the operations fails."""
PAUSES = (0.25, 0.5)
"""The longest before the second and the third try."""
NOISE = 0.15
SEED = 1


@pytest.fixture(scope="module")
def host(site: Site, storage: StorageProxy) -> Host:
    """With threads for everybody, so that nobody waits for a turn."""
    site.simulator.settings(people_count=PEOPLE)
    return site.start_host(AzureWebJobsStorage=storage.connection_string, PYTHON_THREADPOOL_THREAD_COUNT="64")


@dataclass(frozen=True)
class Series:
    """Requests of one person, one after the other, whose operations alone are disturbed."""

    effect: str
    share: float
    person: Person
    fault: Fault
    requests: int


@dataclass(frozen=True)
class Seen:
    """An answer, and how often the store was asked for it."""

    reply: Reply
    tries: int


def series(people: Iterable[Person], lengths: dict[tuple[str, float], Sequence[int]]) -> list[Series]:
    """For each kind of fault and share as many people as there are lengths."""
    wanted = [(effect, share, length) for (effect, share), lengths_ in lengths.items() for length in lengths_]
    return [
        Series(effect, share, person, befalling(person, EFFECTS[effect], share=share, seed=SEED + number), length)
        for number, ((effect, share, length), person) in enumerate(zip(wanted, people, strict=True))
    ]


def befalling(person: Person, effect: Refuse | Delay, **how: Any) -> Fault:
    """A fault of the operations on this person's rows; the draws do not depend on what others do."""
    return Fault(effect=effect, holding=person.user_id.encode(), **how)


def asked_for(storage: StorageProxy, person: Person) -> int:
    """How many operations on this person's rows the store was asked for so far."""
    return sum(person.user_id.encode() in operation.raw for _, operation in list(storage.arrivals))


def run(storage: StorageProxy, host: Host, each: Series) -> list[Seen]:
    found = []
    for number in range(each.requests):
        before = asked_for(storage, each.person)
        reply = fire(each.person.asks(host, "/account", json=number % 2 == 1))
        found.append(Seen(reply, asked_for(storage, each.person) - before))
    return found


def lengths(whole: bool) -> dict[tuple[str, float], Sequence[int]]:
    """How many people of each kind ask how often; that all operations hang the slice leaves to another test."""
    tenth, half, hundred = SHARES
    found: dict[tuple[str, float], Sequence[int]] = {}
    for effect in EFFECTS:
        hangs = effect == "time-out"
        found[effect, tenth] = ([10] * 12 if hangs else [100] * 4) if whole else ([5] * 4 if hangs else [40])
        found[effect, half] = ([4] * 4 if hangs else [30]) if whole else ([1] * 3 if hangs else [6] * 2)
        found[effect, hundred] = ([2] * 3 if hangs else [8]) if whole else ([] if hangs else [2])
    return {kind: asked for kind, asked in found.items() if asked}


@pytest.mark.acceptance("S2")
def test_an_operation_is_tried_three_times_at_most_and_nobody_waits_longer_than_ten_seconds(
    storage: StorageProxy, host: Host, amount: Callable[..., int], evidence: Report, fault_case: Case
) -> None:
    """429, 500, 503 and silence, for 10, 50 and 100 % of the operations: served or 503 with Retry-After, never signed
    out; at 10 % 99.9 % are served."""
    wanted = lengths(whole=amount("S2") >= 300)
    people = arrive(host, sum(map(len, wanted.values())))
    lanes = series(people, wanted)
    with storage.injecting(*(each.fault for each in lanes)), ThreadPoolExecutor(len(lanes)) as pool:
        results = list(pool.map(lambda each: run(storage, host, each), lanes))
    for effect, share in wanted:
        mine = [n for n, each in enumerate(lanes) if (each.effect, each.share) == (effect, share)]
        seen = [one for n in mine for one in results[n]]
        injected = sum(lanes[n].fault.injected for n in mine)
        fault_case(f"S2 {effect}, {share:.0%} of the operations", injected=injected, expected={}, observed=wrong(seen))
        evidence(cases=len(seen), faults=injected, processes=[host.child.pid])
        if share == 1:
            assert {one.reply.status for one in seen} == {503}
            assert {one.tries for one in seen} == {TRIES}
    served = Counter(one.reply.status for n, each in enumerate(lanes) if each.share == SHARES[0] for one in results[n])
    assert served.total() - served[200] <= (1 - SERVED) * served.total(), served


def wrong(seen: Iterable[Seen]) -> dict[str, int]:
    """What an answer must not be."""
    found: Counter[str] = Counter()
    for one in seen:
        reply = one.reply
        found["tried too often"] += one.tries > TRIES
        found["too late"] += reply.seconds > ANSWERED_WITHIN
        found["signed out"] += is_signed_out(reply)
        found["neither served nor told to wait"] += not (
            reply.status == 200 or (reply.status == 503 and int(reply.headers.get("retry-after", 0)) >= 1)
        )
    return {what: count for what, count in found.items() if count}


Act = Callable[[], requests.Response]
Prepared = tuple[Act, dict[str, Any]]
"""Something to do, and which of its operations hang."""


def viewing(browser: Browser, person: Person, path: str = "/dashboard") -> Prepared:
    return lambda: browser.get(path), {"holding": person.user_id.encode()}


def leaving(browser: Browser, person: Person, path: str = "/auth/logout") -> Prepared:
    token = browser.csrf()
    return lambda: browser.post(path, token), {"holding": person.user_id.encode()}


def returning(browser: Browser, person: Person, **where: str) -> Prepared:
    """A sign-in that stands before its last step."""
    callback = browser.consent(browser.begin(), person.name)
    state = parse_qs(urlsplit(callback).query)["state"][0]
    holding = sha256_hex(state) if where == {"table": "logins"} else person.user_id
    return lambda: browser.get(callback), {"holding": holding.encode(), **where}


PREPARED: dict[str, Callable[[Browser, Person], Prepared]] = {
    "view": viewing,
    "home": partial(viewing, path="/"),
    "account": partial(viewing, path="/account"),
    "sign-out": leaving,
    "sign-out, transaction": lambda browser, person: (leaving(browser, person)[0], transactions_of(person)),
    "disconnect": partial(leaving, path="/auth/disconnect"),
    "callback, burn": partial(returning, table="logins"),
    "callback, load": partial(returning, table="connections"),
    "callback, hint": partial(returning, table="due"),
    "callback, transaction": partial(returning, table="$batch"),
}


def transactions_of(person: Person) -> dict[str, Any]:
    return {"holding": person.user_id.encode(), "table": "$batch"}


@pytest.mark.acceptance("S2")
def test_everything_that_people_do_ends_within_ten_seconds_when_the_store_hangs(
    site: Site, storage: StorageProxy, host: Host, simulator: Simulator, evidence: Report, fault_case: Case
) -> None:
    """Whatever takes several operations shares one budget between them; the session of before lives on."""
    later = site.start_host(AzureWebJobsStorage=storage.connection_string, clock_offset=OVER)
    doing, faults = dict[str, Act](), dict[str, Fault]()
    people = dict(zip([*PREPARED, "refresh"], arrive(host, len(PREPARED) + 1), strict=True))
    for name, prepare in PREPARED.items():
        doing[name], which = prepare(browser_of(people[name], host), people[name])
        faults[name] = Fault(effect=HANGS, **which)
    doing["refresh"] = partial(browser_of(people["refresh"], later).get, "/dashboard")
    faults["refresh"] = befalling(people["refresh"], HANGS, method="PATCH")
    with storage.injecting(*faults.values()), ThreadPoolExecutor(len(doing)) as pool:
        answers = dict(zip(doing, pool.map(timed, doing.values()), strict=True))
    for name, (answer, seconds) in answers.items():
        observed = {
            "status": answer.status_code,
            "told to wait": "Retry-After" in answer.headers,
            "signed out": "session" in answer.headers.get("Set-Cookie", ""),
            "in time": seconds <= ANSWERED_WITHIN,
        }
        expected = {"status": 503, "told to wait": True, "signed out": False, "in time": True}
        fault_case(f"S2 {name}: silence", injected=faults[name].injected, expected=expected, observed=observed)
    assert {browser_of(person, host).get("/account").status_code for person in people.values()} == {200}
    injected = sum(fault.injected for fault in faults.values())
    evidence(cases=len(answers), faults=injected, processes=[host.child.pid, later.child.pid])


def browser_of(person: Person, host: Host) -> Browser:
    browser = Browser(host.url)
    for name, value in person.cookies.items():
        browser.http.cookies.set(name, value, domain="127.0.0.1", path="/")
    return browser


def timed(act: Act) -> tuple[requests.Response, float]:
    began = time.monotonic()
    return act(), time.monotonic() - began


@pytest.mark.acceptance("S2")
@pytest.mark.parametrize(
    ("path", "fault", "status", "operations"),
    [
        ("/account", {"effect": Refuse(404), "method": "GET"}, 503, ["GET connections"]),
        ("/callback", {"effect": Refuse(409), "table": "logins"}, 303, ["POST logins", "GET connections"]),
        (
            "/callback",
            {"effect": Refuse(412), "table": "$batch", "times": 1},
            303,
            ["POST logins", *["GET connections", "PUT due", "POST $batch"] * 2],
        ),
        (
            "/auth/logout",
            {"effect": Refuse(404), "table": "$batch", "times": 1},
            303,
            ["GET connections", "POST $batch"] * 2,
        ),
        (
            "/auth/logout",
            {"effect": Refuse(412), "table": "$batch", "times": 1},
            303,
            ["GET connections", "POST $batch"] * 2,
        ),
    ],
    ids=["404 query", "409 insert", "412 sign-in", "404 sign-out", "412 sign-out"],
)
def test_a_refusal_for_a_reason_is_not_sent_again(
    storage: StorageProxy,
    host: Host,
    simulator: Simulator,
    evidence: Report,
    path: str,
    fault: dict[str, Any],
    status: int,
    operations: list[str],
) -> None:
    """404, 409 and 412 are answers: the flow loads anew and decides anew, or ends."""
    (person,) = arrive(host)
    browser = browser_of(person, host)
    Browser(host.url).sign_in(person.name)  # so that the sign-out is not the last
    token, callback = browser.csrf(), browser.consent(browser.begin(), person.name)
    injected = Fault(**fault)
    with storage.injecting(injected), storage.counting() as seen:
        if path == "/auth/logout":
            answer = browser.post(path, token)
        else:
            answer = browser.get(callback if path == "/callback" else path)
    assert (answer.status_code, seen, injected.injected) == (status, operations, 1)
    evidence(cases=1, faults=1)


@pytest.mark.acceptance("S2")
def test_the_store_is_left_alone_for_as_long_as_it_asks(
    storage: StorageProxy, host: Host, simulator: Simulator, evidence: Report
) -> None:
    """Retry-After in seconds: the next try waits for it; longer than we may wait, and people are told to wait."""
    browser = browser_of(arrive(host)[0], host)
    start = len(storage.arrivals)
    for status, seconds in ((503, 2), (429, 1)):
        fault = Fault(effect=Refuse(status, retry_after=str(seconds)), times=1)
        with storage.injecting(fault):
            assert browser.get("/account").status_code == 200
        first, second = (at for at, _ in storage.arrivals[start:])
        assert second - first >= seconds
        start = len(storage.arrivals)
        evidence(cases=1, faults=fault.injected)
    with storage.injecting(fault := Fault(effect=Refuse(503, retry_after="60"))), storage.counting() as operations:
        answer, seconds_taken = timed(lambda: browser.get("/account"))
    assert (answer.status_code, answer.headers["Retry-After"], operations) == (503, "60", ["GET connections"])
    assert seconds_taken < 1
    evidence(cases=1, faults=fault.injected)


@pytest.mark.acceptance("S2")
def test_tries_come_at_random_moments(
    storage: StorageProxy, host: Host, simulator: Simulator, evidence: Report
) -> None:
    """Full jitter: between nothing and the longest pause, so that many processes do not come back together."""

    def gaps(person: Person) -> list[tuple[float, ...]]:
        found = []
        for _ in range(4):
            start = len(storage.arrivals)
            assert fire(person.asks(host, "/account")).status == 503
            mine = [at for at, it in storage.arrivals[start:] if person.user_id.encode() in it.raw]
            found.append(tuple(later - sooner for sooner, later in pairwise(mine)))
        return found

    people = arrive(host, 5)
    with storage.injecting(fault := Fault(effect=Refuse(503))), ThreadPoolExecutor(len(people)) as pool:
        found = [pair for pairs in pool.map(gaps, people) for pair in pairs]
    for longest, pauses in zip(PAUSES, zip(*found, strict=True), strict=True):
        assert min(pauses) < longest / 2 < max(pauses)
        assert sorted(pauses)[len(pauses) // 2] <= longest + NOISE
    evidence(cases=len(found), faults=fault.injected)


@pytest.mark.acceptance("S2")
def test_whole_walks_go_on_while_a_tenth_of_all_operations_fails(
    storage: StorageProxy, host: Host, simulator: Simulator, amount: Callable[..., int], evidence: Report
) -> None:
    """Sign-in, views, sign-out, whatever the operation: nobody sees an error."""
    walks = amount("S2") // 10
    faults = [
        Fault(effect=effect, share=0.035, seed=SEED + n) for n, effect in enumerate(EFFECTS.values()) if effect != HANGS
    ]
    with storage.injecting(*faults):
        for person in range(walks):
            browser = Browser(host.url)
            assert browser.sign_in(f"user{PEOPLE - person:04}").headers["Location"] == "/dashboard"
            assert [browser.get(path).status_code for path in ("/account", "/dashboard", "/")] == [200] * 3
            assert browser.post("/auth/logout").headers["Location"] == "/auth/receipt"
    injected = sum(fault.injected for fault in faults)
    assert injected >= 3
    evidence(cases=walks * 6, faults=injected)
