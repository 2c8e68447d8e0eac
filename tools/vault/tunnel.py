"""A proxy for CONNECT, so that a client finds the vault under its real name and port (variant P of the facts).

It tunnels `*.vault.azure.net:443` to the local vault and refuses everything else: nothing leaves this machine.
"""

import asyncio
import contextlib
import re

_CONNECT = re.compile(rb"CONNECT [a-zA-Z0-9-]+\.vault\.azure\.net:443 HTTP/1\.1\r\n")
_MAX_HEAD = 8 * 1024


async def serve(host: str, port: int, vault: tuple[str, int]) -> asyncio.Server:
    """Listen; every accepted connection is a tunnel to `vault`. Port 0 takes a free one."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await _tunnel(reader, writer, vault)
        writer.close()

    return await asyncio.start_server(accept, host, port, limit=_MAX_HEAD, backlog=128)


async def _tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, vault: tuple[str, int]) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not _CONNECT.match(head):
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        return
    inner_reader, inner_writer = await asyncio.open_connection(*vault)
    writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
    await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(64 * 1024):
            sink.write(piece)
            await sink.drain()
    sink.close()
