"""The only place where Vigil reads a clock; everything else takes time as an argument.

The manual clock of the tests is ``runtime.testing.ManualClock``.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time, steady time and waiting, as one thing that a test can replace."""

    def now_us(self) -> int:
        """Wall time: microseconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Steady time: seconds since an arbitrary instant; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of this clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """Wall time: microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        """Steady time in seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many real seconds."""
        await asyncio.sleep(seconds)
