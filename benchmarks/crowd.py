"""Many websocket clients in one process, as cheap as they can be: they count what comes and decode nothing."""

from __future__ import annotations

import asyncio
import base64
from typing import Self, cast

from websockets.frames import Frame, Opcode

MARK = b'"type":"change"'
"""How each frame that is counted begins, after its brace."""
AT_ONCE = 50


def frames_in(data: bytes) -> tuple[int, list[bytes], bytes]:
    """Whole frames of a server that bear the mark, the payloads of its pings, and what is left of a frame."""
    counted, pings, at, end = 0, list[bytes](), 0, len(data)
    while end - at >= 2:
        length, head = data[at + 1], at + 2
        if length >= 126:
            head += 2 if length == 126 else 8
            if head > end:
                break
            length = int.from_bytes(data[at + 2 : head], "big")
        if head + length > end:
            break
        if data[at] & 0x0F == Opcode.PING:
            pings.append(data[head : head + length])
        elif data.startswith(MARK, head + 1):
            counted += 1
        at = head + length
    return counted, pings, data[at:]


class _Client(asyncio.Protocol):
    """One socket: the handshake, a first message, then counting; pings are answered."""

    def __init__(self, crowd: Crowd, first: bytes) -> None:
        self._crowd = crowd
        self._first = first
        self._tail = b""
        self._open = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(bytes(16)).decode()
        self.transport.write(
            f"GET /feed HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if not self._open:
            self._tail += data
            if b"\r\n\r\n" not in self._tail:
                return
            if not self._tail.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(self._tail[:80].decode("ascii", "replace")))
                return
            data, self._open = self._tail.partition(b"\r\n\r\n")[2], True
            self._tail = b""
            if self._first and self.transport:
                self.transport.write(self._first)
            self.opened.set_result(None)
        counted, pings, self._tail = frames_in(self._tail + data if self._tail else data)
        for payload in pings:
            if self.transport:
                self.transport.write(Frame(Opcode.PONG, payload).serialize(mask=True))
        if counted:
            self._crowd.count(counted)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.lost += 1
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("closed in the handshake"))


class Crowd:
    """``size`` sockets at one server; `arrived` waits until all of them have so many frames."""

    def __init__(self, port: int, size: int, hello: str = "") -> None:
        self._port = port
        self._size = size
        self._first = Frame(Opcode.TEXT, hello.encode()).serialize(mask=True) if hello else b""
        self._clients: list[_Client] = []
        self._wanted = 0
        self._enough = asyncio.Event()
        self.frames = 0
        self.lost = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        while len(self._clients) < self._size:
            made = [
                loop.create_connection(lambda: _Client(self, self._first), "127.0.0.1", self._port)
                for _ in range(min(AT_ONCE, self._size - len(self._clients)))
            ]
            clients = [client for _, client in await asyncio.gather(*made)]
            await asyncio.gather(*(client.opened for client in clients))
            self._clients += clients
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            if client.transport:
                client.transport.abort()

    def count(self, frames: int) -> None:
        """Some frames came."""
        self.frames += frames
        if self.frames >= self._wanted:
            self._enough.set()

    async def arrived(self, frames: int, seconds: float = 60.0) -> None:
        """Wait until so many frames have come at all sockets together since the start."""
        self._wanted = frames
        self._enough.clear()
        if self.frames >= frames:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._enough.wait()
        except TimeoutError:
            what = f"{self.frames:,} of {frames:,} frames came, {self.lost} sockets were lost"
            raise TimeoutError(what) from None
