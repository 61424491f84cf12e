"""Clients of the feed as a process of their own: some read steadily, others stall, are killed and come back, by a seed.

    python -m compose.drills.listening FOLDER NAME SEED STEADY WILD
    python -m compose.drills.listening /tmp/vigil-drill-abc wild 1 0 20

They share nothing with Vigil's own clients but the socket: they parse, fold and keep their cursor by docs/feed.md.

Says a cursor on stdout when all are welcome. A line on stdin, the last version of each partition as JSON, calms them:
all come back, read until there, write their records into FOLDER and say the file's name. They end with their stdin.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from compose import folder, signals
from compose.drills.accounts import digest
from compose.drills.children import Line, attended
from compose.drills.crowds import Got, Joined, Record
from compose.drills.frame import Arguments
from runtime.clock import Clock, SystemClock
from runtime.observe import configure_logging
from runtime.settings import Settings
from runtime.web import Peer, PeerGone, WebLimits, WebUnavailable, connect
from vitals.alerts import Version
from vitals.protocol import SERVER_MESSAGE_BYTES_MAX, Cursor, Hello
from vitals.topics import partition_of

LIMITS = WebLimits(message_bytes_max=SERVER_MESSAGE_BYTES_MAX, received_messages_max=16)
MISHAP_S = (2.0, 12.0)
STALL_S = (1.0, 12.0)
"""Shorter than the gateway's patience of 15 s: who reads again in time must not be cut."""
AWAY_S = (0.1, 3.0)
FRESH_SHARE = 0.15
"""So often one that comes back has lost its cursor."""
JOIN_EVERY_S = 0.04
POLL_S = 0.1


class Listener:
    """One client; ``record`` is all that it saw of patients' alerts."""

    def __init__(self, name: str, ready: folder.Ready, chance: random.Random, clock: Clock, *, steady: bool) -> None:
        self._place = int(name.rpartition("-")[2])
        self.record = Record(name, steady)
        self.events: list[Joined | Got] = []
        self.cursor: str | None = None
        self.open: dict[str, list[int]] = {}
        """The fold of all that came: version of each open alert, by id."""
        self._partial: dict[str, list[int]] = {}
        self.calm = asyncio.Event()
        self._ready, self._chance, self._clock = ready, chance, clock
        self._resuming = False

    async def run(self) -> None:
        """Listen for ever, with mishaps until `calm`."""
        await self._clock.sleep(self._place * JOIN_EVERY_S)
        while True:
            fresh = self.cursor is not None and not self.record.steady and self._chance.random() < FRESH_SHARE
            cursor = None if fresh else self.cursor
            with suppress(PeerGone, WebUnavailable):
                async with connect(self._ready.feed, limits=LIMITS) as peer:
                    await peer.send(Hello(token=self._ready.token, cursor=cursor).encode().decode())
                    self._resuming = cursor is not None
                    await self._talk(peer)
            await self._clock.sleep(self._chance.uniform(*AWAY_S))

    @property
    def read(self) -> dict[int, Version]:
        """Up to where it has read each partition."""
        parsed = Cursor.parse(self.cursor) if self.cursor else None
        return dict(parsed.read) if parsed else {}

    async def _talk(self, peer: Peer) -> None:
        """Read until a mishap ends the connection; a stall only interrupts it."""
        self.record.connections += 1
        while True:
            if self.record.steady or self.calm.is_set() or self.cursor is None:
                self._take(await peer.receive())
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._chance.uniform(*MISHAP_S)):
                    while not self.calm.is_set():
                        self._take(await peer.receive())
            if self.calm.is_set():
                continue
            match self._chance.choice(("stall", "stall", "kill", "leave")):
                case "stall":
                    self.record.stalls += 1
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._chance.uniform(*STALL_S)):
                            await self.calm.wait()
                case "kill":
                    self.record.kills += 1
                    peer.abort()
                    return
                case _:
                    return

    def _take(self, text: str) -> None:
        message = json.loads(text)
        match message["type"]:
            case "welcome":
                self.record.gaps += self._resuming and not message["recovered"]
                self._partial = {}
            case "snapshot":
                self._partial |= {each["id"]: each["version"] for each in message["alerts"] if each["patient"]}
                if not message["more"]:
                    self.open, self.cursor = self._partial, message["cursor"]
                    self.events.append(Joined(self.read, _versions(self.open)))
                    return
            case "change":
                self._change(message["alert"], text)
            case _:
                pass
        self.cursor = message.get("cursor") or self.cursor

    def _change(self, alert: dict[str, Any], text: str) -> None:
        if not alert["patient"]:
            return
        if alert["closed"]:
            self.open.pop(alert["id"], None)
        else:
            self.open[alert["id"]] = alert["version"]
        where = _partition(alert["patient"], self._ready.partitions)
        version, what = _version(alert["version"]), alert["change"]
        change = Got(where, version, UUID(alert["id"]), what, self._clock.now_us(), _digest(alert, text))
        self.events.append(change)

    def as_json(self) -> dict[str, Any]:
        """The record for a file; `loaded` reads it."""
        record = self.record
        told = [
            [list(map(list, each.read.items())), {str(alert): version for alert, version in each.open.items()}]
            if isinstance(each, Joined)
            else [each.partition, each.version, str(each.alert), each.change, each.at, each.digest]
            for each in self.events
        ]
        counts = (record.connections - 1, record.stalls, record.kills, record.gaps)
        return {"name": record.name, "steady": record.steady, "events": told, "final": self.open, "counts": counts}


