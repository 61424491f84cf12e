"""Asks a service's health server (`runtime.observe.HealthServer`), as supervisors and ``vigil status`` do.

``python -m runtime.health PORT [PATH]`` asks one on this machine, as containers do: exit code 0 for a 200, else 1.
"""

from __future__ import annotations

import asyncio
import sys
from http import HTTPStatus

ANSWER_S = 3.0
ANSWER_BYTES_MAX = 64 * 1024


async def ask(place: int | str, path: str) -> tuple[int, bytes]:
    """The HTTP status and body of a path; ``place`` is a loopback port, or ``host:port``.

    Raises:
        OSError: nobody answers within 3 s, or whoever does speaks no HTTP.
    """
    host, _, port = str(place).rpartition(":")
    host = host or "127.0.0.1"
    async with asyncio.timeout(ANSWER_S):
        reader, writer = await asyncio.open_connection(host, int(port), limit=ANSWER_BYTES_MAX)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            body = b""
            while len(body) < ANSWER_BYTES_MAX and (chunk := await reader.read(ANSWER_BYTES_MAX)):
                body += chunk
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise ConnectionError(f"{host}:{port} speaks no HTTP") from error
        finally:
            writer.close()
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise ConnectionError(f"{host}:{port} speaks no HTTP")
    return int(words[1]), body


def main() -> int:
    """Ask this machine's; the exit code."""
    place, path = (*sys.argv[1:3], "/healthz")[:2]
    try:
        status, body = asyncio.run(ask(place, path))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{place}{path}: {error or 'no answer in time'}\n")
        return 1
    sys.stdout.write(body.decode(errors="replace"))
    return 0 if status == HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main())
