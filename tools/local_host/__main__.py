"""python -m tools.local_host: the command line, and the order in which the parts start."""

import argparse
import asyncio
import logging
import os
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tools.local_host import certificate, composition, console, record, runtime, schedule, settings
from tools.local_host.admin import Admin
from tools.local_host.errors import HostError
from tools.local_host.front import Front
from tools.local_host.invocations import Invocations
from tools.local_host.routing import Router
from tools.local_host.server import Server, bound_socket, end_process

log = logging.getLogger("host")

_DEFAULT_PORT = 7071


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal. Returns 0, or 1 when the host can't start, or 130 when interrupted before that."""
    options = _parse(arguments)
    try:
        asyncio.run(_run(options))
    except HostError as error:
        sys.stdout.flush()
        print(error.detail, end="", file=sys.stderr)
        print(f"local host: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.local_host", description=__doc__)
    parser.add_argument("--port", type=int, help="0: any free port; default: local.settings.json, then 7071")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--https", action="store_true", help="self-signed certificate, kept under .run/")
    parser.add_argument("--clock-offset", type=float, metavar="SECONDS", help="the app's clock is ahead by this")
    parser.add_argument("--services", metavar="MODULE:FUNCTION", help="builds Services instead of the app's own")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="directory of function_app.py")
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="write all logs at DEBUG and all answers there")
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace) -> None:
    root = options.root.resolve()
    recorder = _recorder(options.record)
    host_config = settings.read_host_config(root)
    local = settings.read_local_settings(root)
    wanted_port = local.port if options.port is None else options.port
    with bound_socket(options.host, _DEFAULT_PORT if wanted_port is None else wanted_port) as listener:
        port = listener.getsockname()[1]
        _enter(root, local, port)
        certificate_files = _certificate(root) if options.https else None
        if options.clock_offset is not None or options.services is not None:
            composition.replace_services(options.services or composition.DEFAULT_BUILDER, options.clock_offset or 0.0)
        functions = await runtime.index(root)
        if recorder:
            console.unmute()
        scheme = "https" if options.https else "http"
        print(console.function_table(functions, f"{scheme}://localhost:{port}/", host_config.route_prefix))
        await _serve(
            functions,
            host_config,
            listener,
            certificate_files,
            recorder,
            ready_line=f"Listening on {scheme}://{options.host}:{port}",
        )


def _recorder(folder: Path | None) -> record.Recorder | None:
    """Set the logs up; what is written of the answers, where that is asked for."""
    if folder is None:
        console.set_up_logging()
        return None
    folder = folder.resolve()  # the app changes the directory
    folder.mkdir(parents=True, exist_ok=True)
    console.set_up_logging(folder / record.LOG)
    return record.Recorder(folder)


def _enter(root: Path, local: settings.LocalSettings, port: int) -> None:
    """Give the app its environment, its directory and its modules."""
    skipped = settings.apply_to_environment(local, os.environ, root=root, host_name=f"localhost:{port}")
    for note in (*local.notes, *skipped):
        log.warning(note)
    os.chdir(root)
    sys.path.insert(0, str(root))


def _certificate(root: Path) -> tuple[Path, Path]:
    files = certificate.certificate_files(root / ".run", datetime.now(UTC))
    log.info("Self-signed certificate for localhost, SHA-256 %s", certificate.fingerprint(files[0]))
    return files


async def _serve(
    functions: Sequence[runtime.HostedFunction],
    host_config: settings.HostConfig,
    listener: socket.socket,
    certificate_files: tuple[Path, Path] | None,
    recorder: record.Recorder | None,
    ready_line: str,
) -> None:
    """Answer requests and run timers until a signal; then let what is under way finish."""
    timers = schedule.timers_of(functions)
    invocations = Invocations()
    front = Front(
        Router(functions, host_config.route_prefix), Admin(functions, invocations), host_config.custom_headers, recorder
    )
    scheduled = [asyncio.create_task(schedule.keep(timer, invocations)) for timer in timers]
    server = Server(
        front,
        certificate_files,
        ready=lambda: print(ready_line, flush=True),
        stopping=lambda: [task.cancel() for task in scheduled],
    )
    await server.serve(sockets=[listener])
    finished = await invocations.finish(server.grace_left())
    if not finished or server.grace_left() == 0:
        log.warning("Stopped while an invocation was still running.")
        end_process(0)


if __name__ == "__main__":
    sys.exit(main())
