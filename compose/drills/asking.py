"""Charts as the API gives them: one request, timed from the connection to the last byte, and what its answer holds."""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode, urlsplit

from compose.drills.past import Spike
from runtime.clock import Clock
from vitals.errors import ServerStalled

ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the body of a 200, and how long it took."""

    body: bytes
    ms: float

    def parsed(self) -> dict[str, Any]:
        """The body's object."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(frozen=True, slots=True)
class Api:
    """The dashboard's API as one person asks it; a new connection for each request."""

    url: str
    token: str
    clock: Clock

    async def get(self, path: str, query: Mapping[str, object] = MappingProxyType({})) -> Answer:
        """Ask for a path.

        Raises:
            ServerStalled: no answer within 30 s, or another status than 200.
        """
        began = self.clock.monotonic()
        try:
            async with asyncio.timeout(ANSWER_S):
                data = await self._exchanged(f"{path}?{urlencode(query)}")
        except (OSError, TimeoutError) as error:
            raise ServerStalled("the dashboard does not answer", f"{path}: {error!r}", "see its log") from error
        ms = (self.clock.monotonic() - began) * 1000
        head, _, body = data.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise ServerStalled("the dashboard refuses", f"{path}: {head[:40]!r} {body[:200]!r}", "see its log")
        return Answer(body, ms)

    async def _exchanged(self, target: str) -> bytes:
        address = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            lines = f"GET {target} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close"
            writer.write(f"{lines}\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode())
            return await reader.read()
        finally:
            writer.close()


def holds(series: dict[str, Any], spike: Spike) -> bool:
    """Whether the bucket of a series in which a spike lies has it as its extreme."""
    place = bisect_right(series["t"], spike.at) - 1
    if place < 0 or spike.at >= series["t"][place] + max(series["bucket_us"], 1):
        return False
    return bool(series["max" if spike.high else "min"][place] == spike.value)


def lost(series: dict[str, Any], planted: Sequence[Spike]) -> int:
    """How many spikes a series does not hold."""
    return sum(not holds(series, spike) for spike in planted)
