"""The process: command line, settings, start-up errors, composition root, logs, and the stop."""

import json
import signal
import socket
import ssl
import time
from datetime import UTC, datetime

import pytest


def local_settings(root, **content: object) -> None:
    (root / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, **content}))


def test_the_function_table_and_the_ready_line(start) -> None:
    host = start()
    assert host.wait_for("Listening on ") == f"Listening on http://127.0.0.1:{host.port}"
    base = f"http://localhost:{host.port}"
    for line in (
        "Functions:",
        f"\techo: {base}/echo/{{name}}/{{last?}}",
        f"\thome: {base}/",
        f"\tposted: [POST] {base}/posted",
        "\ttick: timerTrigger",
    ):
        assert line in host.lines


def test_the_app_sees_settings_and_what_the_host_sets(start, app_copy) -> None:
    local_settings(app_copy, Values={"ONLY_FILE": "file", "BOTH": "file-secret"})
    host = start(root=app_copy, BOTH="process")
    expected = {
        "ONLY_FILE": "file",
        "BOTH": "process",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "WEBSITE_HOSTNAME": f"localhost:{host.port}",
        "AzureWebJobsScriptRoot": str(app_copy),
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "PYTHON_THREADPOOL_THREAD_COUNT": "32",
    }
    assert expected == {name: host.get(f"/environment/{name}").body.decode() for name in expected}
    assert "Skipping 'BOTH'" in host.output
    assert "file-secret" not in host.output


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_port_of_local_settings_is_used_and_the_command_line_wins(start, app_copy) -> None:
    port = free_port()
    local_settings(app_copy, Host={"LocalHttpPort": port})
    assert start(root=app_copy, port=None).port == port
    assert start(root=app_copy, port="0").port != port


def refused(start, root, *arguments: str, **options: str) -> str:
    host = start(*arguments, root=root, **options)
    assert host.process.wait(20) == 1
    host.wait_for("(end of output)")
    assert "Listening on" not in host.output
    return host.output


def test_a_taken_port_is_one_line(start, app_copy) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = str(holder.getsockname()[1])
        output = refused(start, app_copy, port=taken)
    assert f"local host: port {taken} of 127.0.0.1 can't be used" in output
    assert "Traceback" not in output


def test_an_app_that_raises_at_import_shows_its_traceback(start, app_copy) -> None:
    (app_copy / "function_app.py").write_text("import os\nos.environ['NO_SUCH_SETTING']\n")
    output = refused(start, app_copy)
    assert "local host: function_app.py could not be loaded: KeyError" in output
    assert "Traceback" in output
    assert 'function_app.py", line 2' in output


def test_a_missing_module_shows_its_traceback(start, app_copy) -> None:
    (app_copy / "function_app.py").write_text("import no_such_module\n")
    output = refused(start, app_copy)
    assert "local host: function_app.py could not be loaded: ModuleNotFoundError" in output


@pytest.mark.parametrize("name", ["function_app.py", "host.json"])
def test_a_directory_that_is_no_function_app_is_refused(start, app_copy, name: str) -> None:
    (app_copy / name).unlink()
    assert f"local host: {name}" in refused(start, app_copy)


def test_broken_settings_are_one_line(start, app_copy) -> None:
    (app_copy / "local.settings.json").write_text('{"Values": ')
    output = refused(start, app_copy)
    assert "local host: local.settings.json is not JSON: line 1, column 12." in output
    assert "Traceback" not in output


def test_a_route_that_is_not_supported_is_one_line(start, app_copy) -> None:
    with (app_copy / "function_app.py").open("a") as source:
        source.write('\n\n@app.route("x/{id:int}")\ndef odd(req: func.HttpRequest) -> str:\n    return "x"\n')
    assert "{id:int}" in refused(start, app_copy)


def services(host) -> dict:
    return json.loads(host.get("/services").body)


