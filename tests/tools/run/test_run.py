"""`make run` with small programs in place of the host and the simulator; everything else is real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import is_gone
from tools.run import processes

STANDIN = Path(__file__).with_name("standin.py")
ROOT = Path(__file__).parents[3]
RUNNER = """
import sys
from pathlib import Path
from tools.run.__main__ import Programs, main
root, standin, *more = sys.argv[1:]
host = lambda plan: [sys.executable, standin, str(plan.port), *more]
simulator = lambda plan: [sys.executable, standin, str(plan.simulator_port)]
sys.exit(main(Path(root), Programs(host, simulator, lambda: {"AZURE_DEVOPS_APP_ID": "app"})))
"""


class Run:
    """A started `make run` on a folder of its own."""

    def __init__(self, folder: Path, *more: str | Path, **settings: str) -> None:
        self.folder = folder
        storage = {"AzureWebJobsStorage": "AccountName=elsewhere"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, folder, STANDIN, *more],
            cwd=ROOT,
            env={**os.environ, **storage, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def url(self) -> str:
        state = self.folder / ".run" / "run.json"
        deadline = time.monotonic() + 20
        while not state.exists():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.1)
        return str(json.loads(state.read_text())["url"])

    def output(self) -> str:
        return self.process.communicate(timeout=20)[0]

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        self.process.send_signal(number)
        output = self.output()
        return self.process.returncode, output


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 (a loopback URL)
        return json.load(response)


def is_down(url: str) -> bool:
    return processes.is_free(int(url.rsplit(":", 1)[1]))


@pytest.fixture
def started() -> Iterator[list[Run]]:
    runs: list[Run] = []
    yield runs
    for run in runs:
        if run.process.poll() is None:
            run.end(signal.SIGTERM)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_every_child_and_grandchild(tmp_path: Path, started: list[Run], number: int, code: int) -> None:
    started.append(run := Run(tmp_path, tmp_path / "grandchild"))
    url = run.url()
    simulator = get(url)["AZURE_DEVOPS_URL"]
    grandchild = int((tmp_path / "grandchild").read_text())
    exit_code, output = run.end(number)
    assert exit_code == code, output
    assert is_down(url)
    assert is_down(simulator)
    assert is_gone(grandchild)
    assert not (tmp_path / ".run" / "run.json").exists()


def test_what_a_person_needs_is_printed(tmp_path: Path, started: list[Run]) -> None:
    started.append(run := Run(tmp_path))
    url = run.url()
    _, output = run.end()
    for words in (url, "Ada (2 organizations), Björn (1) or Chen (none)", ".run/host.log", "Ctrl-C"):
        assert words in output


def test_the_death_of_a_child_ends_the_run_and_shows_its_last_words(tmp_path: Path, started: list[Run]) -> None:
    started.append(run := Run(tmp_path))
    url = run.url()
    simulator = get(url)["AZURE_DEVOPS_URL"]
    with pytest.raises((urllib.error.URLError, OSError)):
        get(f"{simulator}/die")
    output = run.output()
    assert run.process.returncode == 1
    assert "simulator ended (exit code 3)" in output
    assert "dying as asked" in output
    assert is_down(url)


def test_a_host_that_dies_before_it_answers_fails_the_run(tmp_path: Path, started: list[Run]) -> None:
    started.append(run := Run(tmp_path, tmp_path / "no" / "such" / "folder"))
    output = run.output()
    assert run.process.returncode == 1
    assert "FileNotFoundError" in output


def test_a_second_run_of_the_same_checkout_is_refused(tmp_path: Path, started: list[Run]) -> None:
    started.append(first := Run(tmp_path))
    url = first.url()
    started.append(second := Run(tmp_path))
    output = second.output()
    assert second.process.returncode == 1
    assert f"already running in this checkout at {url}" in output
    assert get(url)["PUBLIC_URL"] == url


def test_a_taken_port_of_a_set_public_url_starts_nothing(tmp_path: Path, started: list[Run]) -> None:
    started.append(first := Run(tmp_path))
    (tmp_path / "other").mkdir()
    started.append(second := Run(tmp_path / "other", PUBLIC_URL=first.url()))
    output = second.output()
    assert second.process.returncode == 1
    assert "of PUBLIC_URL is taken" in output
    assert not (tmp_path / "other" / ".run" / "host.log").exists()


def test_the_store_is_azurite_and_keeps_its_rows_in_the_run_folder(tmp_path: Path, started: list[Run]) -> None:
    for part in (".tools", ".venv"):
        (tmp_path / part).symlink_to(ROOT / part)
    started.append(run := Run(tmp_path, AzureWebJobsStorage=""))
    connection = get(run.url())["AzureWebJobsStorage"]
    exit_code, _ = run.end()
    assert "TableEndpoint=http://127.0.0.1:" in connection
    assert exit_code == 0
    assert any((tmp_path / ".run" / "azurite").iterdir())


def test_make_tick_prints_the_report_of_the_run_it_started(tmp_path: Path, started: list[Run]) -> None:
    started.append(run := Run(tmp_path))
    run.url()
    answered = tick(tmp_path)
    assert json.loads(answered.stdout) == {
        "event": "tick",
        "looked": 4,
        "path": "/admin/functions/refresh_tokens",
    }


def test_make_tick_without_a_run_says_what_to_do(tmp_path: Path) -> None:
    answered = tick(tmp_path)
    assert answered.returncode == 1
    assert "make run" in answered.stderr


def tick(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys, pathlib, tools.run.tick as t; sys.exit(t.main(pathlib.Path(sys.argv[1])))"
    return subprocess.run(
        [sys.executable, "-c", program, folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
