"""How a server judges who is behind: by what waits for it, and by what its kernel took; real sockets on loopback."""

from __future__ import annotations

import array
import asyncio
import fcntl
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import cast

import pytest

from alerts.fanout import QUEUE_BYTES_MAX
from alerts.session import Host, Session
from runtime.clock import SystemClock
from runtime.testing.waiting import until
from runtime.web import KERNEL_BYTES_MAX, LIMITS, UNSENT_BYTES_MAX, WAITING_BYTES_MAX, Peer, PeerGone, WebLimits, serve
from vitals.people import Principal

WAIT_S = 30.0
STALL_S = 1.0
SLOW_STALL_S = 4.0
"""A full receiver is asked again after ever longer times: a steady reader's acknowledgements come up to 2 s apart."""
SLOW_BYTES_PER_S = 4096
QUICK = replace(LIMITS, watch_every_s=0.05, close_s=0.3, stall_s=STALL_S)
PATIENT = replace(LIMITS, watch_every_s=0.05, close_s=0.3, stall_s=600.0)
NOT_SENT, NOT_ACKNOWLEDGED = 0x894B, 0x5411
"""SIOCOUTQNSD and SIOCOUTQ: the test asks the kernel otherwise than the code does."""
SEGMENT_BYTES = 536
"""As on a narrow link; loopback's own of 64 KiB would let a slow reader report only now and then what it took."""


def held(peer: Peer, request: int) -> int:
    """Bytes for the peer that the kernel holds."""
    count = array.array("i", [0])
    fcntl.ioctl(peer._connection.transport.get_extra_info("socket").fileno(), request, count)
    return count[0]


@asynccontextmanager
async def connected(
    limits: WebLimits, receive_bytes: int | None = 4096, segment_bytes: int | None = None
) -> AsyncIterator[tuple[Peer, socket.socket]]:
    """A server's peer, and the bare socket of its client, which reads what the test reads."""
    arrived: asyncio.Queue[Peer] = asyncio.Queue()
    done = asyncio.Event()

    async def hold(peer: Peer) -> None:
        arrived.put_nowait(peer)
        await done.wait()

    async with serve(hold, "127.0.0.1", 0, limits=limits) as port:
        with socket.socket() as client:
            if receive_bytes:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            if segment_bytes:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment_bytes)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", port))
            lines = (
                "GET / HTTP/1.1",
                "Host: x",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
                "Sec-WebSocket-Version: 13",
            )
            await loop.sock_sendall(client, "\r\n".join((*lines, "", "")).encode())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += await loop.sock_recv(client, 1)
            try:
                yield await asyncio.wait_for(arrived.get(), WAIT_S), client
            finally:
                done.set()


def is_cut(peer: Peer) -> bool:
    """Whether the server ended the connection."""
    return bool(peer._connection.transport.is_closing())


def read(client: socket.socket, size: int) -> int:
    """Read what is there, at most ``size``; the bytes."""
    try:
        return len(client.recv(size))
    except BlockingIOError:
        return 0


async def flood(peer: Peer) -> None:
    """Send whatever the peer's buffer takes, until the connection ends."""
    try:
        while True:
            await peer.send("x" * 1000)
    except PeerGone:
        return


@pytest.mark.parametrize("receive_bytes", [4096, None], ids=["small", "usual"])
@pytest.mark.parametrize("frame_bytes", [300, 1000, 50_000])
async def test_who_never_reads_is_cut_before_more_than_1_mib_waits_in_process_and_kernel(
    receive_bytes: int | None, frame_bytes: int
):
    """The bound is told to operators and to who writes a client: it must hold for memory wherever it is held."""
    async with connected(PATIENT, receive_bytes) as (peer, _):
        session = Session(peer, Principal(name="n", role="clinician", token_sha256="0" * 64), SystemClock())
        talking = asyncio.create_task(session.talk(cast("Host", None), []))
        most = kernel_most = 0
        for _ in range(4 * WAITING_BYTES_MAX // frame_bytes):
            session.push("x" * frame_bytes)
            await asyncio.sleep(0)
            if is_cut(peer):
                break
            kernel = held(peer, NOT_SENT)
            kernel_most, most = max(kernel_most, kernel), max(most, session.buffered_bytes + kernel)
        assert is_cut(peer)
        with pytest.raises(PeerGone):
            await talking
    assert UNSENT_BYTES_MAX // 2 < kernel_most <= KERNEL_BYTES_MAX
    assert WAITING_BYTES_MAX - KERNEL_BYTES_MAX - frame_bytes < most <= WAITING_BYTES_MAX


def test_the_queue_leaves_the_kernel_its_share():
    """The queue knows no sockets, so its limit is a number of its own, and may not drift from theirs."""
    assert QUEUE_BYTES_MAX == LIMITS.buffer_bytes_max == WAITING_BYTES_MAX - KERNEL_BYTES_MAX


def has_carried(began: float, size: int) -> bool:
    """Whether a slow link has had the time for so many bytes since then."""
    return SLOW_BYTES_PER_S * (asyncio.get_running_loop().time() - began) >= size


async def test_who_reads_slowly_but_steadily_is_not_stalled():
    """A phone on a bad link has a full buffer here for minutes, and takes every byte that its link carries."""
    limits = replace(QUICK, stall_s=SLOW_STALL_S)
    async with connected(limits, segment_bytes=SEGMENT_BYTES) as (peer, client):
        sending = asyncio.create_task(flood(peer))
        await until(lambda: peer.buffered_bytes > 0, WAIT_S)
        loop = asyncio.get_running_loop()
        began, taken = loop.time(), 0
        while loop.time() - began < 2 * SLOW_STALL_S:
            await until(partial(has_carried, began, taken + SEGMENT_BYTES), WAIT_S)
            taken += read(client, SEGMENT_BYTES)
            assert not is_cut(peer), f"cut after {loop.time() - began:.1f} s, {taken} bytes taken"
            assert peer.buffered_bytes > 0
        assert taken > SLOW_STALL_S * SLOW_BYTES_PER_S
        peer.abort()
        await sending


async def everything_is_taken(peer: Peer) -> bool:
    """Whether the peer's kernel acknowledges all that was sent; an acknowledgement may be 0.04 s late."""
    try:
        await until(lambda: not held(peer, NOT_ACKNOWLEDGED), STALL_S / 2)
    except TimeoutError:
        return False
    return True


async def test_who_takes_nothing_is_cut_although_little_waits():
    """A phone out of reach holds its place for as long as few frames come; none of them waits in this process."""
    async with connected(QUICK) as (peer, _):
        loop = asyncio.get_running_loop()
        began = loop.time()
        while await everything_is_taken(peer):
            began = loop.time()
            await peer.send("x" * 1000)
        assert not is_cut(peer)
        assert (peer.buffered_bytes, held(peer, NOT_ACKNOWLEDGED) < 10_000) == (0, True)
        await until(lambda: is_cut(peer), WAIT_S)
        assert loop.time() - began >= STALL_S


async def test_who_has_taken_everything_may_be_silent_for_as_long_as_nothing_comes():
    """A quiet ward sends nothing between pings; nobody is behind then."""
    quiet = replace(QUICK, stall_s=0.2)
    async with connected(quiet) as (peer, client):
        await peer.send("x")
        await until(lambda: read(client, 100) > 0, WAIT_S)
        began = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() - began > 5 * quiet.stall_s, WAIT_S)
        assert not is_cut(peer)
