"""One client of the gateway: hello, what it missed, then changes, answers and heartbeats until either end stops.

The conversation awaits only its own socket. What the gateway pushes goes through a bounded queue, so that a client
which reads slowly costs its own connection and delays nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from pydantic import ValidationError

from alerts.fanout import QUEUE_BYTES_MAX, ClientQueue, frame_bytes, scope_of
from alerts.requests import Request
from runtime.clock import Clock
from runtime.web import Peer, PeerGone
from vitals.errors import ProtocolError
from vitals.people import Principal
from vitals.protocol import (
    CLOSE_BAD_MESSAGE,
    CLOSE_BAD_TOKEN,
    CLOSE_HELLO_LATE,
    CLOSE_PROTOCOL,
    HELLO_SECONDS_MAX,
    PROTOCOL_VERSION,
    ClientCommand,
    Delivered,
    Hello,
    decode_client,
)

log = logging.getLogger("vigil.gateway")

COMMANDS_PER_SECOND = 5.0
COMMANDS_BURST = 20
"""Commands of one client beyond this rate are refused as ``too_many``."""
RECEIPTS_PER_SECOND = 20.0
RECEIPTS_BURST = 50
"""``delivered`` messages of one client beyond this rate wait unread, and what it sends after them too."""


TURN_BYTES_MAX = 8 * 1024
"""Sent to one client in a row; then the others have their turn. About 0.5 ms of work for changes out of a replay, and
few enough writes: a turn after each frame would make each a write of its own.
"""


class Refused(ProtocolError):
    """A client that does not keep to the protocol; ``code`` is the close code it gets."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__("client refused", reason)
        self.code = code
        self.reason = reason


class Bucket:
    """A token bucket; time is an argument (s)."""

    __slots__ = ("_at", "_burst", "_left", "_per_second")

    def __init__(self, per_second: float, burst: int, now: float) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._left = self._burst
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more fits now."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def wait(self, now: float) -> float:
        """Seconds until one more fits; 0 if one does now. Take it then."""
        left = min(self._burst, self._left + (now - self._at) * self._per_second)
        return max(0.0, (1 - left) / self._per_second)


class Host(Protocol):
    """What a session needs of its gateway; none of it awaits."""

    def principal(self, token: str) -> Principal | None:
        """The person behind a token."""
        ...

    def join(self, session: Session, cursor: str | None) -> Iterable[str]:
        """Add a client to the audience; the frames it gets before anything that is pushed from now on."""
        ...

    def leave(self, session: Session) -> None:
        """Take a client out of the audience."""
        ...

    def ask(self, session: Session, message: Request) -> None:
        """Pass on a command, or push the answer that refuses it."""
        ...

    def delivered(self, session: Session, message: Delivered) -> None:
        """Pass on what a screen has had."""
        ...


