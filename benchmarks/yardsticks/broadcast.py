"""Bare ``websockets``: every line that comes on the control port goes to all sockets by ``broadcast()``.

``main`` takes two ports: of the sockets, and of the control line. The same loop and the same server options as the
gateway's: uvloop, no compression.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

LINE_BYTES_MAX = 1024 * 1024


async def run(port: int, control: int) -> None:
    """Serve for ever."""
    connections: set[ServerConnection] = set()

    async def keep(connection: ServerConnection) -> None:
        connections.add(connection)
        await connection.wait_closed()
        connections.discard(connection)

    async def obey(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            broadcast(connections, line[:-1], text=True)

    async with serve(keep, "127.0.0.1", port, compression=None, server_header=None):
        server = await asyncio.start_server(obey, "127.0.0.1", control, limit=LINE_BYTES_MAX)
        await server.serve_forever()


def main() -> None:
    """Take the ports from the command line."""
    uvloop.run(run(int(sys.argv[1]), int(sys.argv[2])))
