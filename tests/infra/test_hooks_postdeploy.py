"""The smoke test tells a deployment that works from one that only says so. The site is a real https server."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.infra.cloud import ROOT, Cloud
from tools.local_host.certificate import certificate_files

MASTER_KEY = "CANARYmasterkey"
FUNCTIONS = sorted(path.stem for path in (ROOT / "functions").glob("[!_]*.py"))
READY = json.dumps({"config": "ok", "store": "ok", "vault": "ok"}).encode()
TIMER = "/admin/functions/refresh_tokens"


class Deployed:
    """An app that answers as it is told, and notes who asked with which key."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {
            "/healthz": (200, b"ok"),
            "/readyz": (200, READY),
            "/": (200, b"home"),
        }
        self.once: dict[str, tuple[int, bytes]] = {}
        self.open_to_strangers = False
        self.keys: list[str | None] = []
        self.redirect = ""
        certificate, key = certificate_files(folder, datetime.now(UTC))
        self.certificate = certificate
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        deployed = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = deployed.once.pop(self.path, None) or deployed.answers.get(self.path, (404, b""))
                self._answer(status, body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                key = self.headers["x-functions-key"]
                deployed.keys.append(key)
                allowed = self.path == TIMER and (key == MASTER_KEY or deployed.open_to_strangers)
                self._answer((307 if deployed.redirect and key else 202) if allowed else 401, b"")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                if deployed.redirect:
                    self.send_header("Location", deployed.redirect)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def deployed(cloud: Cloud) -> Iterator[Deployed]:
    started = Deployed(cloud.place / "certificate")
    cloud.change(host=started.host, functions=FUNCTIONS, master_key=MASTER_KEY)
    cloud.values(PUBLIC_URL=f"https://{started.host}", SMOKE_TEST_SECONDS="0")
    yield started
    started.server.shutdown()
    started.server.server_close()


def run(cloud: Cloud, deployed: Deployed, **environment: str) -> tuple[int, str]:
    ran = cloud.run("postdeploy", SSL_CERT_FILE=str(deployed.certificate), **environment)
    return ran.code, ran.output


def test_a_deployment_that_works_passes_and_the_master_key_is_seen_by_the_host_alone(
    cloud: Cloud, deployed: Deployed
) -> None:
    code, output = run(cloud, deployed)
    assert code == 0, output
    assert f"functions ({len(FUNCTIONS)}): ok" in output
    assert "readyz: ok" in output
    assert "timer run: accepted" in output
    assert deployed.keys == [None, MASTER_KEY]
    assert cloud.leaks(MASTER_KEY) == []
    assert cloud.writes() == []


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/healthz", (503, b""), "healthz: answered 503"),
        ("/healthz", (302, b""), "healthz: answered 302"),
        ("/", (503, b"set-up page"), "home page: answered 503"),
        ("/readyz", (503, b'{"config": "ok", "store": "failing", "vault": "failing"}'), "failing: store, vault"),
        ("/readyz", (404, b""), "readyz: answered 404"),
        ("/readyz", (503, b"<html>"), "it does not say why"),
        ("/readyz", (500, b"[]"), "it does not say why"),
    ],
)
def test_a_site_that_does_not_answer_as_it_should_fails(
    cloud: Cloud, deployed: Deployed, path: str, answer: tuple[int, bytes], said: str
) -> None:
    deployed.answers[path] = answer
    code, output = run(cloud, deployed)
    assert code == 1
    assert said in output


def test_a_slow_start_is_waited_for_with_progress(cloud: Cloud, deployed: Deployed) -> None:
    deployed.once["/healthz"] = (503, b"")
    code, output = run(cloud, deployed, SMOKE_TEST_SECONDS="60")
    assert code == 0
    assert "healthz: answered 503; again in" in output


def test_a_certificate_that_nobody_vouches_for_is_no_answer(cloud: Cloud, deployed: Deployed) -> None:
    ran = cloud.run("postdeploy")
    assert ran.code == 1
    assert "SSLCertVerificationError" in ran.output
    assert deployed.keys == []


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        ([], f"0 of {len(FUNCTIONS)}"),
        (FUNCTIONS[1:], f"missing {FUNCTIONS[0]}"),
        ([*FUNCTIONS, "stale"], "unexpected stale"),
    ],
    ids=["none", "one missing", "one too many"],
)
def test_a_deployment_that_indexed_other_functions_fails_by_name(
    cloud: Cloud, deployed: Deployed, functions: list[str], said: str
) -> None:
    cloud.change(functions=functions)
    code, output = run(cloud, deployed)
    assert code == 1
    assert said in output


def test_who_may_not_read_the_host_keys_is_told_that_the_timer_was_not_tried(cloud: Cloud, deployed: Deployed) -> None:
    cloud.change(rules=[{"when": "functionapp keys", "error": "(AuthorizationFailed) no authorization"}])
    code, output = run(cloud, deployed)
    assert code == 0
    assert "timer run: skipped" in output
    assert deployed.keys == [None]


def test_a_host_that_does_not_take_the_run_fails(cloud: Cloud, deployed: Deployed) -> None:
    cloud.change(master_key="another")
    code, output = run(cloud, deployed)
    assert code == 1
    assert "the host answered 401" in output


def test_an_admin_endpoint_that_is_open_to_strangers_fails_before_a_key_is_sent(
    cloud: Cloud, deployed: Deployed
) -> None:
    deployed.open_to_strangers = True
    code, output = run(cloud, deployed)
    assert code == 1
    assert "without a key" in output
    assert deployed.keys == [None]


def test_the_key_follows_no_redirect(cloud: Cloud, deployed: Deployed, tmp_path: Path) -> None:
    thief = Deployed(tmp_path / "thief")
    deployed.redirect = f"https://{thief.host}{TIMER}"
    code, output = run(cloud, deployed)
    thief.server.shutdown()
    assert code == 1
    assert "the host answered 307" in output
    assert thief.keys == []


def test_a_name_of_ones_own_that_does_not_lead_here_yet_is_a_warning(cloud: Cloud, deployed: Deployed) -> None:
    cloud.values(PUBLIC_URL="https://localhost:1")
    code, output = run(cloud, deployed)
    assert code == 0
    assert "point its DNS here" in output


def test_a_site_that_is_not_there_fails(cloud: Cloud, deployed: Deployed) -> None:
    cloud.change(host="localhost:1")
    code, output = run(cloud, deployed)
    assert code == 1
    assert "healthz: no answer (ConnectionRefusedError)" in output
    assert json.dumps(cloud.calls).count(MASTER_KEY) == 0
