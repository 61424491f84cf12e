"""Asks a server, in its own protocol, whether it serves; each raises OSError or EOFError while it does not.

Written over plain sockets, because readiness is asked twenty times a second and no client library is needed for it.
Those that end with ``_lives`` ask less, and are for one that ran already: does the process still answer at all? A
database that recovers lives; a server that was stopped or hangs takes the connection and says nothing.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

HOST = "127.0.0.1"
PROBE_SECONDS = 2.0
ALIVE_POLL_SECONDS = 5.0
"""Pause between two questions to a server that runs: a few each minute cost it nothing."""
SSL_REQUEST = 80877103
API_VERSIONS = 18
REPLY_BYTES_MAX = 1 << 20


def free_port() -> int:
    """Return a loopback TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Say whether a loopback TCP port can be bound now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A loopback connection for at most `PROBE_SECONDS`; raises OSError when it cannot be made or takes longer."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                yield reader, writer
            finally:
                writer.transport.abort()
    except TimeoutError:
        raise OSError(f"no answer from port {port}") from None


async def kafka(port: int) -> None:
    """Ask for the cluster's metadata (version 5, no topics); it must name a broker that is not fenced."""
    client = b"vigil-probe"
    request = struct.pack(">hhih", 3, 5, 1, len(client)) + client + struct.pack(">ib", 0, 0)
    async with connected(port) as (reader, writer):
        writer.write(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        if not 12 <= size <= REPLY_BYTES_MAX:
            raise OSError(f"port {port} does not speak Kafka")
        reply = await reader.readexactly(size)
    _, _, brokers = struct.unpack(">iii", reply[:12])
    if brokers < 1:
        raise OSError("no broker has joined yet")


async def kafka_lives(port: int) -> None:
    """Ask which requests the broker knows, which it answers without asking the cluster."""
    client = b"vigil-probe"
    request = struct.pack(">hhih", API_VERSIONS, 0, 1, len(client)) + client
    async with connected(port) as (reader, writer):
        writer.write(struct.pack(">i", len(request)) + request)
        await reader.readexactly(8)


async def mqtt(port: int) -> None:
    """Connect as MQTT 5 with a clean start; the CONNACK must say success."""
    client = b"vigil-probe-%d" % port
    body = b"\x00\x04MQTT\x05\x02" + struct.pack(">H", 10) + b"\x00" + struct.pack(">H", len(client)) + client
    async with connected(port) as (reader, writer):
        writer.write(bytes([0x10, len(body)]) + body)
        head = await reader.readexactly(4)
        if head[0] != 0x20 or head[3] != 0:
            raise OSError(f"the broker on port {port} refused the probe")
        writer.write(b"\xe0\x00")
        await writer.drain()


async def postgres(port: int, user: str) -> None:
    """Ask for a session as ``user``; the server must ask for a password, not say that it is starting."""
    body = struct.pack(">i", 3 << 16) + b"user\0" + user.encode() + b"\0database\0postgres\0\0"
    async with connected(port) as (reader, writer):
        writer.write(struct.pack(">i", len(body) + 4) + body)
        if await reader.readexactly(1) != b"R":
            raise OSError(f"the database on port {port} is not ready")


async def postgres_lives(port: int) -> None:
    """Ask whether the server speaks TLS, which it answers before any session, and without a line in its log."""
    async with connected(port) as (reader, writer):
        writer.write(struct.pack(">ii", 8, SSL_REQUEST))
        if await reader.readexactly(1) not in {b"S", b"N"}:
            raise OSError(f"port {port} does not speak PostgreSQL")
