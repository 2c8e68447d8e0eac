"""`make bench`: measures what is promised, prints a table, writes `build/bench.json`. `python -m tools.bench`.

Machines are noisy: read the ratios and the counts, not the absolute times.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tools import bootstrap
from tools.bench import timer, waits
from tools.bench.figures import Figure, as_table
from tools.run import processes

Measurement = Callable[[], Iterator[Figure]]

FULL: Mapping[str, Measurement] = {
    "refreshes": partial(timer.refreshes_per_second, 2_000),
    "operations": partial(timer.operations_of_a_run, 1_000, 100_000),
    "waits": partial(waits.wait_beside_a_refresh, 20),
}
SMALL: Mapping[str, Measurement] = {
    "refreshes": partial(timer.refreshes_per_second, 60),
    "operations": partial(timer.operations_of_a_run, 150, 300),
    "waits": partial(waits.wait_beside_a_refresh, 1),
}
"""Figures without meaning, to see in seconds that each measurement works."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure what is promised.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {' '.join(FULL)}")
    parser.add_argument("--small", action="store_true", help="small amounts: shows that it works, and no more")
    parser.add_argument("--json", type=Path, default=bootstrap.ROOT / "build" / "bench.json")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(FULL)
    if unknown:
        parser.error(f"there is no measurement {' '.join(sorted(unknown))}")
    wanted = SMALL if options.small else FULL
    figures: list[Figure] = []
    try:
        for name in options.names or wanted:
            print(f"bench: {name}", file=sys.stderr, flush=True)
            figures += wanted[name]()
    except (RuntimeError, processes.ChildError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2, ensure_ascii=False) + "\n")
    print("\n".join(as_table(figures)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
