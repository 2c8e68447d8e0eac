"""Runs the simulator: `python -m tools.simulator --port 9700`."""

import argparse
import asyncio
import signal
import sys

from tools.simulator import defaults
from tools.simulator.application import Simulator
from tools.simulator.server import serve
from tools.simulator.settings import ControlError, Settings


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.simulator", description="Azure DevOps on loopback.")
    parser.add_argument("--port", type=int, default=defaults.PORT, help="0 takes a free port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--app-id", default=defaults.APP_ID, metavar="GUID")
    parser.add_argument("--client-secret", action="append", metavar="S", help="may be repeated")
    parser.add_argument("--redirect-uri", action="append", metavar="URI", help="may be repeated")
    parser.add_argument("--entra-client-id", default=defaults.ENTRA_CLIENT_ID, metavar="GUID")
    parser.add_argument("--entra-client-secret", action="append", metavar="S", help="may be repeated")
    parser.add_argument("--entra-redirect-uri", action="append", metavar="URI", help="may be repeated")
    parser.add_argument("--auto-consent", metavar="NAME", help="skip the consent page: ada, bjorn or chen")
    parser.add_argument("--public-url", metavar="URL", help="where browsers reach the simulator")
    return parser.parse_args()


def _changes(arguments: argparse.Namespace) -> dict[str, object]:
    given = {
        "app_id": arguments.app_id,
        "client_secrets": arguments.client_secret,
        "redirect_uris": arguments.redirect_uri,
        "entra_client_id": arguments.entra_client_id,
        "entra_client_secrets": arguments.entra_client_secret,
        "entra_redirect_uris": arguments.entra_redirect_uri,
        "auto_consent": arguments.auto_consent,
        "public_url": arguments.public_url,
    }
    return {name: value for name, value in given.items() if value is not None}


async def _run(simulator: Simulator, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(simulator, host, port, stop)


def main() -> int:
    """Exit status 0 after SIGTERM or Ctrl-C, 2 when it cannot start."""
    arguments = _arguments()
    try:
        simulator = Simulator(Settings())
        simulator.change_settings(_changes(arguments))
        asyncio.run(_run(simulator, arguments.host, arguments.port))
    except (ControlError, OSError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
