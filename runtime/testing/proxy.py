"""A TCP proxy that can be cut and mended: a server that goes away and comes back, without touching the server."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Proxy:
    """Listens on loopback (`port`) and passes every connection on to ``host:port`` while it is not cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._open = True
        self._refused = asyncio.Event()
        self._accepted = asyncio.Event()
        self._moving = asyncio.Event()
        self._moving.set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Abort every connection, and close each new one at once."""
        self._open = False
        self._refused.clear()
        for writer in self._writers:
            writer.transport.abort()

    def stall(self) -> None:
        """Keep every connection, take new ones, and pass nothing on."""
        self._moving.clear()
        self._accepted.clear()

    async def accepted_one(self) -> None:
        """Wait until somebody has connected since the stall."""
        await self._accepted.wait()

    def mend(self) -> None:
        """Pass connections on again."""
        self._open = True
        self._moving.set()

    async def refused_one(self) -> None:
        """Wait until somebody tried to connect while cut."""
        await self._refused.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            self._refused.set()
            writer.transport.abort()
            return
        self._accepted.set()
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, far_writer), name="to the server")
                tasks.create_task(self._pump(far_reader, writer), name="from the server")
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._moving.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()
