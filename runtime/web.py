"""Websockets, both ends, with the limits that keep one bad peer from hurting the others.

A peer that completes the handshake and never reads is not evicted by the library: its keepalive waits in ``drain``
like any send. So every server has a watch that aborts who does not take what waits, and its close has a deadline after
which connections are aborted. No compression (14 KiB a connection instead of 64), small limits.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import structlog
from websockets.asyncio.client import connect as ws_connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as ws_serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, State

from vitals.errors import ProtocolError, ServerUnavailable

log = structlog.get_logger("vigil.web")

_RESET = struct.pack("ii", 1, 0)
"""``struct linger``: on, for no time."""

UNSENT_BYTES_MAX = 128 * 1024
"""Bytes in the kernel that are not on their way yet, beyond which it takes no more for a peer. Without it a peer that
reads nothing has 2.8 MB there (measured on loopback), in no sum of ours, and the work to make them is spent on nobody.
"""

KERNEL_BYTES_MAX = UNSENT_BYTES_MAX + 64 * 1024
"""The most that the kernel has unsent then: it looks at its mark before it takes a segment, of up to 64 KiB."""

WAITING_BYTES_MAX = 1024 * 1024
"""What may wait for one peer, in this process and unsent in the kernel together."""

_TCP_INFO = struct.Struct("=24xI92xQ16xI")
"""``struct tcp_info`` of Linux up to the unsent bytes: segments on their way, bytes acknowledged, bytes not sent."""

OFFER_BYTES_MAX = 16 * 1024
"""Unsent bytes below which `Peer.offer` still writes: half of the library's high-water mark."""


@dataclass(frozen=True, slots=True)
class WebLimits:
    """What one peer may cost; what is lost beyond each limit is that peer's connection, nothing else."""

    message_bytes_max: int = 64 * 1024
    """Largest message taken from a peer; a larger one closes the connection (1009)."""
    received_messages_max: int = 16
    """Messages read ahead of the handler."""
    buffer_bytes_max: int = WAITING_BYTES_MAX - KERNEL_BYTES_MAX
    """Bytes for one peer that wait in this process; beyond it the connection is aborted. The kernel's share is taken
    off beforehand, since asking for it would be a system call for every frame of whoever is behind."""
    stall_s: float = 15.0
    """Time in which a peer for which anything waits may take nothing, be it slow to read or out of reach."""
    ping_every_s: float = 20.0
    watch_every_s: float = 1.0
    close_s: float = 3.0
    """Time for a clean close of all connections; then they are aborted."""


LIMITS = WebLimits()

Cut = Literal["bytes", "patience"]
"""Why a server cuts a peer: too much waits for it, or something waits and it has taken nothing for too long."""
CutHeard = Callable[[Cut], None]


def _unheard(_: Cut) -> None:
    """Nobody counts."""


class PeerGone(ProtocolError):
    """The connection ended. ``code`` is the close code (1006 without one)."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__("websocket closed", f"{code} {reason}".strip())
        self.code = code
        self.reason = reason


class WebUnavailable(ServerUnavailable):
    """No websocket server answers there, or it refused the handshake."""


class Peer:
    """One open connection, at either end."""

    __slots__ = ("_connection", "_limits", "_on_cut")

    def __init__(self, connection: Connection, limits: WebLimits = LIMITS, on_cut: CutHeard = _unheard) -> None:
        self._connection = connection
        self._limits = limits
        self._on_cut = on_cut

    @property
    def path(self) -> str:
        """The path and query of the request."""
        request = self._connection.request
        return request.path if request else ""

    @property
    def remote(self) -> str:
        """``host:port`` of the other end."""
        address = self._connection.remote_address
        return f"{address[0]}:{address[1]}" if address else ""

    @property
    def buffered_bytes(self) -> int:
        """Bytes that were sent but have not left this process."""
        return self._connection.transport.get_write_buffer_size()

    async def receive(self) -> str:
        """The next message; raises PeerGone when the connection has ended, ProtocolError for a binary one."""
        try:
            message = await self._connection.recv()
        except ConnectionClosed as error:
            raise _gone(error) from None
        if isinstance(message, bytes):
            raise ProtocolError("binary websocket message", self.remote, "send text")
        return message

    async def send(self, text: str) -> None:
        """Send one message, waiting while the buffer is above its high-water mark.

        Raises:
            PeerGone: the connection has ended, or ends now because the peer lags by more than the byte limit.
        """
        if self.buffered_bytes + _bytes(text) > self._limits.buffer_bytes_max:
            self.cut("bytes")
            raise PeerGone(1006, "too slow")
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise _gone(error) from None

    def offer(self, text: str) -> bool:
        """Send one message to a client now if that needs no waiting; False, and nothing is sent, otherwise.

        A message that goes to many is made into a frame once: an unmasked one without extensions is the same for all.
        The library's own ``broadcast()`` makes it for each; this leans, as that does, on a connection's ``protocol``,
        ``transport`` and ``send_in_progress``.
        """
        connection = self._connection
        protocol, transport = connection.protocol, connection.transport
        if (
            protocol.state is not State.OPEN
            or protocol.side is not SERVER
            or protocol.extensions
            or connection.send_in_progress is not None
            or transport.get_write_buffer_size() > OFFER_BYTES_MAX
        ):
            return False
        transport.write(_frame(text))
        return True

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close cleanly, or abort when the peer does not answer in time."""
        try:
            async with asyncio.timeout(self._limits.close_s):
                await self._connection.close(code, reason)
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """End the connection now, without a word."""
        _abort(self._connection)

    def cut(self, why: Cut) -> None:
        """End the connection now because the peer does not keep up; one that is ending already is not counted."""
        if not self._connection.transport.is_closing():
            self._on_cut(why)
        self.abort()


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


