"""What a refresh under way costs everybody else who looks at a page meanwhile (acceptance R2).

One after the other, so that they wait for each other's work as little as the machine allows.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from tools.bench.figures import Figure
from tools.bench.site import Site, started
from tools.chaos.population import Resident
from tools.chaos.volley import Reply, Shot, fire

LATENCY = 2.0
"""Seconds that the token service takes."""
HEAD_START = 0.3
"""Seconds after which the first request has reached it."""
PATH = "/org/contoso-labs/projects"


def wait_beside_a_refresh(rounds: int) -> Iterator[Figure]:
    """While the stored token still serves: views during a refresh, beside the same views without one."""
    with started() as site:
        site.set_simulator(token_latency=LATENCY)
        during, usual = list[float](), list[float]()
        for resident in site.due([f"user{n:04}" for n in range(1, rounds + 1)]):
            seconds = _beside_one(site, resident)
            during += seconds
            usual += _look(site, resident, len(seconds))
        refreshes = len(site.refresh_calls())
    if refreshes != rounds:
        raise RuntimeError(f"{refreshes} refreshes, and should have been {rounds}")
    p99, usual_p99 = _p99(during), _p99(usual)
    yield Figure(
        name=f"ms at p99 of {len(during)} views beside a refresh of {LATENCY:.0f} s",
        ours=round(p99 * 1000, 1),
        beside={
            "ms without one": round(usual_p99 * 1000, 1),
            "ms in the middle": round(statistics.median(during) * 1000, 1),
            "ms in the middle without one": round(statistics.median(usual) * 1000, 1),
        },
        ratios={"of the views without one": round(p99 / usual_p99, 2)},
    )


def _beside_one(site: Site, resident: Resident) -> list[float]:
    """Seconds of each view that began and ended while the first one waited for the token service."""
    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(_view, site, resident)
        time.sleep(HEAD_START)
        replies = list[Reply]()
        while not holder.done():
            replies.append(_view(site, resident))
        held = holder.result()
    return [each.seconds for each in replies if each.ended < held.ended]


def _look(site: Site, resident: Resident, views: int) -> list[float]:
    return [_view(site, resident).seconds for _ in range(views)]


def _view(site: Site, resident: Resident) -> Reply:
    key = resident.key
    reply = fire(Shot(site.url + PATH, {"gatehouse-session": key.user_id + key.secret}))
    if reply.status != 200:
        raise RuntimeError(f"a view was answered {reply.status}")
    return reply


def _p99(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]
