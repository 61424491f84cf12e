"""``vigil up``: start everything, say where it is, show the feed until somebody stops it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

from compose.folder import Ready
from compose.stack import Options, Stack

Show = Callable[[Ready], Awaitable[None]]


async def run(options: Options, *, as_json: bool, show: Show | None) -> int:
    """Run a stack in the foreground until cancelled.

    Progress goes to stderr. ``as_json`` prints one line on stdout when ready; else a line for a person is printed
    and ``show`` (the feed in the terminal) runs beside the stack.
    """
    now = asyncio.get_running_loop().time
    began = now()

    def progress(line: str) -> None:
        sys.stderr.write(f"{now() - began:6.1f} s  {line}\n")
        sys.stderr.flush()

    async with Stack(options, progress) as stack:
        ready = stack.ready
        if as_json:
            fields = ("feed", "mqtt", "kafka", "database", "token", "seconds")
            sys.stdout.write(json.dumps({name: getattr(ready, name) for name in fields}) + "\n")
        else:
            sys.stdout.write(f"ready in {ready.seconds:g} s: feed {ready.feed}, MQTT {ready.mqtt}\n")
        sys.stdout.flush()
        if show is None or as_json:
            await stack.wait()
        else:
            await _beside(stack, show(ready))
    return 0


async def _beside(stack: Stack, showing: Awaitable[None]) -> None:
    """Show the feed while the stack runs; leaving the feed stops the stack, and the stack's end leaves the feed."""
    feed = asyncio.ensure_future(showing)
    waiting = asyncio.ensure_future(stack.wait())
    try:
        done, _ = await asyncio.wait({feed, waiting}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (feed, waiting):
            task.cancel()
        await asyncio.wait({feed, waiting})
