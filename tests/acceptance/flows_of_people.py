"""The flows of the design that people set off."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from shared.models.custody import Status
from shared.oauth.provider import AZURE_DEVOPS, ENTRA
from tests.acceptance.flows import (
    BURN_TO_SESSION,
    LAST_OUT,
    LEASE_TO_SAVE,
    NEARLY_OVER,
    NOTED,
    NOTHING,
    SETTLED,
    Flow,
    Played,
    is_gone,
    is_leased,
    is_renewed,
    is_settled,
    is_signed_in,
    leaving,
    sign_in_by,
    user_of,
    viewing,
    was_noted,
)
from tests.acceptance.revoking import Trapped
from tests.acceptance.stage import Seen, Stage
from tests.site import Browser
from tools.chaos.arming import Act, Trap

SEEN_AGAIN = timedelta(minutes=11)
DUE = timedelta(minutes=56)
"""After so much of an hour a token is due for a request, and still serves."""
AT_ONCE = timedelta(minutes=2)
"""Sooner than a visit is noted, and later than a token counts as just refreshed."""
A_MOMENT = timedelta(seconds=2)
"""So long that hints of before and after differ: they are kept to the second."""


def first_sign_in(stage: Stage) -> Played:
    def came(it: Seen) -> bool:
        return any(is_signed_in(record, 1) for record in it.records.values())

    return Played(
        **sign_in_by(Browser(stage.keeper().url), stage.stranger()),
        marks={
            "logins.burn": lambda it: it.burnt == 1,
            "due.put": stage.hinted(),
            "connections.open_session": came,
        },
        done=came,
    )


def second_sign_in(stage: Stage) -> Played:
    name = stage.stranger()
    before = stage.visitor(name)
    user = user_of(before)

    def replaced(it: Seen) -> bool:
        return is_signed_in(it.of(user), 2) and bool(it.of(user).revocations)

    return Played(
        **sign_in_by(Browser(stage.keeper().url), name),
        marks={
            "logins.burn": lambda it: it.burnt == 2,
            "due.put": stage.hinted(),
            "connections.open_session": replaced,
        },
        done=lambda it: is_signed_in(it.of(user), 2),
        stays=[before],
    )


def switch_to(provider: str) -> Callable[[Stage], Played]:
    """In a browser that holds somebody's session, somebody else signs in."""

    def begin(stage: Stage) -> Played:
        leaves = stage.stranger()
        browser = stage.visitor(leaves)
        left = user_of(browser)

        def came(it: Seen) -> bool:
            return any(is_signed_in(record, 1) for record in it.beside(left))

        return Played(
            **sign_in_by(browser, stage.stranger(), provider),
            marks={
                "logins.burn": lambda it: it.burnt == 2,
                "due.put": stage.hinted(),
                "connections.open_session": came,
                "due.put 2": stage.hinted(2),
                "connections.end_connection": lambda it: is_gone(it.of(left)),
                "connections.update_revocation": lambda it: is_settled(it.of(left)),
            },
            done=lambda it: came(it) and is_gone(it.of(left)),
            leaves=[leaves],
        )

    return begin


def view_that_is_noted(stage: Stage) -> Played:
    browser = stage.visitor()
    stage.advance(SEEN_AGAIN)
    noted = was_noted(browser)
    return Played(viewing(browser), {"connections.touch": noted}, done=noted, stays=[browser])


def refresh_on_request(stage: Stage) -> Played:
    browser = stage.visitor()
    user = user_of(browser)
    stage.advance(DUE)
    marks = {
        "connections.touch": was_noted(browser),
        "connections.take_lease": lambda it: is_leased(it.of(user)) or is_renewed(it.of(user)),
        "connections.save_tokens": lambda it: is_renewed(it.of(user)),
    }
    return Played(viewing(browser), marks, done=lambda it: is_renewed(it.of(user)), stays=[browser])


def refresh_that_is_refused(stage: Stage) -> Played:
    """The grant is over; the access token serves for four more minutes."""
    browser = stage.visitor()
    user = user_of(browser)
    refusal = {"token_error": {"error": "invalid_grant", "description": "TF400813"}}
    stage.site.simulator.faults({"match": {"grant": "refresh_token"}, "action": refusal})
    stage.advance(DUE)

    def ended(it: Seen) -> bool:
        return it.of(user).connection.status is Status.RECONNECT

    marks = {
        "connections.touch": was_noted(browser),
        "connections.take_lease": lambda it: is_leased(it.of(user)) or ended(it),
        "connections.release": lambda it: ended(it) and not is_leased(it.of(user)),
    }
    return Played(viewing(browser), marks, done=ended, stays=[browser])


def refresh_after_a_rejection(stage: Stage) -> Played:
    """Azure DevOps takes a token no more that is not due; the next one lives for a minute only."""
    browser = stage.visitor()
    user = user_of(browser)
    simulator = stage.site.simulator
    token = stage.seen().of(user).connection.access_token
    simulator.http.post(f"{simulator.url}/oauth2/revoke", data={"token": token}, timeout=10).raise_for_status()
    simulator.settings(token_lifetime=60)
    stage.advance(AT_ONCE)
    marks = {
        "due.put": stage.hinted(),
        "connections.take_lease": lambda it: is_leased(it.of(user)) or is_renewed(it.of(user)),
        "connections.save_tokens": lambda it: is_renewed(it.of(user)),
    }
    return Played(viewing(browser), marks, done=lambda it: is_renewed(it.of(user)), stays=[browser])


