"""Runs vault, proxy and identity: `python -m tools.vault --folder DIR`."""

import argparse
import asyncio
import secrets
import signal
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tools.simulator.server import serve
from tools.vault import tunnel
from tools.vault.application import LocalVault
from tools.vault.authority import Files, issue
from tools.vault.settings import Settings

NAMES = ["*.vault.azure.net", "localhost", "127.0.0.1"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.vault", description="A Key Vault on loopback.")
    parser.add_argument("--port", type=int, default=0, help="https; 0 takes a free one")
    parser.add_argument("--proxy-port", type=int, default=0, help="for HTTPS_PROXY")
    parser.add_argument("--identity-port", type=int, default=0, help="identity endpoint and control API")
    parser.add_argument("--folder", type=Path, required=True, help="certificates, and the key that signs tokens")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace, files: Files, vault: LocalVault) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(files.certificate, files.key)
    host = "127.0.0.1"
    announced = asyncio.Event()
    told: list[str] = []

    def ready(url: str) -> None:
        told.append(url)
        announced.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(vault.vault, host, arguments.port, stop, tls=tls, ready=ready))
        await announced.wait()
        proxy = await tunnel.serve(host, arguments.proxy_port, (host, int(urlsplit(told[0]).port or 0)))
        print(f"Vault on {told[0]}")
        print(f"Proxy on http://{host}:{proxy.sockets[0].getsockname()[1]}", flush=True)
        tasks.create_task(serve(vault.beside, host, arguments.identity_port, stop))


def _signing_key(folder: Path) -> bytes:
    """Kept, so that tokens outlive a restart of the vault, as in Azure."""
    path = folder / "token-signing-key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()


def main() -> int:
    """Exit status 0 after SIGTERM or Ctrl-C, 2 when it cannot start."""
    arguments = _arguments()
    status = 0
    try:
        files = issue(arguments.folder, NAMES)
        asyncio.run(_run(arguments, files, LocalVault(Settings(), _signing_key(arguments.folder))))
    except* OSError as errors:
        print(f"vault: {errors.exceptions[0]}", file=sys.stderr)
        status = 2
    return status


if __name__ == "__main__":
    sys.exit(main())
