"""How a test waits: for a condition, with a deadline; never for a fixed time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

POLL_S = 0.01


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 30.0) -> None:
    """Return once ``condition`` holds; it may be a coroutine function. Raises ``TimeoutError`` after ``seconds``."""
    async with asyncio.timeout(seconds):
        while True:
            holds = condition()
            if await holds if isinstance(holds, Awaitable) else holds:
                return
            await asyncio.sleep(POLL_S)
