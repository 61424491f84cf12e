"""``vigil up``: start everything, say where it is, show the feed until somebody stops it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

from compose import page
from compose.folder import Ready
from compose.stack import Options, Stack
from runtime.observe import configure_logging
from runtime.settings import Settings, load

Show = Callable[[Ready], Awaitable[None]]
FIELDS = ("page", "api", "feed", "live", "mqtt", "kafka", "database", "token", "tokens", "seconds")


async def run(options: Options, *, as_json: bool, show: Show | None) -> int:
    """Run a stack in the foreground until cancelled.

    Progress goes to stderr. ``as_json`` prints one line on stdout when ready; else lines for a person are printed
    and ``show`` (the feed in the terminal) runs beside the stack: at once where nobody sits at a terminal, else
    whenever Enter is pressed.
    """
    now = asyncio.get_running_loop().time
    began = now()

    def progress(line: str) -> None:
        sys.stderr.write(f"{now() - began:6.1f} s  {line}\n")
        sys.stderr.flush()

    configure_logging(load(Settings, log_level="warning"), "up")
    async with Stack(options, progress) as stack:
        ready = stack.ready
        if as_json:
            sys.stdout.write(json.dumps({name: getattr(ready, name) for name in FIELDS}) + "\n")
        else:
            sys.stdout.writelines(f"{line}\n" for line in lines(ready, built=page.BUILT.exists()))
        sys.stdout.flush()
        if show is None or as_json:
            await stack.wait()
        else:
            await _beside(stack, _shown(show, ready))
    return 0


def lines(ready: Ready, *, built: bool) -> list[str]:
    """What a person needs to know of a stack that is ready."""
    told = [f"ready in {ready.seconds:g} s: open {ready.page}", f"a screen on the wall: {ready.link('wall')}"]
    return told if built else [*told, "the page is not built yet, only its API answers: make page"]


async def _shown(show: Show, ready: Ready) -> None:
    """The feed in this terminal; on a real one it would cover the link, so it waits for Enter, each time anew."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        await show(ready)
        return
    while True:
        sys.stdout.write("press Enter for the feed in this terminal (q leaves it), Ctrl-C to stop everything\n")
        sys.stdout.flush()
        await _enter()
        await show(ready)


async def _enter() -> None:
    """Wait for a line on stdin; for ever once it has ended."""
    loop = asyncio.get_running_loop()
    pressed: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not pressed.done():
            pressed.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin, read)
    try:
        ended = not await pressed
    finally:
        loop.remove_reader(sys.stdin)
    if ended:
        await loop.create_future()


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
