"""The pytest plugin that tells how much a session looked through for secrets, and what it found."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.canary_watch import looked


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Summary(config), "canary-summary")


class _Summary:
    """Adds up what the workers of a session looked through."""

    def __init__(self, config: pytest.Config) -> None:
        self._output: dict[str, Any] | None = getattr(config, "workeroutput", None)
        self._others = Counter[str]()

    def pytest_sessionfinish(self) -> None:
        if self._output is not None:
            self._output["canaries"] = dict(looked)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._others.update(getattr(node, "workeroutput", {}).get("canaries", {}))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        total = looked + self._others
        if total:
            megabytes = total["bytes"] / 1_000_000
            terminalreporter.write_line(
                f"canaries: {total['secrets']} secrets, {megabytes:.0f} MB looked through, {total['hits']} hits"
            )