class Session:
    """A client that said hello. ``push`` is how the gateway speaks to it."""

    __slots__ = ("_clock", "_cut", "_idle", "_in_turn", "_peer", "_queue", "_receipts", "bucket", "principal", "scope")

    def __init__(self, peer: Peer, principal: Principal, clock: Clock) -> None:
        self.principal = principal
        self.scope = scope_of(principal)
        self.bucket = Bucket(COMMANDS_PER_SECOND, COMMANDS_BURST, clock.monotonic())
        self._receipts = Bucket(RECEIPTS_PER_SECOND, RECEIPTS_BURST, clock.monotonic())
        self._clock = clock
        self._peer = peer
        self._queue = ClientQueue()
        self._cut = False
        self._in_turn = 0
        self._idle: asyncio.Future[None] | None = None
        """What the sender waits for while nothing waits for it: then a frame may go straight to the socket."""

    @property
    def buffered_bytes(self) -> int:
        """What this process holds for the client: frames in its queue, and what was sent and has not left."""
        return self._queue.waiting_bytes + self._peer.buffered_bytes

    def push(self, frame: str) -> None:
        """Send a frame, or queue it where that would wait; a client for whom too much waits is cut off, and comes
        back with its cursor. What is pushed between the cut and the end of its conversation goes nowhere.
        """
        if self._cut:
            return
        if self._idle and self._peer.offer(frame):
            return
        fits = self.buffered_bytes + frame_bytes(frame) <= QUEUE_BYTES_MAX
        if fits and self._queue.push(frame):
            self._wake()
        else:
            self._cut = True
            log.warning("client does not keep up: %s %s", self.principal.name, self._peer.remote)
            self._peer.cut("bytes")

    def _wake(self) -> None:
        idle, self._idle = self._idle, None
        if idle and not idle.done():
            idle.set_result(None)

    async def close(self, code: int, reason: str) -> None:
        """Close cleanly, or abort within the web server's deadline."""
        await self._peer.close(code, reason)

    async def talk(self, host: Host, opening: Iterable[str]) -> None:
        """Send and receive until the connection ends.

        Raises:
            Refused: the client sent what is not in the protocol.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(opening), name="feed sender")
                await self._listen(host)
        except* (PeerGone, Refused) as ended:
            first = next((error for error in ended.exceptions if isinstance(error, Refused)), ended.exceptions[0])
        raise first

    async def _listen(self, host: Host) -> None:
        while True:
            message = await _receive(self._peer)
            match message:
                case Hello():
                    raise Refused(CLOSE_BAD_MESSAGE, "a second hello")
                case Delivered():
                    await self._clock.sleep(self._receipts.wait(self._clock.monotonic()))
                    self._receipts.take(self._clock.monotonic())
                    host.delivered(self, message)
                case _:
                    host.ask(self, message)

    async def _send(self, opening: Iterable[str]) -> None:
        for frame in opening:
            await self._send_one(frame)
        while True:
            while (waiting := self._queue.pop()) is not None:
                await self._send_one(waiting)
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    async def _send_one(self, frame: str) -> None:
        """Send a frame, and from time to time let everybody else have a turn.

        A send waits only where the socket is full. Thousands of frames for a client that reads fast would be one step
        of the loop, and every other client would wait for it.
        """
        await self._peer.send(frame)
        self._in_turn += len(frame)
        if self._in_turn >= TURN_BYTES_MAX:
            self._in_turn = 0
            await asyncio.sleep(0)


async def converse(peer: Peer, host: Host, clock: Clock) -> None:
    """Everything with one client, from its first message to its end."""
    try:
        hello = await _hello(peer)
        principal = _known(host.principal(hello.token))
        session = Session(peer, principal, clock)
        try:
            await session.talk(host, host.join(session, hello.cursor))
        finally:
            host.leave(session)
    except Refused as refused:
        log.info("client refused: %s %s", peer.remote, refused.reason)
        await peer.close(refused.code, refused.reason)
    except PeerGone:
        return


def _known(principal: Principal | None) -> Principal:
    if principal is None:
        raise Refused(CLOSE_BAD_TOKEN, "unknown token")
    return principal


async def _hello(peer: Peer) -> Hello:
    try:
        async with asyncio.timeout(HELLO_SECONDS_MAX):
            message = await _receive(peer)
    except TimeoutError:
        raise Refused(CLOSE_HELLO_LATE, "no hello in time") from None
    if not isinstance(message, Hello):
        raise Refused(CLOSE_BAD_MESSAGE, "say hello first")
    if message.protocol != PROTOCOL_VERSION:
        raise Refused(CLOSE_PROTOCOL, f"protocol {message.protocol} is not spoken here, {PROTOCOL_VERSION} is")
    return message


async def _receive(peer: Peer) -> Hello | ClientCommand:
    try:
        return decode_client(await peer.receive())
    except ValidationError:
        raise Refused(CLOSE_BAD_MESSAGE, "no message of the protocol") from None
    except PeerGone:
        raise
    except ProtocolError:
        raise Refused(CLOSE_BAD_MESSAGE, "send text") from None