def loaded(told: dict[str, Any]) -> Record:
    """A record out of its file."""
    events: list[Joined | Got] = []
    for each in told["events"]:
        if len(each) == 2:
            read, opened = each
            events.append(Joined({number: _version(at) for number, at in read}, _versions(opened)))
        else:
            where, version, alert, change, at, body = each
            events.append(Got(where, _version(version), UUID(alert), change, at, body))
    return Record(told["name"], told["steady"], events, _versions(told["final"]), *told["counts"])


@cache
def _partition(patient: str, partitions: int) -> int:
    """A patient's partition, worked out once: for each change it would cost this process as much as its JSON."""
    return partition_of(UUID(patient).bytes, partitions)


_DIGESTS: dict[str, str] = {}
"""By the text of an alert: all clients get the same ones, and a digest costs twice what their JSON does."""


def _digest(alert: dict[str, Any], text: str) -> str:
    body = text[text.index('"alert"') :]
    if body not in _DIGESTS:
        _DIGESTS[body] = digest(alert)
    return _DIGESTS[body]


def _version(told: list[int]) -> Version:
    return (told[0], told[1])


def _versions(told: dict[str, list[int]]) -> dict[UUID, Version]:
    return {UUID(alert): _version(version) for alert, version in told.items()}


async def run(root: Path, name: str, seed: int, steady: int, wild: int) -> int:
    """Be those clients until they are calmed and have read to the end, or the drill has gone."""
    return await attended(lambda line: _run(line, root, name, seed=seed, steady=steady, wild=wild))


async def _run(line: Line, root: Path, name: str, *, seed: int, steady: int, wild: int) -> int:
    with suppress(PermissionError):  # started by hand it may lead a group already
        # Linux may share a core by sessions (autogroup). Each service has one; these clients stand for other machines,
        # and in the drill's session the steady ones would wait for the wild and for the drill, and seem late.
        os.setsid()
    ready = folder.read_ready(root)
    settings = folder.settings_of(ready, Settings)
    configure_logging(settings.model_copy(update={"log_level": "error"}), "drill")
    clock = SystemClock()
    found = [
        Listener(f"{name}-{number}", ready, random.Random(f"{seed} {name} {number}"), clock, steady=number < steady)  # noqa: S311 - a drill that can be repeated, no secret
        for number in range(steady + wild)
    ]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each.run(), name=each.record.name) for each in found]
        while not all(each.cursor for each in found):
            await clock.sleep(POLL_S)
        _say(found[0].cursor)
        end = {int(number): _version(at) for number, at in json.loads(await line()).items()}
        for each in found:
            each.calm.set()
        while not all(each.read.get(number, (-1, -1)) >= at for each in found for number, at in end.items()):
            await clock.sleep(POLL_S)
        for task in running:
            task.cancel()
    path = root / f"{name}.json"
    await asyncio.to_thread(path.write_text, json.dumps([each.as_json() for each in found]), "utf-8")
    _say(str(path))
    return 0


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """The command line that `compose.drills.clients` uses."""
    parser = Arguments("listening", __doc__)
    parser.add_argument("root", metavar="FOLDER", type=Path)
    parser.add_argument("name", metavar="NAME")
    for each in ("seed", "steady", "wild"):
        parser.add_argument(each, metavar=each.upper(), type=int)
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(**vars(found)))


if __name__ == "__main__":
    sys.exit(main())
