"""Asks a service's health server (`runtime.observe.HealthServer`), as supervisors and ``vigil status`` do."""

from __future__ import annotations

import asyncio

ANSWER_S = 3.0
ANSWER_BYTES_MAX = 64 * 1024


async def ask(port: int, path: str) -> tuple[int, bytes]:
    """The HTTP status and body of a path, on loopback.

    Raises:
        OSError: nobody answers within 3 s, or whoever does speaks no HTTP.
    """
    async with asyncio.timeout(ANSWER_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=ANSWER_BYTES_MAX)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            body = b""
            while len(body) < ANSWER_BYTES_MAX and (chunk := await reader.read(ANSWER_BYTES_MAX)):
                body += chunk
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise ConnectionError(f"port {port} speaks no HTTP") from error
        finally:
            writer.close()
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise ConnectionError(f"port {port} speaks no HTTP")
    return int(words[1]), body
