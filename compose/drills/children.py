"""A drill's helper processes: modules of ours that are told things on stdin and say things on stdout, as JSON lines."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from compose.process import python_env
from vitals.errors import ServerStalled

END_S = 5.0
LINE_BYTES_MAX = 16 * 1024 * 1024


class Child:
    """A started helper; ``child`` makes it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self._name = name
        self._process = process

    async def hear(self, seconds: float) -> Any:
        """The next thing that it says.

        Raises:
            ServerStalled: it says nothing within so many seconds, or has ended.
        """
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise ServerStalled("a helper of the drill says nothing", self._name, f"{seconds:g} s") from None
        if not line:
            raise ServerStalled("a helper of the drill has ended", self._name, "its error is above")
        return json.loads(line)

    async def tell(self, line: str = "") -> None:
        """Say a line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def child(module: str, *arguments: object) -> AsyncIterator[Child]:
    """Run ``python -m module`` while the body runs; it is killed where it has not ended soon after."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, *map(str, arguments)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **python_env()},
        limit=LINE_BYTES_MAX,
    )
    try:
        yield Child(module, process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
