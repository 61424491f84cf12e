"""Whom a server cuts is told once, with the reason; real sockets on loopback."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import cast

from alerts.session import Host, Session
from runtime.clock import SystemClock
from runtime.testing.waiting import until
from runtime.web import LIMITS, Cut, Peer, serve
from vitals.people import Principal

WAIT_S = 30.0
QUICK = replace(LIMITS, watch_every_s=0.02, close_s=0.3, stall_s=0.3)
PATIENT = replace(QUICK, stall_s=600.0)
NURSE = Principal(name="n", role="clinician", token_sha256="0" * 64)


async def deaf_client(port: int) -> asyncio.StreamWriter:
    """Complete the handshake and never read again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    key = base64.b64encode(bytes(16)).decode()
    writer.write(
        f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    return writer


async def test_who_lets_too_much_wait_is_told_as_bytes_once() -> None:
    """One poll of the feed pushes hundreds of changes to who was cut by the first of them."""
    cuts: list[Cut] = []
    ended = asyncio.Event()

    async def flood(peer: Peer) -> None:
        session = Session(peer, NURSE, SystemClock())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(session.talk(cast("Host", None), []), name="conversation")
            while not ended.is_set():
                session.push("x" * 50_000)
                if cuts:
                    peer.cut("bytes")
                    ended.set()
                await asyncio.sleep(0)

    async with serve(flood, "127.0.0.1", 0, limits=PATIENT, on_cut=cuts.append) as port:
        deaf = await deaf_client(port)
        await until(ended.is_set, WAIT_S)
    deaf.transport.abort()
    assert cuts == ["bytes"]


async def test_who_fills_the_buffer_by_itself_is_told_as_bytes() -> None:
    """A frame that alone is larger than what may wait ends the connection in the sender, not in the watch."""
    cuts: list[Cut] = []

    async def flood(peer: Peer) -> None:
        await peer.send("x" * (PATIENT.buffer_bytes_max + 1))

    async with serve(flood, "127.0.0.1", 0, limits=PATIENT, on_cut=cuts.append) as port:
        deaf = await deaf_client(port)
        await until(lambda: bool(cuts), WAIT_S)
    deaf.transport.abort()
    assert cuts == ["bytes"]


async def test_who_takes_nothing_for_too_long_is_told_as_patience_once() -> None:
    """The two reasons have different remedies: a slow link, or a client that is not there any more."""
    cuts: list[Cut] = []

    async def flood(peer: Peer) -> None:
        while True:
            await peer.send("x" * 1000)

    async with serve(flood, "127.0.0.1", 0, limits=QUICK, on_cut=cuts.append) as port:
        deaf = await deaf_client(port)
        await until(lambda: bool(cuts), WAIT_S)
    deaf.transport.abort()
    assert cuts == ["patience"]


async def test_who_leaves_by_itself_is_not_cut() -> None:
    """A ward that switches its screens off for the night is no trouble of the network's."""
    cuts: list[Cut] = []
    arrived: list[Peer] = []

    async def hold(peer: Peer) -> None:
        arrived.append(peer)
        await peer.receive()

    async with serve(hold, "127.0.0.1", 0, limits=QUICK, on_cut=cuts.append) as port:
        client = await deaf_client(port)
        client.transport.abort()
        await until(lambda: bool(arrived) and arrived[0]._connection.transport.is_closing(), WAIT_S)
        arrived[0].cut("bytes")
        assert cuts == []
