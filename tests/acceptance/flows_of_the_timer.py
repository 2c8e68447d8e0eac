"""The flows of the design that the timer goes through, one look at one person each."""

import time
from collections.abc import Callable
from datetime import timedelta

from tests.acceptance.flows import (
    LAST_OUT,
    LEASE_TO_SAVE,
    NEARLY_OVER,
    REVOKE_BOTH,
    Flow,
    Played,
    is_gone,
    is_leased,
    is_renewed,
    is_settled,
    leaving,
    may_break_off,
    user_of,
)
from tests.acceptance.revoking import Trapped
from tests.acceptance.stage import BOTH_KEYS, RING, WITHOUT_LEGACY, Mark, Seen, Stage
from tests.site import start_timer

DUE = timedelta(minutes=50)
LATEST_LOOK = timedelta(minutes=75)
"""After that everybody was looked at, and burnt states are over."""
IDLE_OVER = timedelta(hours=9)
FIRST_IS_OVER = timedelta(minutes=50)
"""After NEARLY_OVER: the one session has ended, and the other one's token is due."""
RETRY = timedelta(seconds=45)
KEPT_LONG_ENOUGH = timedelta(hours=25)
REVOCATION_FAILS = {"match": {"grant": "revoke"}, "action": {"status": 503}}


def run(at: Trapped) -> None:
    """A run of the timer to its report; the process may die under it."""
    seen, ends = len(at.host.events("tick")), time.monotonic() + 30
    with may_break_off():
        start_timer(at.host)
    while at.host.child.alive and len(at.host.events("tick")) == seen:
        assert time.monotonic() < ends, at.host.child.output()[-2000:]
        time.sleep(0.02)


def moved(stage: Stage) -> dict[str, Mark]:
    """The hint of somebody who goes on: the new one, then the old one away."""
    now = stage.fleet.clock.now()
    return {
        "due.put": stage.hinted(),
        "due.remove": lambda it: not any(hint.at <= now for hint in it.hints),
    }


def refresh(stage: Stage) -> Played:
    browser = stage.visitor()
    user = user_of(browser)
    stage.advance(DUE)
    marks = {
        "connections.take_lease": lambda it: is_leased(it.of(user)) or is_renewed(it.of(user)),
        "connections.save_tokens": lambda it: is_renewed(it.of(user)),
        **moved(stage),
    }
    return Played(run, marks, done=lambda it: is_renewed(it.of(user)), stays=[browser])


def end_of_the_last_session(stage: Stage) -> Played:
    user = user_of(stage.visitor())
    stage.advance(IDLE_OVER)
    marks = {
        **moved(stage),
        "connections.end_connection": lambda it: is_gone(it.of(user)),
        "connections.update_revocation": lambda it: is_settled(it.of(user)),
        "due.put 2": stage.hinted(2),
        "logins.purge": lambda it: it.burnt == 0,
    }
    return Played(run, marks, done=lambda it: is_gone(it.of(user)))


def end_of_one_session(stage: Stage) -> Played:
    name = stage.stranger()
    user = user_of(stage.visitor(name))
    stage.advance(NEARLY_OVER)
    other = stage.visitor(name)
    stage.advance(RETRY)
    stage.settle()
    stage.advance(FIRST_IS_OVER)
    generation = stage.seen().of(user).connection.generation

    def renewed(it: Seen) -> bool:
        return it.of(user).connection.generation > generation

    def ended(it: Seen) -> bool:
        return len(it.of(user).sessions) == 1

    marks = {
        "connections.end_sessions": ended,
        "connections.take_lease": lambda it: is_leased(it.of(user)) or renewed(it),
        "connections.save_tokens": renewed,
        **moved(stage),
    }
    return Played(run, marks, done=lambda it: ended(it) and renewed(it), stays=[other])


