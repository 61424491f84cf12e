"""The devices of the storm drill as a process of their own, so that they do not delay the ward that it times.

    python -m compose.drills.returning FOLDER SEED DEVICES HOURS NOW
    python -m compose.drills.returning /tmp/vigil-drill-abc 1 100 24 1764028800000000

Connects them all to the stack in FOLDER, says ``ready`` on stdout, waits for a line on stdin, publishes everything that
they kept since NOW (µs UTC) as fast as the broker takes it, and says how many readings the broker has acknowledged.
They end with their stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from compose import folder, signals
from compose.drills.backlog import SITE, Backlog, backlogs
from compose.drills.children import Line, attended
from compose.drills.frame import Arguments
from runtime.mqtt import Connection
from runtime.observe import configure_logging
from runtime.settings import Settings
from vitals.topics import readings_topic

CONNECTING = 20
"""Connections that are made at once."""


async def run(root: Path, seed: int, devices: int, hours: float, now: int) -> int:
    """Be those devices; 0 once every reading has its PUBACK. They end where the drill has gone."""
    return await attended(lambda line: _run(line, root, backlogs(seed, devices, hours, now)))


async def _run(line: Line, root: Path, found: list[Backlog]) -> int:
    settings = folder.tool_settings(root, Settings)
    configure_logging(settings.model_copy(update={"log_level": "error"}), "drill")
    few = asyncio.Semaphore(CONNECTING)
    async with AsyncExitStack() as held:

        async def connected(backlog: Backlog) -> Connection:
            async with few:
                return await held.enter_async_context(Connection(settings, backlog.device, forget=True))

        connections = await asyncio.gather(*(connected(each) for each in found))
        _say("ready")
        await line()
        counts = await asyncio.gather(
            *(_send(settings, backlog, connection) for backlog, connection in zip(found, connections, strict=True))
        )
        _say(sum(counts))
    return 0


async def _send(settings: Settings, backlog: Backlog, connection: Connection) -> int:
    topic = readings_topic(settings.namespace, SITE, backlog.device)
    await asyncio.gather(*(connection.publish_nowait(topic, payload) for payload in backlog.payloads()))
    return len(backlog.readings)


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """The command line that `compose.drills.storm` uses."""
    parser = Arguments("returning", __doc__)
    parser.add_argument("root", metavar="FOLDER", type=Path)
    for each, kind in (("seed", int), ("devices", int), ("hours", float), ("now", int)):
        parser.add_argument(each, metavar=each.upper(), type=kind)
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(**vars(found)))


if __name__ == "__main__":
    sys.exit(main())