def seconds_ahead(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()


def test_without_flags_the_apps_own_accessor_is_used(host) -> None:
    built = services(host)
    assert built["label"] == "own"
    assert seconds_ahead(built["now"]) == pytest.approx(0, abs=5)


def test_a_clock_offset_reaches_the_apps_builder_which_is_called_once(start) -> None:
    host = start("--clock-offset", "3600", LABEL="labelled")
    assert [services(host)["builds"] for _ in range(3)] == [1, 1, 1]
    built = services(host)
    assert built["label"] == "labelled"
    assert seconds_ahead(built["now"]) == pytest.approx(3600, abs=5)


def test_another_builder_gets_the_clock_too(start) -> None:
    host = start("--services", "shared.services:build_other", "--clock-offset=-60")
    built = services(host)
    assert built["label"] == "other"
    assert seconds_ahead(built["now"]) == pytest.approx(-60, abs=5)


@pytest.mark.parametrize("path", ["shared.services", "shared.services:nothing", "no_such_module:build"])
def test_a_builder_that_is_not_there_is_named(start, app_copy, path: str) -> None:
    assert path.partition(":")[0] in refused(start, app_copy, "--services", path)


def test_https_with_a_certificate_that_is_kept(start, app_copy) -> None:
    host = start("--https", root=app_copy)
    assert host.wait_for("Listening on ") == f"Listening on https://127.0.0.1:{host.port}"
    trusting = ssl.create_default_context(cafile=app_copy / ".run" / "localhost-certificate.pem")
    with trusting.wrap_socket(host.connect(), server_hostname="localhost") as connection:
        connection.sendall(b"GET /echo/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b""
        while data := connection.recv(65536):
            received += data
    assert b'"url": "https://localhost/echo/x"' in received
    fingerprint = host.wait_for("SHA-256").rpartition(" ")[2]
    assert start("--https", root=app_copy).wait_for("SHA-256").endswith(fingerprint)


def test_log_levels_and_one_format(start) -> None:
    host = start()
    host.get("/logs")
    line = host.wait_for("azure at warning")
    assert line.endswith("WARNING azure.core: azure at warning")
    assert host.wait_for("said at info").endswith("INFO sample: said at info")
    assert "said at debug" not in host.output
    assert "azure at info" not in host.output
    assert "GET /logs" not in host.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_requests_finish_and_ends_with_0(start, number: int) -> None:
    host = start()
    with host.connect() as connection:
        connection.sendall(b"GET /slow/1 HTTP/1.1\r\nHost: h\r\n\r\n")
        host.wait_for("slow begins")
        host.process.send_signal(number)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert host.process.wait(10) == 0


def test_a_stop_lets_a_timer_run_finish(start) -> None:
    host = start(TICK_SECONDS="1")
    host.post("/admin/functions/tick", b"{}")
    assert host.stop() == 0
    assert "Executed 'tick' (succeeded" in host.wait_for("Executed 'tick'")


def test_an_idle_connection_does_not_delay_the_stop(start) -> None:
    host = start()
    with host.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        connection.recv(65536)
        began = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - began < 3


def test_no_new_connection_is_taken_during_the_stop(start) -> None:
    host = start()
    port = host.port
    with host.connect() as connection:
        connection.sendall(b"GET /slow/2 HTTP/1.1\r\nHost: h\r\n\r\n")
        host.wait_for("slow begins")
        host.process.send_signal(signal.SIGTERM)
        time.sleep(0.7)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=2)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_second_signal_ends_at_once(start) -> None:
    host = start()
    with host.connect() as connection:
        connection.sendall(b"GET /slow/30 HTTP/1.1\r\nHost: h\r\n\r\n")
        host.wait_for("slow begins")
        host.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        began = time.monotonic()
        assert host.stop() == 128 + signal.SIGTERM
        assert time.monotonic() - began < 2


def test_a_handler_that_hangs_delays_the_stop_by_ten_seconds_at_most(start) -> None:
    host = start()
    with host.connect() as connection:
        connection.sendall(b"GET /slow/60 HTTP/1.1\r\nHost: h\r\n\r\n")
        host.wait_for("slow begins")
        began = time.monotonic()
        assert host.stop() == 0
        assert 9 < time.monotonic() - began < 13