def end_of_a_provider(stage: Stage) -> Played:
    """Switched off in favour of the other one."""
    user = user_of(stage.visitor())
    stage.advance(DUE)
    marks = {
        "due.put": stage.hinted(),
        "connections.end_connection": lambda it: is_gone(it.of(user)),
    }
    return Played(run, marks, done=lambda it: is_gone(it.of(user)))


def left_unrevoked(stage: Stage, name: str) -> str:
    """The user id of somebody who signed out while the provider answered no revocation."""
    browser = stage.visitor(name)
    stage.site.simulator.faults(REVOCATION_FAILS)
    leaving(browser)(Trapped(stage.keeper()))
    return user_of(browser)


def retried_revocation(stage: Stage) -> Played:
    name = stage.stranger()
    user = left_unrevoked(stage, name)
    stage.site.simulator.faults()
    stage.advance(RETRY)
    marks = {"connections.update_revocation": lambda it: is_settled(it.of(user)), **moved(stage)}
    return Played(run, marks, done=lambda it: is_settled(it.of(user)), leaves=[name])


def delayed_revocation(stage: Stage) -> Played:
    """The provider does not answer this time either; it does later."""
    name = stage.stranger()
    user = left_unrevoked(stage, name)
    stage.advance(RETRY)

    def tried(it: Seen) -> bool:
        return any(row.attempts for row in it.of(user).revocations)

    def again(host: object) -> None:
        stage.site.simulator.faults()
        stage.settle()

    marks = {"connections.update_revocation": tried, **moved(stage)}
    return Played(run, marks, done=lambda it: is_settled(it.of(user)), leaves=[name], again=again)


def purge(stage: Stage) -> Played:
    """A day after a sign-out: its outcome goes, its hints, and the burnt state."""
    browser = stage.visitor()
    user = user_of(browser)
    leaving(browser)(Trapped(stage.keeper()))
    stage.advance(KEPT_LONG_ENOUGH)
    marks = {
        "connections.drop_revocation": lambda it: not it.of(user).revocations,
        "due.remove": lambda it: not it.hints,
        "logins.purge": lambda it: it.burnt == 0,
    }
    return Played(run, marks, done=lambda it: not it.records and not it.burnt)


def reseal(stage: Stage) -> Played:
    """An hour after a new key came; the token lives for longer."""
    stage.site.simulator.settings(token_lifetime=5 * 3600)
    browser = stage.visitor()
    user = user_of(browser)
    stage.advance(LATEST_LOOK)

    def resealed(it: Seen) -> bool:
        return it.of(user).connection.key_id == RING.newest_id

    marks = {"connections.reseal": resealed, **moved(stage), "logins.purge": lambda it: it.burnt == 0}
    return Played(run, marks, done=resealed, stays=[browser])


def timer(name: str, begin: Callable[[Stage], Played], *steps: str, **more: object) -> Flow:
    """What is burnt is looked through at the end of every run."""
    return Flow(f"timer: {name}", ("connections.load", *steps, "logins.purge"), begin, **more)


MOVED = ("due.put", "due.remove")

FLOWS_OF_THE_TIMER = (
    timer("refresh", refresh, *LEASE_TO_SAVE, *MOVED),
    timer("end of the last session", end_of_the_last_session, *LAST_OUT[1:], "connections.load", *MOVED),
    timer(
        "end of one session", end_of_one_session, "connections.end_sessions", "connections.load", *LEASE_TO_SAVE, *MOVED
    ),
    timer(
        "end of a provider",
        end_of_a_provider,
        "due.put",
        "connections.end_connection",
        "connections.load",
        settings=WITHOUT_LEGACY,
    ),
    timer("retried revocation", retried_revocation, *REVOKE_BOTH, *MOVED),
    timer("delayed revocation", delayed_revocation, *REVOKE_BOTH, *MOVED),
    timer("purge", purge, "connections.drop_revocation", "due.remove"),
    timer("reseal", reseal, "connections.reseal", *MOVED, settings=BOTH_KEYS),
)
