"""`make bench`: each measurement works, says what it measured, and writes it down."""

import json
from pathlib import Path

import pytest

from tools.bench.__main__ import main


def test_each_figure_stands_beside_what_bounds_it(
    azurite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With small amounts: the counts are exact whatever the machine, the rates only there."""
    target = tmp_path / "bench.json"
    assert main(["--small", "--json", str(target)]) == 0
    capped, uncapped, few, many, waits = json.loads(target.read_text())
    assert 0 < capped["ours"] <= capped["beside"]["cap"] * 1.05
    assert uncapped["beside"] == {"cap": 1000, "concurrency ÷ latency": 320}
    assert few["beside"]["GET logins"] == 1, "what was not purged was not counted either"
    assert abs(many["ours"] - few["ours"]) <= few["ours"] * 0.05
    assert waits["ours"] < 2000, "a view waited for somebody else's refresh"
    assert "refreshes per second" in capsys.readouterr().out


def test_an_unknown_measurement_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["speed"])
    assert "there is no measurement speed" in capsys.readouterr().err