@lru_cache(maxsize=1)
def _frame(text: str) -> bytes:
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


Handler = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def serve(
    handler: Handler,
    host: str,
    port: int,
    *,
    origins: Sequence[str | None] | None = None,
    limits: WebLimits = LIMITS,
    on_cut: CutHeard = _unheard,
) -> AsyncIterator[int]:
    """Serve ``handler`` while the body runs; yields the port in use (give 0 for a free one).

    ``origins`` None allows any; name exact ones, with None in the list for clients that send none. When the body ends,
    peers are told 1001 (come back) and after ``limits.close_s`` aborted. ``on_cut`` is told of every peer that is cut.

    Raises:
        WebUnavailable: the port is taken.
    """

    async def run(connection: ServerConnection) -> None:
        try:
            await handler(Peer(connection, limits, on_cut))
        except PeerGone:
            return

    try:
        server = await ws_serve(
            run,
            host,
            port,
            origins=origins,  # type: ignore[arg-type]
            compression=None,
            max_size=limits.message_bytes_max,
            max_queue=limits.received_messages_max,
            ping_interval=limits.ping_every_s,
            ping_timeout=limits.ping_every_s,
            close_timeout=limits.close_s,
            server_header=None,
        )
    except OSError as error:
        what = f"{host}:{port}: {error.strerror or error}"
        raise WebUnavailable("cannot listen", what, "stop what uses the port, or choose another") from error
    for listening in server.sockets:  # what is accepted inherits it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)
    watch = asyncio.create_task(_watch(server, limits, on_cut), name="websocket watch")
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        watch.cancel()
        await asyncio.wait({watch})
        await _shut(server, limits)


async def _watch(server: Server, limits: WebLimits, on_cut: CutHeard) -> None:
    """Abort who does not take what waits: too many bytes, or none taken for too long.

    What a peer took is what its kernel acknowledged. The size of our buffer says nothing of that: it grows for a slow
    reader that takes what it can, and is empty while the kernel holds all that a dead one leaves.
    """
    loop = asyncio.get_running_loop()
    waiting: dict[ServerConnection, tuple[int, float]] = {}
    while True:
        await asyncio.sleep(limits.watch_every_s)
        now, before, waiting = loop.time(), waiting, {}
        for connection in list(server.connections):
            size = connection.transport.get_write_buffer_size()
            taken = _taken(connection, size)
            if taken is None:
                continue
            last, since = before.get(connection, (taken, now))
            waiting[connection] = (taken, since if taken == last else now)
            if size > limits.buffer_bytes_max or now - waiting[connection][1] >= limits.stall_s:
                log.warning("websocket peer does not keep up", peer=str(connection.remote_address), buffered_bytes=size)
                on_cut("bytes" if size > limits.buffer_bytes_max else "patience")
                _abort(connection)


def _taken(connection: Connection, buffered_bytes: int) -> int | None:
    """How many bytes the peer has taken since it connected; None where nothing waits for it."""
    if connection.transport.is_closing():
        return None
    link: socket.socket = connection.transport.get_extra_info("socket")
    told = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    on_the_way, taken, unsent = _TCP_INFO.unpack(told)
    return int(taken) if buffered_bytes or on_the_way or unsent else None


def _abort(connection: Connection) -> None:
    """End a connection with a reset: what the kernel still holds for the peer goes too, and the peer learns it at once.

    Without it a peer that does not read would keep up to some MB of old frames here, and believe in its connection.
    """
    transport = connection.transport
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


async def _shut(server: Server, limits: WebLimits) -> None:
    server.close(code=1001, reason="restarting")
    closed = asyncio.ensure_future(server.wait_closed())
    await asyncio.wait({closed}, timeout=limits.close_s)
    if not closed.done():
        for connection in list(server.all_connections):
            _abort(connection)
        for task in list(server.handler_tasks):
            task.cancel()
        await asyncio.wait({closed}, timeout=limits.close_s)
    if not closed.done():
        closed.cancel()
        log.error("websocket server did not close", seconds=2 * limits.close_s)


@asynccontextmanager
async def connect(url: str, *, origin: str | None = None, limits: WebLimits = LIMITS) -> AsyncIterator[Peer]:
    """A client's connection while the body runs. ``message_bytes_max`` bounds what the server may send.

    Raises:
        WebUnavailable: nobody answers, or the handshake is refused.
    """
    try:
        connection = await ws_connect(
            url,
            origin=origin,  # type: ignore[arg-type]
            compression=None,
            max_size=limits.message_bytes_max,
            max_queue=limits.received_messages_max,
            ping_interval=limits.ping_every_s,
            ping_timeout=limits.ping_every_s,
            close_timeout=limits.close_s,
            open_timeout=10,
            proxy=None,
        )
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise WebUnavailable("websocket cannot be opened", f"{url}: {text}", "is the gateway running?") from error
    peer = Peer(connection, limits)
    try:
        yield peer
    finally:
        await peer.close()


def _gone(error: ConnectionClosed) -> PeerGone:
    return PeerGone(error.rcvd.code if error.rcvd else 1006, error.rcvd.reason if error.rcvd else "")
