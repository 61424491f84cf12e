"""One change to 1,000 sockets: our gateway, from Kafka to the sockets, beside bare ``broadcast()`` of equal frames.

Two shapes: changes one by one, each once the one before is with everybody, and twenty at once. Also what a socket
costs in memory at either.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

from alerts.frames import change_frame
from benchmarks.compare import Target, Turn
from benchmarks.crowd import Crowd
from benchmarks.frame import CLOCK, Result, alternate, child, cpu_of, pss_kib
from benchmarks.place import PARTITIONS, Place, place
from compose import folder
from compose.process import Process
from compose.servers import probes
from runtime.kafka import Out, Producer
from vitals import causes
from vitals.alerts import Alert
from vitals.journal import episode_id
from vitals.protocol import PROTOCOL_VERSION
from vitals.topics import FEED, patient_id

SOCKETS = 1000
CHANGES = 100
BURST = 20
Send = Callable[[int], Awaitable[None]]


def alert(offset: int) -> Alert:
    """One of fifty patients' low alerts, as it stands at the offset of its cause."""
    label = f"bed-{offset % 50:03}"
    patient = patient_id(label)
    at = 1_700_000_000_000_000 + offset
    return Alert(
        id=episode_id(str(patient), "glucose", "low", 1_700_000_000_000_000),
        version=(offset, 0),
        change="open",
        at=at,
        announced=True,
        patient=patient,
        label=label,
        site=1,
        device=f"cgm-{label}",
        metric="glucose",
        rule="low",
        category="physiological",
        level=2,
        priority="high",
        condition="active",
        value=48.0,
        value_at=at,
        unit="mg/dL",
        limit=54.0,
        censored=None,
        reason="",
        since=at,
        opened_at=at,
        policy=1,
        risen=(offset, 0),
        announced_at=at,
        announcements=1,
        response="unacknowledged",
    )


class Gateway:
    """Changes by way of Kafka, as the manager writes them."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._offset = 0

    async def send(self, count: int) -> None:
        """Write some changes at once, each with its cause."""
        outs = []
        for _ in range(count):
            self._offset += 1
            headers = ((causes.HEADER, causes.Cause(self._offset, 0).pack()),)
            outs.append(Out(FEED, self._offset % PARTITIONS, b"k", alert(self._offset).encode(), headers))
        await self._producer.send(outs)


class Bare:
    """The same frames over the control line of ``benchmarks/yardsticks/broadcast.py``."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._offset = 0

    async def send(self, count: int) -> None:
        """Have some frames broadcast, one call each."""
        for _ in range(count):
            self._offset += 1
            cursor = "bench-cluster-id/bench~*~0:1:0,1:1:0"
            self._writer.write(change_frame("alert", alert(self._offset).encode().decode(), cursor).encode() + b"\n")
        await self._writer.drain()


async def _turn(process: Process, crowd: Crowd, send: Send, at_once: int) -> Turn:
    before, cpu, began = crowd.frames, cpu_of(process.pid), CLOCK.monotonic()
    for number in range(0, CHANGES, at_once):
        await send(at_once)
        await crowd.arrived(before + (number + at_once) * SOCKETS)
    wall = CLOCK.monotonic() - began
    if crowd.lost:
        raise ConnectionError(f"{crowd.lost} sockets were cut off")
    return Turn(CHANGES * SOCKETS, cpu_of(process.pid) - cpu, wall)


async def _gateway(place: Place, stack: AsyncExitStack) -> tuple[Process, Crowd]:
    tokens, people = folder.principals(place.root)
    port = probes.free_port()
    spec = place.service("gateway", VIGIL_FEED_PORT=str(port), VIGIL_TOKENS_FILE=str(people))
    process = await stack.enter_async_context(child(spec))
    hello = json.dumps({"type": "hello", "protocol": PROTOCOL_VERSION, "token": tokens["clinician"]})
    return process, Crowd(port, SOCKETS, hello)


async def _bare(place: Place, stack: AsyncExitStack) -> tuple[Process, Crowd, asyncio.StreamWriter]:
    port, control = probes.free_port(), probes.free_port()
    spec = place.yardstick("broadcast", str(port), str(control), port=control)
    process = await stack.enter_async_context(child(spec))
    _, writer = await asyncio.open_connection("127.0.0.1", control)
    stack.callback(writer.close)
    return process, Crowd(port, SOCKETS), writer


PER_SOCKET = "KiB per socket, gateway"


async def _enter(stack: AsyncExitStack, process: Process, crowd: Crowd) -> float:
    """Open all sockets; KiB of the process for each."""
    await asyncio.sleep(1.0)
    before = pss_kib(process.pid)
    await stack.enter_async_context(crowd)
    await asyncio.sleep(2.0)
    return (pss_kib(process.pid) - before) / SOCKETS


async def run(turns: int) -> Result:
    """Measure."""
    result = Result(
        name="fanout",
        what="one change to 1,000 sockets",
        work="frames",
        command="make bench ARGS=fanout",
        targets=[
            Target("gateway, one by one", "broadcast(), one by one", "cpu", 0.9),
            Target("gateway, one by one", "broadcast(), one by one", "wall", 0.9),
            Target("gateway, 20 at once", "broadcast(), 20 at once", "cpu", 0.9),
            Target("gateway, 20 at once", "broadcast(), 20 at once", "wall", 0.9),
        ],
        most={PER_SOCKET: 20.0},
    )
    async with place("fanout", ["kafka"]) as here, AsyncExitStack() as stack:
        producer = await stack.enter_async_context(Producer(here.settings, "bench-feed"))
        gateway, ours = await _gateway(here, stack)
        bare, theirs, writer = await _bare(here, stack)
        result.figures[PER_SOCKET] = round(await _enter(stack, gateway, ours), 1)
        result.figures["KiB per socket, bare websockets"] = round(await _enter(stack, bare, theirs), 1)
        mine, other = Gateway(producer).send, Bare(writer).send
        sides = {
            "gateway, one by one": partial(_turn, gateway, ours, mine, 1),
            "broadcast(), one by one": partial(_turn, bare, theirs, other, 1),
            "gateway, 20 at once": partial(_turn, gateway, ours, mine, BURST),
            "broadcast(), 20 at once": partial(_turn, bare, theirs, other, BURST),
        }
        await alternate(result, sides, turns)
        result.figures["bytes per change"] = len(alert(1).encode())
        result.figures["MiB of the gateway with 1,000 sockets (PSS)"] = round(pss_kib(gateway.pid) / 1024, 1)
    return result
