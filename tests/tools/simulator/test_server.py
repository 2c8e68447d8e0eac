"""The process: its start and end, keep-alive, concurrency, and what faults look like on the wire."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest
import requests

PROJECTS = "/fabrikam/_apis/projects"


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen, str]]:
    command = [sys.executable, "-m", "tools.simulator", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Listening on http://127.0.0.1:"), line
            yield process, line.split()[-1]
        finally:
            process.kill()


@pytest.fixture(scope="module")
def process_and_url() -> Iterator[tuple[subprocess.Popen, str]]:
    with started() as running:
        yield running


@pytest.fixture
def url(process_and_url: tuple[subprocess.Popen, str]) -> Iterator[str]:
    url = process_and_url[1]
    yield url
    requests.delete(f"{url}/_sim/faults", timeout=5)
    requests.put(f"{url}/_sim/settings", json={"api_latency": 0}, timeout=5)


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=5)


def exchange(url: str, data: bytes) -> bytes:
    """Everything that the server sends until it closes."""
    with closing(connect(url)) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def fault(url: str, action: dict, **rule: object) -> None:
    requests.put(f"{url}/_sim/faults", json=[{"action": action, **rule}], timeout=5).raise_for_status()


def test_one_connection_answers_many_requests_in_order(url: str) -> None:
    first = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = exchange(url, first + last).split(b"HTTP/1.1 ")
    assert [answer[:3] for answer in answers[1:]] == [b"404", b"404"]
    assert b"'/a'" in answers[1]
    assert b"'/b'" in answers[2]


def test_the_log_keeps_the_raw_target(url: str) -> None:
    target = "/a//B/%7e/../b?x=%20+&&y"
    exchange(url, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert requests.get(f"{url}/_sim/calls", timeout=5).json()["value"][-1]["target"] == target


def test_head_has_the_length_but_no_body(url: str) -> None:
    request = b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    head, _, body = exchange(url, request).partition(b"\r\n\r\n")
    assert b"Content-Length: 0" not in head
    assert body == b""


@pytest.mark.parametrize("garbage", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_what_is_not_http_gets_400(url: str, garbage: bytes) -> None:
    assert exchange(url, garbage).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("action", [{"drop": True}, {"commit_then_drop": True}])
def test_a_dropped_connection_gives_no_byte(url: str, action: dict) -> None:
    fault(url, action, times=1)
    with pytest.raises(requests.ConnectionError):
        requests.get(url + PROJECTS, timeout=5)
    assert requests.get(url + PROJECTS, timeout=5).status_code == 203


def test_a_truncated_body_is_shorter_than_its_length(url: str) -> None:
    fault(url, {"truncate": 5})
    request = f"GET {PROJECTS} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    head, _, body = exchange(url, request).partition(b"\r\n\r\n")
    assert len(body) == 5
    assert b"Content-Length: 5\r\n" not in head


def test_200_delayed_requests_are_served_at_once(url: str) -> None:
    requests.put(f"{url}/_sim/settings", json={"api_latency": 1}, timeout=5)
    begun = time.perf_counter()
    request = f"GET {PROJECTS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda _: exchange(url, request), range(200)))
    assert all(answer.startswith(b"HTTP/1.1 203") for answer in answers)
    assert 1 <= time.perf_counter() - begun < 20  # one after the other they would take 200 s


def test_delays_before_and_after_the_work_are_kept(url: str) -> None:
    fault(url, {"delay": 0.2, "reply_delay": 0.2})
    begun = time.perf_counter()
    requests.get(url + PROJECTS, timeout=5)
    assert time.perf_counter() - begun >= 0.4


def test_sigterm_ends_it_at_once_with_0_even_while_a_call_waits() -> None:
    with started("--auto-consent", "ada") as (process, url):
        fault(url, {"delay": 60})
        with closing(connect(url)) as waiting:
            waiting.sendall(f"GET {PROJECTS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(0.2)
            begun = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=5) == 0
            assert time.perf_counter() - begun < 2


def test_arguments_become_settings() -> None:
    arguments = [
        "--app-id", "an-id", "--client-secret", "new", "--client-secret", "old",
        "--redirect-uri", "https://localhost/cb", "--public-url", "http://sim.localhost:1",
    ]  # fmt: skip
    with started(*arguments) as (_, url):
        settings = requests.get(f"{url}/_sim/settings", timeout=5).json()
    assert settings["app_id"] == "an-id"
    assert settings["client_secrets"] == ["new", "old"]
    assert settings["redirect_uris"] == ["https://localhost/cb"]
    assert settings["public_url"] == "http://sim.localhost:1"


def test_a_wrong_argument_is_said_and_ends_with_2() -> None:
    command = [sys.executable, "-m", "tools.simulator", "--port", "0", "--auto-consent", "nobody"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, "nobody" in ended.stderr) == (2, True)


def test_the_settings_body_is_json(url: str) -> None:
    answer = requests.get(f"{url}/_sim/settings", timeout=5)
    assert json.loads(answer.text)["reuse"] == "nonrotating"
