"""Ends tasks and child processes so that every wait has a limit, and what outlives its limit is told on stderr.

Whoever waits here may be cancelled too. A plain ``with suppress(CancelledError): await task`` cannot tell the task's
cancellation from its own and loses its own: a supervisor that has given up would then have told nobody.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any

TASK_S = 10.0
"""How long a task that was cancelled may take to clean up."""
TASK_CANCELS_MAX = 3
"""So often a task is cancelled before it is left alone: code of others may lose one cancellation."""
KILLED_S = 10.0
"""How long a process may take to end after SIGKILL: the kernel frees its memory and ends what it asks of a disk."""


def loudly(line: str) -> None:
    """Say on stderr what nobody would see otherwise."""
    sys.stderr.write(f"vigil: {line}\n")
    sys.stderr.flush()


async def cancelled(task: asyncio.Task[Any], seconds: float | None = None) -> bool:
    """Cancel a task and wait for its end; False where it goes on in spite of `TASK_CANCELS_MAX` cancellations, which is
    told. What it raised stays in the task.
    """
    seconds = TASK_S if seconds is None else seconds
    for _ in range(TASK_CANCELS_MAX):
        task.cancel()
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            return True
    loudly(f"the task {task.get_name()!r} goes on {TASK_CANCELS_MAX * seconds:g} s after it was cancelled")
    return False


async def ended(task: asyncio.Task[Any], seconds: float | None = None) -> None:
    """Cancel a task and wait for its end, as `cancelled`; raises what went wrong in it, but not its cancellation."""
    if await cancelled(task, seconds) and not task.cancelled():
        task.result()


async def killed(child: asyncio.subprocess.Process, name: str) -> int | None:
    """Wait for the end of a process that was sent SIGKILL; None where it does not come in time, which is told."""
    with suppress(TimeoutError):
        async with asyncio.timeout(KILLED_S):
            return await child.wait()
    loudly(f"{name} (pid {child.pid}) is there {KILLED_S:g} s after SIGKILL: the kernel cannot end it (ps says why)")
    return None


async def terminated(child: asyncio.subprocess.Process, name: str, seconds: float) -> int | None:
    """Ask a process to end (SIGTERM), kill it where it is still there after so many seconds, and wait as `killed`."""
    with suppress(ProcessLookupError):
        child.terminate()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await child.wait()
    loudly(f"{name} (pid {child.pid}) is there {seconds:g} s after SIGTERM; it is killed")
    with suppress(ProcessLookupError):
        child.kill()
    return await killed(child, name)
