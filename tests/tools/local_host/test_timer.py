"""Timers, /admin/, and the outcome of a manual run."""

import json

import pytest


def state_of(host, invocation_id: str) -> str:
    return json.loads(host.get(f"/admin/invocations/{invocation_id}").body)["state"]


def test_a_timer_runs_at_its_times_one_run_at_a_time(start, eventually) -> None:
    host = start(TICK_SCHEDULE="* * * * * *", TICK_SECONDS="1.2")
    eventually(lambda: int(host.get("/ticks").body) >= 2)
    assert "two runs at a time" not in host.output
    assert "(scheduled, Id=" in host.output


def test_the_schedule_may_come_from_local_settings(start, app_copy) -> None:
    settings = {"IsEncrypted": False, "Values": {"TICK_SCHEDULE": "never"}}
    (app_copy / "local.settings.json").write_text(json.dumps(settings))
    host = start(root=app_copy)
    host.wait_for("Skipping 'TICK_SCHEDULE' from local settings")
    host.wait_for("Listening on")
    assert "never" not in host.output


@pytest.mark.parametrize(("schedule", "words"), [("", "TICK_SCHEDULE"), ("every minute", "2 fields")])
def test_a_schedule_that_cannot_be_used_stops_the_start(start, schedule: str, words: str) -> None:
    host = start(TICK_SCHEDULE=schedule)
    assert host.process.wait(20) == 1
    line = host.wait_for("local host: ")
    assert "the schedule of tick can't be used" in line
    assert words in line


def test_a_manual_run_is_accepted_and_its_outcome_can_be_asked(start, eventually) -> None:
    host = start(TICK_SECONDS="0.5")
    reply = host.post("/admin/functions/tick", b"{}")
    assert (reply.status, reply.body) == (202, b"")
    invocation_id = reply.header("x-invocation-id")
    assert state_of(host, invocation_id) == "running"
    eventually(lambda: state_of(host, invocation_id) == "succeeded")
    assert host.get("/ticks").body == b"1"


def test_a_failed_manual_run_says_so(start, eventually) -> None:
    host = start(TICK_FAILS="1")
    invocation_id = host.post("/admin/functions/TICK", b'{"input": "x"}').header("x-invocation-id")
    eventually(lambda: state_of(host, invocation_id) == "failed")


@pytest.mark.parametrize(
    ("target", "body", "status"),
    [
        ("/admin/functions/tick", b"", 400),
        ("/admin/functions/tick", b"null", 400),
        ("/admin/functions/tick", b"{", 400),
        ("/admin/functions/tick", b"\xff", 400),
        ("/admin/functions/home", b"{}", 400),
        ("/admin/functions/unknown", b"{}", 404),
        ("/admin/functions/unknown", b"", 404),
        ("/admin/elsewhere", b"{}", 404),
    ],
)
def test_what_cannot_be_started(host, target: str, body: bytes, status: int) -> None:
    assert host.post(target, body).status == status


def test_an_unknown_invocation_is_404(host) -> None:
    assert host.get("/admin/invocations/none").status == 404


def test_status_and_ping(host) -> None:
    status = json.loads(host.get("/admin/host/status").body)
    assert status["state"] == "Running"
    assert status["processUptime"] >= 0
    assert {"id", "version"} <= status.keys()
    assert host.get("/admin/host/ping").status == host.post("/admin/host/ping", b"").status == 200


def test_the_list_of_functions(host) -> None:
    listed = {function["name"]: function for function in json.loads(host.get("/admin/functions").body)}
    assert {"home", "tick", "zz_not_found"} <= listed.keys()
    assert listed["tick"]["config"]["bindings"][0]["schedule"] == "%TICK_SCHEDULE%"
    assert json.loads(host.get("/admin/functions/tick").body) == listed["tick"]
