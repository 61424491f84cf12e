"""Runs a coroutine as a program's main: SIGINT and SIGTERM cancel it once, and it cleans up in peace."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from compose.errors import exit_code, told
from compose.output import ReaderGone
from vitals.errors import VigilError

STOPPED_BY_SIGNAL = 130


def run(main: Callable[[], Coroutine[Any, Any, int]], *, fast: bool = False) -> int:
    """Run ``main`` to its end and return the exit code.

    The first signal cancels it; later ones change nothing, since every stop has a deadline of its own.
    An error of ours becomes one line on stderr (more, where everything was given up) and its exit code; a signal
    gives 130. ``fast`` runs it on uvloop, for what takes a share of the machine that it measures.
    """
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if fast:
        import uvloop  # commands that end at once need not load it

        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(_main(main))
    except VigilError as error:
        sys.stderr.write(f"vigil: {told(error)}\n")
        return exit_code(error)


async def _main(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(_caught(main), name="main")

        def stop() -> None:
            if not stopping.is_set():
                stopping.set()
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
    if task.cancelled():
        return STOPPED_BY_SIGNAL
    outcome = task.result()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _caught(main: Callable[[], Coroutine[Any, Any, int]]) -> int | VigilError | ReaderGone:
    try:
        return await main()
    except (VigilError, ReaderGone) as error:
        return error
