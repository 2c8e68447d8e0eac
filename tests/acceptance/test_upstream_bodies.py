"""U4: answers of Azure DevOps that are too large, broken or endless cost a page, never the process."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.evidence import Report
from tests.shared.azure_devops.scripted_server import Response, ScriptedServer, scripted_server
from tests.site import Browser, Host, Simulator, Site

MIB = 1024 * 1024
MAX_BODY = 10 * MIB
MAX_GROWTH = 64 * MIB
LONGEST = 35
"""Seconds."""
PATH = "/org/contoso-labs/projects"
_numbers = count(1)


@pytest.fixture(scope="module")
def raw(site: Site) -> Iterator[ScriptedServer]:
    """A server in the place of dev.azure.com, for bytes that the simulator does not send."""
    with scripted_server(lambda _: Response(500)) as server:
        yield server


@pytest.fixture(scope="module")
def raw_host(site: Site, raw: ScriptedServer) -> Host:
    return site.start_host(AZURE_DEVOPS_URL=raw.url)


@pytest.fixture
def signed_in(simulator: Simulator) -> Callable[[Host], Browser]:
    """A function that signs somebody new in at a host."""
    simulator.settings(people_count=100)

    def sign_in(host: Host) -> Browser:
        browser = Browser(host.url)
        browser.sign_in(f"user{next(_numbers):04}")
        simulator.clear_calls()
        return browser

    return sign_in


def judge(host: Host, browser: Browser) -> None:
    """502 as page and JSON, in time, within memory, with nothing of the body in it; and the process is well."""
    before = forget_peak(host)
    for ask, content_type in ((browser.get, "text/html"), (browser.api, "application/problem+json")):
        began = time.monotonic()
        answer = ask(PATH)
        assert time.monotonic() - began < LONGEST
        assert answer.status_code == 502, answer.text
        assert answer.headers["Content-Type"] == f"{content_type}; charset=utf-8"
        assert len(answer.content) < 10_000
        assert "Set-Cookie" not in answer.headers
    assert memory(host, "VmHWM") - before <= MAX_GROWTH
    assert host.child.alive


def memory(host: Host, what: str) -> int:
    """VmRSS, or its highest value VmHWM, in bytes (proc_pid_status(5))."""
    with open(f"/proc/{host.child.pid}/status") as status:
        line = next(line for line in status if line.startswith(f"{what}:"))
    return int(line.split()[1]) * 1024


def forget_peak(host: Host) -> int:
    """Let the peak begin anew at what is in use now (proc_pid_clear_refs(5)); returns that."""
    with open(f"/proc/{host.child.pid}/clear_refs", "w") as clear:
        clear.write("5")
    return memory(host, "VmRSS")


@pytest.mark.acceptance("U4")
@pytest.mark.parametrize(
    "action",
    [
        pytest.param({"gzip_bomb": 200}, id="bomb-200-MiB"),
        pytest.param({"gzip_bomb": 4096}, id="bomb-4-GiB"),
        pytest.param({"deep_json": 65}, id="65-deep"),
        pytest.param({"deep_json": 1_000_000}, id="1000000-deep"),
        pytest.param({"truncate": 40}, id="truncated"),
        pytest.param({"truncate": 0}, id="no-body-at-all"),
        *(
            pytest.param({"status": 200, "body": body, "headers": {"Content-Type": "application/json"}}, id=name)
            for name, body in {
                "nan": '{"value":[{"id":"a","name":"b","description":NaN}]}',
                "infinity": '{"value":[],"count":Infinity}',
                "empty": "",
                "no-json": "<x>",
                "two-values": '{"value":[]}{"value":[]}',
                "trailing-comma": '{"value":[],}',
                "comment": '{"value":[]/*none*/}',
                "single-quotes": "{'value':[]}",
                "shape-number": '{"value":7}',
                "shape-list": '[{"id":"a"}]',
                "shape-item": '{"value":[{"id":7,"name":{}}]}',
                "shape-null": "null",
                "lone-surrogate": '{"value":[{"id":"a","name":"\\ud800"}]}',
            }.items()
        ),
    ],
)
def test_a_body_that_is_none_is_a_502(
    host: Host, simulator: Simulator, signed_in: Callable[[Host], Browser], action: dict, evidence: Report
) -> None:
    """Bombs, depth, broken and wrong JSON: told as an answer that can't be used, whoever asks."""
    browser = signed_in(host)
    simulator.faults({"match": {"path": "/_apis/"}, "action": action})
    judge(host, browser)
    faults = simulator.injected()
    simulator.faults()
    assert browser.get(PATH).status_code == 200
    evidence(cases=1, faults=faults)


