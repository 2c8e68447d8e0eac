from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import is_gone
from tools.run import processes
from tools.run.processes import Child, ChildError

STANDIN = Path(__file__).with_name("standin.py")
ROOT = Path(__file__).parents[3]


def start(tmp_path: Path, *command: str | Path) -> Child:
    return processes.start(
        "child", [sys.executable, *command], log=tmp_path / "child.log", environment=os.environ, cwd=tmp_path
    )


def test_a_child_that_listens_is_found_by_its_line(tmp_path: Path) -> None:
    child = start(tmp_path, STANDIN, "0")
    url = processes.wait_listening(child)
    assert url.startswith("http://127.0.0.1:")
    assert not url.endswith("/")
    assert child.alive
    assert child.stop() == -signal.SIGTERM
    assert not child.alive


def test_a_stop_reaches_grandchildren_that_ignore_sigterm(tmp_path: Path) -> None:
    child = start(tmp_path, STANDIN, "0", tmp_path / "pid")
    processes.wait_listening(child)
    child.stop()
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_stop_and_kill_may_be_repeated(tmp_path: Path) -> None:
    child = start(tmp_path, STANDIN, "0")
    child.kill()
    assert child.stop() == child.stop() == -signal.SIGKILL
    child.kill()


def test_a_child_that_ends_first_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = start(tmp_path, "-c", "print('no such setting'); raise SystemExit(7)")
    with pytest.raises(ChildError, match=r"(?s)exit code 7.*no such setting"):
        processes.wait_listening(child)


def test_a_child_that_is_never_ready_is_reported(tmp_path: Path) -> None:
    child = start(tmp_path, "-c", "import time; time.sleep(60)")
    try:
        with pytest.raises(ChildError, match="not ready within 0 s"):
            processes.wait_listening(child, 0.2)
    finally:
        child.stop()


def test_the_output_of_an_earlier_child_in_the_same_log_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    for word in ("first", "second"):
        child = start(tmp_path, "-c", f"print('{word}')")
        processes.wait_for(child, lambda child=child: child.output(), 10)
        assert child.output() == f"{word}\n"
        child.stop()


STARTER = """
import os, sys, time
from pathlib import Path
from tools.run import processes
standin, folder = sys.argv[1:]
child = processes.start("child", [sys.executable, standin, "0", folder + "/grandchild"],
    log=Path(folder, "child.log"), environment=os.environ, cwd=Path(folder))
processes.wait_listening(child)
Path(folder, "child").write_text(str(child.pid))
print("up", flush=True)
time.sleep(600)
"""


def test_no_child_outlives_a_starter_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, STANDIN, tmp_path], stdout=subprocess.PIPE, cwd=ROOT
    ) as starter:
        assert starter.stdout
        assert starter.stdout.readline() == b"up\n"
        starter.kill()
    for name in ("child", "grandchild"):
        assert is_gone(int((tmp_path / name).read_text()))


def test_a_port_is_free_until_somebody_listens_there() -> None:
    port = processes.free_port()
    assert processes.is_free(port)
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        assert not processes.is_free(port)
