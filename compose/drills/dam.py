"""A TCP proxy that gathers what a server says and lets it flow at a pace: a burst for the page while no server runs."""

from __future__ import annotations

import asyncio

from runtime.testing.proxy import Proxy

PIECE_BYTES = 4096


class Dam(Proxy):
    """Passes connections on as `Proxy` does; between `close_gate` and `release` everything is gathered instead."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._gathered: list[tuple[asyncio.StreamWriter, bytes]] = []
        self._closed = False

    @property
    def gathered_bytes(self) -> int:
        """Bytes that wait."""
        return sum(len(data) for _, data in self._gathered)

    def close_gate(self) -> None:
        """From here on whatever comes is gathered, in memory."""
        self._closed = True

    async def release(self, seconds: float) -> None:
        """Let what was gathered flow evenly within ``seconds``, and everything later at once.

        Raises:
            ConnectionError: an end of a connection has gone away meanwhile.
        """
        loop = asyncio.get_running_loop()
        began, whole, passed = loop.time(), max(1, self.gathered_bytes), 0
        while self._gathered:
            writer, data = self._gathered.pop(0)
            for first in range(0, len(data), PIECE_BYTES):
                piece = data[first : first + PIECE_BYTES]
                writer.write(piece)
                await writer.drain()
                passed += len(piece)
                await asyncio.sleep(max(0.0, began + min(1.0, passed / whole) * seconds - loop.time()))
        self._closed = False

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if self._closed:
                    self._gathered.append((writer, data))
                else:
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        writer.close()
