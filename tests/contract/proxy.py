"""A TCP proxy that a test can cut, and that remembers what the client said: the network as a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

PUBACK = 4


class Packet(NamedTuple):
    """One MQTT control packet: its type (PUBACK is 4) and what follows the fixed header."""

    kind: int
    body: bytes


class Proxy:
    """Forwards connections to a server; `cut` ends them all, `refuse` lets none in."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._refusing = False
        self.sent: list[bytearray] = []
        """What the client sent, one entry a connection."""

    @property
    def address(self) -> str:
        """``host:port`` of the proxy."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()
        while self._writers:  # noqa: ASYNC110  a turn or two, until the pumps see the abort
            await asyncio.sleep(0)

    def cut(self) -> None:
        """End every connection at once, without a word."""
        for writer in self._writers:
            writer.transport.abort()

    def refuse(self, *, refusing: bool = True) -> None:
        """Cut, and end new connections as soon as they come, until told otherwise."""
        self._refusing = refusing
        if refusing:
            self.cut()

    def packets(self) -> Iterator[Packet]:
        """Every MQTT packet that the client sent, connection by connection."""
        for stream in self.sent:
            at = 0
            while at + 1 < len(stream):
                length, start, shift = 0, at + 1, 0
                while True:
                    byte = stream[start]
                    length |= (byte & 0x7F) << shift
                    start, shift = start + 1, shift + 7
                    if not byte & 0x80:
                        break
                yield Packet(stream[at] >> 4, bytes(stream[start : start + length]))
                at = start + length

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        said = bytearray()
        self.sent.append(said)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pump(reader, far_writer, said), self._pump(far_reader, writer, None))
        finally:
            for each in pair:
                each.transport.abort()
            self._writers -= pair

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: bytearray | None) -> None:
        try:
            while chunk := await reader.read(65536):
                if record is not None:
                    record += chunk
                writer.write(chunk)
                await writer.drain()
        except OSError:
            return
        finally:
            writer.close()