def refresh_that_lost_to_a_sign_out(stage: Stage) -> Played:
    """Its tokens belong to nobody when they come: they are revoked."""
    name = stage.stranger()
    browser = stage.visitor(name)
    user = user_of(browser)
    stage.advance(DUE)

    def run(at: Trapped) -> None:
        with ThreadPoolExecutor(1) as aside:
            view = aside.submit(viewing(browser), at)
            while at.host.child.alive and not any(hit.act is Act.STOP for hit in at.traps.hits()):
                time.sleep(0.01)
            leaving(browser)(Trapped(stage.keeper()))
            stage.advance(A_MOMENT)
            at.host.child.resume()
            view.result()

    def waiting(it: Seen) -> bool:
        return any(not row.outcome for row in it.of(user).revocations)

    marks = {
        "connections.touch": NOTHING,
        "connections.take_lease": NOTHING,
        "connections.save_tokens": NOTHING,
        "due.put": stage.hinted(2),  # the first is the sign-out's
        "connections.add_revocation": waiting,
    }
    return Played(run, marks, done=lambda it: is_gone(it.of(user)), leaves=[name], again=lambda _: None)


def sign_out_beside_a_long_session(stage: Stage) -> Played:
    name = stage.stranger()
    leaves, other = stage.visitor(name), stage.visitor(name)
    user = user_of(leaves)
    ended = lambda it: len(it.of(user).sessions) == 1  # noqa: E731
    return Played(leaving(leaves), {"connections.end_sessions": ended}, done=ended, stays=[other])


def sign_out_beside_a_session_that_ends_soon(stage: Stage) -> Played:
    """The one that leaves would have been looked at later than the other one's end."""
    name = stage.stranger()
    other = stage.visitor(name)
    user = user_of(other)
    stage.advance(NEARLY_OVER)
    leaves = stage.visitor(name)
    stage.advance(SETTLED)
    stage.settle()
    ended = lambda it: len(it.of(user).sessions) == 1  # noqa: E731
    marks = {"due.put": stage.hinted(), "connections.end_sessions": ended}
    return Played(leaving(leaves), marks, done=ended, stays=[other])


def last_sign_out(stage: Stage) -> Played:
    return _end_of(stage, stage.stranger())


def disconnect(stage: Stage) -> Played:
    name = stage.stranger()
    stage.visitor(name)
    stage.visitor(name)
    return _end_of(stage, name, "/auth/disconnect")


def _end_of(stage: Stage, name: str, path: str = "/auth/logout") -> Played:
    browser = stage.visitor(name)
    user = user_of(browser)
    stage.advance(A_MOMENT)
    marks = {
        "due.put": stage.hinted(),
        "connections.end_connection": lambda it: is_gone(it.of(user)),
        "connections.update_revocation": lambda it: is_gone(it.of(user)) and is_settled(it.of(user)),
    }
    return Played(leaving(browser, path), marks, done=lambda it: is_gone(it.of(user)), leaves=[name])


FLOWS_OF_PEOPLE = (
    Flow("sign-in", BURN_TO_SESSION, first_sign_in),
    Flow("second sign-in", BURN_TO_SESSION, second_sign_in),
    Flow("switch of account", BURN_TO_SESSION + LAST_OUT, switch_to(AZURE_DEVOPS)),
    Flow("switch of provider", BURN_TO_SESSION + LAST_OUT, switch_to(ENTRA)),
    Flow("view that is noted", NOTED, view_that_is_noted),
    Flow("refresh on request", NOTED + LEASE_TO_SAVE, refresh_on_request),
    Flow(
        "refresh that is refused",
        (*NOTED, *LEASE_TO_SAVE[:2], "connections.load", "connections.release"),
        refresh_that_is_refused,
    ),
    Flow(
        "refresh after a rejection",
        ("connections.load_session", "due.put", *LEASE_TO_SAVE),
        refresh_after_a_rejection,
    ),
    Flow(
        "refresh that lost to a sign-out",
        (*NOTED, *LEASE_TO_SAVE, "connections.load", "due.put", "connections.add_revocation"),
        refresh_that_lost_to_a_sign_out,
        held=(Trap("provider.refresh:after", Act.STOP),),
        first="connections.save_tokens",
    ),
    Flow(
        "sign-out beside a long session",
        ("connections.load", "connections.end_sessions"),
        sign_out_beside_a_long_session,
    ),
    Flow(
        "sign-out beside a session that ends soon",
        ("connections.load", "due.put", "connections.end_sessions"),
        sign_out_beside_a_session_that_ends_soon,
    ),
    Flow("last sign-out", LAST_OUT, last_sign_out),
    Flow("disconnect", LAST_OUT, disconnect),
)