@pytest.mark.acceptance("U4")
def test_sixty_four_levels_are_the_limit(
    host: Host, simulator: Simulator, signed_in: Callable[[Host], Browser], evidence: Report
) -> None:
    """Also inside members that we don't read, where no shape would refuse them."""
    browser = signed_in(host)
    for levels, status in ((64, 200), (65, 502)):
        unread = "[" * (levels - 1) + "]" * (levels - 1)
        action = {"status": 200, "body": f'{{"value":[],"more":{unread}}}', "headers": {"Content-Type": "text/json"}}
        simulator.faults({"match": {"path": "/_apis/"}, "action": action})
        assert browser.get(PATH).status_code == status
        evidence(cases=1, faults=simulator.injected())


def list_of(names: int, filler: str) -> bytes:
    return json.dumps({"value": [{"id": "a", "name": filler}] * names}).encode()


@pytest.mark.acceptance("U4")
@pytest.mark.parametrize(
    "response",
    [
        pytest.param(Response(body=b"[]" * (MAX_BODY // 2 - 1)), id="10-MiB-of-brackets"),
        pytest.param(Response(body=b"[" * MAX_BODY), id="10-MiB-deep"),
        pytest.param(Response(body=b"[" * (MAX_BODY // 2) + b"]" * (MAX_BODY // 2)), id="10-MiB-deep-and-whole"),
        pytest.param(Response(body=b'{"value":["' + b'\\"' * (MAX_BODY // 2 - 8) + b'"]}'), id="10-MiB-of-escapes"),
        pytest.param(Response(body=b'"' * MAX_BODY), id="10-MiB-of-quotes"),
        pytest.param(Response(body=list_of(1, "x" * MAX_BODY)), id="just-over-10-MiB"),
        pytest.param(Response(body=b'{"value":[{"id":"\xff","name":"b"}]}'), id="no-utf-8"),
        pytest.param(
            Response(body=gzip.compress(list_of(9, "x"))[:-9], headers={"Content-Encoding": "gzip"}), id="cut"
        ),
        pytest.param(Response(body=b"plain", headers={"Content-Encoding": "gzip"}), id="not-gzip"),
        pytest.param(Response(body=b"{}", headers={"Content-Encoding": "br"}), id="not-asked-for"),
        pytest.param(
            Response(
                raw=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"
            ),
            id="broken-chunk",
        ),
    ],
)
def test_odd_bytes_are_a_502(
    raw: ScriptedServer, raw_host: Host, signed_in: Callable[[Host], Browser], response: Response, evidence: Report
) -> None:
    """What stretches a parser or a decoder most; the limit holds for what was received and for what it unpacks to."""
    browser = signed_in(raw_host)
    raw.calls.clear()
    raw.script = lambda _: response
    judge(raw_host, browser)
    evidence(cases=1, faults=len(raw.calls))


@pytest.mark.acceptance("U4")
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_two_hundred_megabytes_are_not_read_to_their_end(
    raw: ScriptedServer, raw_host: Host, signed_in: Callable[[Host], Browser], coding: str, evidence: Report
) -> None:
    """Reading stops where the limit is passed, also in a stream of empty gzip blocks that unpacks to nothing."""
    browser, sent = signed_in(raw_host), count()
    piece = b" " * MIB if coding == "identity" else b"\x00\x00\x00\xff\xff" * (MIB // 5)
    start = b"[" if coding == "identity" else b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"

    def pieces() -> Iterator[bytes]:
        yield start
        for _ in range(200):
            next(sent)
            yield piece

    raw.calls.clear()
    raw.script = lambda _: Response(pieces=pieces(), headers={"Content-Encoding": coding})
    judge(raw_host, browser)
    assert next(sent) <= 2 * (MAX_BODY // MIB + 10), "what goes beyond ten MiB is in the buffers of the sockets"
    evidence(cases=1, faults=len(raw.calls))


@pytest.mark.acceptance("U4")
def test_endless_continuation_costs_one_call_a_page(
    host: Host, simulator: Simulator, signed_in: Callable[[Host], Browser], evidence: Report
) -> None:
    """A list that never ends is walked by the person, not by us: one call each, and addresses stay short."""
    browser = signed_in(host)
    simulator.faults({"match": {"path": "/_apis/projects"}, "action": {"endless_paging": True}})
    address, pages = PATH, 60
    for _ in range(pages):
        data = browser.api(address).json()
        assert len(data["items"]) == 2
        address = data["next"]
        assert len(address) < 2200
    assert browser.get(address).status_code == 200
    assert len(simulator.calls()) == pages + 1
    evidence(cases=1, faults=simulator.injected())


@pytest.mark.acceptance("U4")
@pytest.mark.parametrize("token", ["x" * 513, "a b", "é"])
def test_a_continuation_that_could_not_be_sent_back_is_a_502(
    host: Host, simulator: Simulator, signed_in: Callable[[Host], Browser], token: str, evidence: Report
) -> None:
    """Longer than any real one, or no token at all."""
    browser = signed_in(host)
    simulator.faults({"match": {"path": "/_apis/projects"}, "action": {"headers": {"x-ms-continuationtoken": token}}})
    judge(host, browser)
    evidence(cases=1, faults=simulator.injected())
