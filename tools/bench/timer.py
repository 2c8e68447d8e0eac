"""What the timer does in a second, and what a run of it costs.

The peers have no timer, so these figures stand beside what bounds them and not beside a peer.
"""

from collections import Counter
from collections.abc import Iterator

from shared.custody.tick import WORKERS
from tools.bench.figures import Figure
from tools.bench.site import started

LATENCY = 0.1
"""Seconds that the token service takes."""
CAP = 50
"""The default of REFRESH_CALLS_PER_SECOND."""
UNCAPPED = 1000
"""The highest that the setting takes: the cap is then not what holds the timer back."""
DUE = 100


def refreshes_per_second(people: int) -> Iterator[Figure]:
    """Of one instance at a token service of 100 ms, with the default cap and, in effect, without."""
    for cap in (CAP, UNCAPPED):
        with started(REFRESH_CALLS_PER_SECOND=str(cap)) as site:
            site.set_simulator(token_latency=LATENCY)
            site.due([f"user{n:04}" for n in range(1, people + 1)])
            site.refresh_calls()
            report = site.run_timer()
            calls = site.refresh_calls()
        _expect(report["refreshed"], people, "refreshed")
        rate = (len(calls) - 1) / (calls[-1] - calls[0]).total_seconds()
        yield Figure(
            name=f"refreshes per second, {people} due, token service {LATENCY * 1000:.0f} ms",
            ours=round(rate, 1),
            beside={"cap": cap, "concurrency ÷ latency": round(WORKERS / LATENCY)},
            ratios={"of the cap": round(rate / cap, 2), "of the bound": round(rate * LATENCY / WORKERS, 3)},
        )


def operations_of_a_run(few: int, many: int) -> Iterator[Figure]:
    """Table operations for the same hundred due among few and among many stored connections, purge and counts too."""
    totals = []
    for stored in (few, many):
        with started(at_rest=stored - DUE) as site:
            site.due([f"user{n:04}" for n in range(1, DUE + 1)])
            with site.proxy.counting() as operations:
                report = site.run_timer()
        _expect((report["looked"], report["refreshed"]), (DUE, DUE), "looked at and refreshed")
        totals.append(len(operations))
        yield Figure(
            name=f"table operations of a run, {DUE} due among {stored:,} stored",
            ours=len(operations),
            beside=dict(sorted(Counter(operations).items())),
            ratios={"of the first": round(len(operations) / totals[0], 3)},
        )


def _expect(found: object, wanted: object, what: str) -> None:
    """A figure of a run that did something else is none."""
    if found != wanted:
        raise RuntimeError(f"the timer {what} {found}, and should have {wanted}")
