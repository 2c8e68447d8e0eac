"""`make mutants`: plant each fault of the table, one at a time, and see whether the tests of its id turn red.

    python -m tools.mutants [--jobs 2] [--only "12 19a B3"]

First every id's tests run without a fault: unless they are green, what they say later is worthless. Then each mutant
meets the tests of each of its ids. Writes `build/mutants.json`; exit status 1 for a fault that nobody catches, that
can't be planted, or whose tests are red anyway.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from tools.mutants.laboratory import CollectionError, Laboratory, Outcome, laboratory
from tools.mutants.report import Answer, Finding, as_json, as_table, failed
from tools.mutants.table import FAULTS, ROWS, BrokenMutantError, Mutant, TableError, choose, read

ROOT = Path(__file__).resolve().parents[2]
BASELINE_SECONDS = 900.0
PATIENCE = 4
"""A trial that takes so many times as long as without the fault, and `--grace` more, is hung."""

Tests = Mapping[str, Sequence[str]]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="mutants", description="Plant faults, and see whether the tests catch them.")
    parser.add_argument("--jobs", type=int, default=2, help="trials side by side")
    parser.add_argument("--only", default="", help="rows, parts or ids, with blanks between them")
    parser.add_argument("--grace", type=float, default=90.0, help="seconds before a trial may count as hung")
    parser.add_argument("--root", type=Path, default=ROOT, help="checkout to plant them in copies of")
    parser.add_argument("--rows", type=Path, help="the list of faults, else the checkout's")
    parser.add_argument("--faults", type=Path, help="the replacements, else the checkout's")
    parser.add_argument("--json", type=Path, help="where the rows go, else build/mutants.json")
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        table = read(options.rows or root / ROWS, options.faults or root / FAULTS)
        findings = examine(root, choose(table, options.only.split()), options.jobs, options.grace)
    except (TableError, CollectionError) as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmutants: stopped; nothing was left behind and nothing written", file=sys.stderr)
        return 130
    target = options.json or root / "build" / "mutants.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(as_json(findings), "utf-8")
    print("\n".join(["", *as_table(findings)]))
    return 1 if failed(findings) else 0


def examine(root: Path, mutants: Sequence[Mutant], jobs: int, grace: float) -> list[Finding]:
    """Every mutant with the answers of its ids, in the order given; `grace` in seconds."""
    findings = [Finding(mutant) for mutant in mutants]
    with laboratory(root) as lab, ThreadPoolExecutor(jobs) as pool:
        try:
            _say("collecting the tests")
            tests = lab.collect()
            ready = [found for found in findings if not _settled_without_trial(found, root, tests)]
            rows = list(dict.fromkeys(row for found in ready for row in found.mutant.ids if row in tests))
            _say(f"{len(rows)} ids without a fault first, then {len(ready)} mutants, {jobs} side by side")
            baselines = _baselines(lab, pool, rows, tests)
            _trials(lab, pool, ready, baselines, tests, grace)
        except BaseException:
            lab.stop()  # or the pool would wait for trials that nobody wants any more
            raise
    return findings


def _settled_without_trial(found: Finding, root: Path, tests: Tests) -> bool:
    """Notes what needs no trial: code or tests that are not there yet, and replacements that do not fit."""
    mutant = found.mutant
    if mutant.waits_for:
        found.answers = {row: Answer(row, "waiting", f"no code yet: {mutant.waits_for}") for row in mutant.ids}
        return True
    try:
        mutant.mutate(root)
    except BrokenMutantError as error:
        found.answers = {row: Answer(row, "broken", str(error)) for row in mutant.ids}
        return True
    waiting = [row for row in mutant.ids if row not in tests]
    found.answers = {row: Answer(row, "waiting", f"no test of {row} yet") for row in waiting}
    return len(waiting) == len(mutant.ids)


def _baselines(lab: Laboratory, pool: ThreadPoolExecutor, rows: Sequence[str], tests: Tests) -> Mapping[str, Outcome]:
    """The tests of each id without a fault; where the everyday run leaves them all out, at full counts."""

    def run(row: str) -> Outcome:
        outcome = lab.trial(row, tests[row], None, seconds=BASELINE_SECONDS)
        if outcome.red or outcome.passed or outcome.trouble or outcome.hung:
            return outcome
        return lab.trial(row, tests[row], None, seconds=BASELINE_SECONDS, full=True)

    found = {}
    for row, outcome in _side_by_side(pool, {row: partial(run, row) for row in rows}):
        found[row] = outcome
        verdict = "green" if outcome.green else f"RED, so worthless: {_first_red(outcome)}"
        _say(f"[{len(found)}/{len(rows)}] {row:3} without a fault: {verdict} ({outcome.seconds:.0f} s)")
    return found


def _trials(
    lab: Laboratory,
    pool: ThreadPoolExecutor,
    findings: Iterable[Finding],
    baselines: Mapping[str, Outcome],
    tests: Tests,
    grace: float,
) -> None:
    def run(found: Finding, row: str) -> Answer:
        baseline = baselines[row]
        if not baseline.green:
            return Answer(row, "worthless", f"red without a fault too: {_first_red(baseline)}")
        limit = grace + PATIENCE * baseline.seconds
        return _judged(row, lab.trial(row, tests[row], found.mutant, seconds=limit), baseline)

    wanted = {
        (found.mutant.name, row): partial(run, found, row)
        for found in findings
        for row in found.mutant.ids
        if row in tests
    }
    by_name = {found.mutant.name: found for found in findings}
    for done, ((name, row), answer) in enumerate(_side_by_side(pool, wanted), 1):
        by_name[name].answers[row] = answer
        said = f": {answer.red[0]}" if answer.red else f": {answer.said}" if answer.status != "caught" else ""
        _say(f"[{done}/{len(wanted)}] {name:5} {row:3} {answer.status} ({answer.seconds:.0f} s){said}")


def _judged(row: str, outcome: Outcome, baseline: Outcome) -> Answer:
    if outcome.hung:
        said = f"hung: {outcome.seconds:.0f} s and no end, {baseline.seconds:.0f} s without the fault"
        return Answer(row, "caught", said, (), outcome.seconds)
    if outcome.trouble:
        return Answer(row, "worthless", outcome.trouble, (), outcome.seconds)
    if not outcome.red:
        return Answer(row, "missed", f"{outcome.passed} tests of {row} stay green", (), outcome.seconds)
    return Answer(row, "caught", outcome.red[0][1], tuple(test for test, _ in outcome.red), outcome.seconds)


def _first_red(outcome: Outcome) -> str:
    if outcome.hung:
        return "they do not end"
    if outcome.trouble:
        return outcome.trouble
    return " ".join(outcome.red[0]) if outcome.red else "none of its tests ran"


def _side_by_side[Key, Result](
    pool: ThreadPoolExecutor, calls: Mapping[Key, Callable[[], Result]]
) -> Iterable[tuple[Key, Result]]:
    """Results as they come."""
    futures: dict[Future[Result], Key] = {pool.submit(call): key for key, call in calls.items()}
    for future in as_completed(futures):
        yield futures[future], future.result()


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
