"""A client of the feed that says hello and never reads: a bare socket, since every library reads ahead."""

from __future__ import annotations

import asyncio
import base64
import os
import select
import socket
import struct
from collections.abc import Container
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from runtime.clock import Clock
from vitals.errors import ServerStalled
from vitals.protocol import Hello

RECEIVE_BYTES = 4096
"""The kernel's buffer for what nobody reads, as small as it can be."""
ANSWER_S = 10.0
CONNECTIONS = Path("/proc/net/tcp")
MASK = b"\0\0\0\0"
"""A client has to mask what it sends; nothing says with what."""


class Deaf:
    """``async with Deaf(...)``: connected and said hello with ``cursor``; what comes then stays unread."""

    def __init__(self, name: str, url: str, token: str, cursor: str | None, clock: Clock) -> None:
        self.name = name
        self._url = urlsplit(url)
        self._hello = Hello(token=token, cursor=cursor).encode()
        self._clock = clock
        self._socket = socket.socket()
        self._poll = select.poll()
        self._began = 0.0
        self._cut: float | None = None

    async def __aenter__(self) -> Self:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._socket.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_S):
                await loop.sock_connect(self._socket, (self._url.hostname, self._url.port))
                await loop.sock_sendall(self._socket, self._request())
                head = b""
                while not head.endswith(b"\r\n\r\n") and (byte := await loop.sock_recv(self._socket, 1)):
                    head += byte
        except (OSError, TimeoutError) as error:
            self._socket.close()
            raise ServerStalled("the gateway does not answer", repr(error), "see its log") from error
        if b" 101 " not in head:
            self._socket.close()
            raise ServerStalled("the gateway refuses a websocket", head[:40].decode("latin-1"), "see its log")
        await loop.sock_sendall(self._socket, frame(self._hello))
        self._poll.register(self._socket, 0)
        self._began = self._clock.monotonic()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut_s()
        self._poll.unregister(self._socket)  # a descriptor that is closed looks as if it were cut
        self._socket.close()

    @property
    def port(self) -> int:
        """Our end's, by which the kernel's table has the gateway's end."""
        return int(self._socket.getsockname()[1])

    def cut_s(self) -> float | None:
        """Seconds until the gateway cut us off, as far as anybody has looked; None while it has not."""
        if self._cut is None and self._poll.poll(0):
            self._cut = round(self._clock.monotonic() - self._began, 1)
        return self._cut

    def _request(self) -> bytes:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {self._url.path} HTTP/1.1",
            f"Host: {self._url.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        )
        return "\r\n".join((*lines, "", "")).encode()


def kernel_bytes(feed: int, ports: Container[int], table: Path = CONNECTIONS) -> int:
    """The most bytes that the kernel has at the port ``feed`` for one of the clients on ``ports``, not sent or
    not acknowledged (``tx_queue`` of its table, hexadecimal as the ports are).
    """
    most = 0
    for line in table.read_text(encoding="ascii").splitlines()[1:]:
        _, ours, theirs, _, queues, *_ = line.split()
        if int(ours.rpartition(":")[2], 16) == feed and int(theirs.rpartition(":")[2], 16) in ports:
            most = max(most, int(queues.partition(":")[0], 16))
    return most


def frame(text: bytes) -> bytes:
    """A text frame of a client, at most 64 KiB (RFC 6455, 5.2)."""
    size = bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0x80 | 126]) + struct.pack(">H", len(text))
    return b"\x81" + size + MASK + text
