"""`make run`: Azurite, the simulator and the local host, until Ctrl-C. `python -m tools.run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools import bootstrap
from tools.run import azurite, processes
from tools.run.plan import HOST, Plan, PlanError, host_settings, make_plan, read_settings
from tools.run.processes import ChildError
from tools.run.session import (
    HOST_READY_SECONDS,
    Session,
    Stopped,
    answers,
    complain,
    only_session,
    say,
    write_state,
)


@dataclass(frozen=True, slots=True)
class Programs:
    """What is started, so that tests can put small programs in place of the real ones."""

    host: Callable[[Plan], list[str | Path]]
    simulator: Callable[[Plan], list[str | Path]]
    app: Callable[[], Mapping[str, str]]


def _host_command(plan: Plan) -> list[str | Path]:
    command = [sys.executable, "-m", "tools.local_host", "--port", str(plan.port)]
    return [*command, "--https"] if plan.https else [*command]


def _simulator_command(plan: Plan) -> list[str | Path]:
    callback = f"{plan.public_url}/auth/callback"
    port = str(plan.simulator_port)
    command = [sys.executable, "-m", "tools.simulator", "--port", port, "--redirect-uri", callback]
    # The home page is where Microsoft's own sign-out leads back to.
    return [*command, "--entra-redirect-uri", f"{callback}/entra", "--entra-redirect-uri", f"{plan.public_url}/"]


def _simulated_app() -> Mapping[str, str]:
    from tools.simulator import defaults

    return {
        "ENTRA_CLIENT_ID": defaults.ENTRA_CLIENT_ID,
        "ENTRA_TENANT_ID": defaults.ENTRA_TENANT_ID,
        "ENTRA_CLIENT_SECRET": defaults.ENTRA_CLIENT_SECRET,
        "AZURE_DEVOPS_APP_ID": defaults.APP_ID,
        "AZURE_DEVOPS_CLIENT_SECRET": defaults.CLIENT_SECRET,
    }


REAL = Programs(_host_command, _simulator_command, _simulated_app)


def main(root: Path = bootstrap.ROOT, programs: Programs = REAL) -> int:
    try:
        with only_session(root) as session:
            settings = read_settings(root, os.environ)
            _run(session, settings, programs)
    except Stopped as stopped:
        say(f"\nstopped ({stopped})")
        return stopped.exit_code
    except (PlanError, ChildError) as error:
        complain(f"make run: {error}")
        return 1
    return 0


def _run(session: Session, settings: Mapping[str, str], programs: Programs) -> None:
    plan = make_plan(settings)
    for note in plan.notes:
        say(note)
    storage = _started_storage(session) if plan.own_storage else None
    app = programs.app() if plan.simulator_url else None
    if plan.simulator_url:
        simulator = session.start("simulator", programs.simulator(plan), os.environ)
        session.wait_for(simulator, lambda: processes.LISTENING.search(simulator.output()), 30)
    added = host_settings(plan, settings, key_file=session.folder / "token-encryption-key", storage=storage, app=app)
    host = session.start("host", programs.host(plan), {**os.environ, **added})
    session.wait_for(host, lambda: answers(f"{plan.local_url}/healthz"), HOST_READY_SECONDS)
    write_state(session.root, url=plan.public_url, local_url=plan.local_url)
    _announce(plan, settings)
    session.watch()


def _started_storage(session: Session) -> str:
    started = azurite.start_azurite(session.fresh_log("azurite"), data=session.folder / "azurite", root=session.root)
    session.children.append(started.child)
    azurite.create_tables(started.connection_string)
    return started.connection_string


def _announce(plan: Plan, settings: Mapping[str, str]) -> None:
    say("")
    say(f"  Open          {plan.public_url}")
    if plan.simulator_url:
        say("  Sign in as    Ada (2 organizations), Björn (1) or Chen (none): a simulated Azure DevOps")
        say(f"                at {plan.simulator_url}; calls and faults under /_sim/")
        say("                Microsoft's button takes Ada alone: the others are of another tenant, or of none")
    else:
        say(f"  Sign in with  {settings.get('AZURE_DEVOPS_URL', 'https://dev.azure.com')}")
    if plan.public_url != plan.local_url:
        say(f"  Listens on    {HOST}:{plan.port}")
    say(f"  Storage       {'Azurite, kept in .run/azurite' if plan.own_storage else 'as configured'}")
    say("  Logs          .run/host.log .run/simulator.log .run/azurite.log")
    say("  Timer now     make tick")
    say("  Stop          Ctrl-C")


if __name__ == "__main__":
    sys.exit(main())
