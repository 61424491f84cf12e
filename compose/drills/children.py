"""A drill's helper processes: modules of ours that are told things on stdin and say things on stdout, as JSON lines."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from compose.ends import cancelled, killed
from compose.process import python_env
from vitals.errors import ServerStalled

END_S = 5.0
STDIN_BYTES_MAX = 1024 * 1024
LINES_MAX = 16
"""Lines that a helper has been told and has not asked for."""
GONE = 3
"""Exit code of a helper whose drill has gone."""
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
            await killed(process, module)


Line = Callable[[], Awaitable[str]]


async def attended(work: Callable[[Line], Coroutine[Any, Any, int]]) -> int:
    """A helper's work, which can wait for the next line that the drill says; its exit code.

    It is broken off once stdin has ended. A helper with a session of its own has neither a terminal's Ctrl-C nor its
    hang-up: what reaches it of a drill that is stopped or killed is that nobody holds the other end of its stdin.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=STDIN_BYTES_MAX)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    lines: asyncio.Queue[str] = asyncio.Queue(maxsize=LINES_MAX)

    async def hear() -> None:
        while line := await reader.readline():
            await lines.put(line.decode())

    hearing = loop.create_task(hear(), name="what the drill says")
    working = loop.create_task(work(lines.get), name="the helper's work")
    try:
        await asyncio.wait({hearing, working}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        hearing.result()
        sys.stderr.write("the drill has gone, and its helper ends\n")
        return GONE
    finally:
        await cancelled(hearing)
        await cancelled(working)
        transport.close()
