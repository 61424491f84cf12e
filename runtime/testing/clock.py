"""A clock that a test moves by hand."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

SETTLE_TURNS = 20
"""Turns of the loop that `ManualClock.advance` gives to whoever woke up."""


class ManualClock:
    """A `runtime.clock.Clock` whose time passes only in `advance`."""

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self._start_us = now_us
        self._elapsed_us = 0
        self._order = count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_us(self) -> int:
        """Wall time: microseconds since 1970 UTC."""
        return self._start_us + self._elapsed_us

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._elapsed_us / 1e6

    @property
    def sleepers(self) -> int:
        """How many wait for this clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has passed so many seconds."""
        future = asyncio.get_running_loop().create_future()
        due = self._elapsed_us + max(0, round(seconds * 1e6))
        heapq.heappush(self._sleepers, (due, next(self._order), future))
        if seconds <= 0:
            self._wake()
        await future

    async def advance(self, seconds: float) -> None:
        """Pass time; sleepers wake in the order of their deadlines, each at its own instant."""
        until = self._elapsed_us + round(seconds * 1e6)
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            self._elapsed_us = max(self._elapsed_us, self._sleepers[0][0])
            self._wake()
            await self._settle()
        self._elapsed_us = until

    def jump(self, seconds: float) -> None:
        """Set the wall clock alone, forward or back, as NTP or a person does."""
        self._start_us += round(seconds * 1e6)

    def _wake(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self._elapsed_us:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)

    async def _settle(self) -> None:
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)
