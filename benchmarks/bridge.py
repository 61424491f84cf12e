"""The bridge, from MQTT to Kafka, beside ``mosquitto_sub | kcat`` and beside stock paho, each at its limit.

Every side takes the same messages (QoS 1, one heart rate each, 200 devices) from a broker into which they are poured
as fast as it takes them. Only the bridge decodes, attributes, and acknowledges after Kafka has the rows.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.compare import Target, Turn
from benchmarks.frame import CLOCK, Result, Turns, alternate, child, cpu_of, until
from benchmarks.place import Place, place, register, total
from benchmarks.pour import encoded, pour
from benchmarks.yardsticks.c_pipeline import PROGRAMS
from runtime.kafka import Reader, ensure_topics
from vitals.errors import ProtocolError
from vitals.topics import READINGS, REJECTED, TopicSpec, kafka_topic, mqtt_root

MESSAGES = 20_000
MESSAGES_SMALL = 5_000
"""For the side that costs ten times as much."""
DEVICES = [f"bench-{number:03}" for number in range(200)]
PIPED, PAHO = "bench.piped", "bench.paho"
TOPICS = (TopicSpec(PIPED, partitioned=True), TopicSpec(PAHO, partitioned=True))
OURS, PIPE, BARE, SMALL = "bridge", "mosquitto_sub | kcat", "stock paho, receives only", "stock paho and aiokafka"
PIPE_SLACK = 100
"""So many of the last messages may lie in the pipe's buffers (4 KiB each) until more come."""
Count = Callable[[], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Side:
    """One way from the broker; ``count`` says how many messages have come to its end."""

    pid: int
    root: str
    count: Count
    messages: int = MESSAGES
    slack: int = 0

    async def turn(self, address: str) -> Turn:
        """Pour, wait for all of them, tell what it cost."""
        parts = encoded(self.root, DEVICES, self.messages, CLOCK.now_us())
        before, cpu, began = await self.count(), cpu_of(self.pid), CLOCK.monotonic()
        pouring = asyncio.create_task(asyncio.to_thread(pour, address, parts, self.messages), name="pour")
        await until(lambda: self._all(before), f"{self.messages} messages below {self.root}")
        wall, cost = CLOCK.monotonic() - began, cpu_of(self.pid) - cpu
        await pouring
        return Turn(self.messages - self.slack, cost, wall)

    async def _all(self, before: int) -> bool:
        return await self.count() - before >= self.messages - self.slack


async def _ours(here: Place, stack: AsyncExitStack) -> Side:
    await register(here.settings, DEVICES, CLOCK.now_us())
    process = await stack.enter_async_context(child(here.service("bridge")))
    partitions = range(here.settings.partitions)
    readings = await stack.enter_async_context(Reader(here.settings, [(READINGS, each) for each in partitions]))
    rejected = await stack.enter_async_context(Reader(here.settings, [(REJECTED, each) for each in partitions]))

    async def count() -> int:
        if await total(rejected):
            raise ProtocolError("the bridge rejects the benchmark's messages")
        return await total(readings)

    return Side(process.pid, here.settings.namespace, count)


async def _in_kafka(
    here: Place, stack: AsyncExitStack, topic: str, module: str, *before: str, messages: int = MESSAGES, slack: int = 0
) -> Side:
    """A yardstick that ends in a topic."""
    settings = here.settings
    root = f"{settings.namespace}-{module.replace('_', '-')}"
    arguments = (
        settings.mqtt,
        f"{mqtt_root(root)}/+/+/+",
        *before,
        settings.kafka,
        kafka_topic(settings.namespace, topic),
    )
    process = await stack.enter_async_context(child(here.yardstick(module, *arguments)))
    reader = await stack.enter_async_context(Reader(settings, [(topic, each) for each in range(settings.partitions)]))
    return Side(process.pid, root, lambda: total(reader), messages, slack)


async def _receiver(here: Place, stack: AsyncExitStack) -> Side:
    root, file = f"{here.settings.namespace}-bare", here.root / "came"
    file.touch()
    arguments = (here.settings.mqtt, f"{mqtt_root(root)}/+/+/+", str(MESSAGES), str(file))
    process = await stack.enter_async_context(child(here.yardstick("paho_bare", *arguments)))

    async def count() -> int:
        return file.stat().st_size * MESSAGES

    return Side(process.pid, root, count)


async def run(turns: int) -> Result:
    """Measure."""
    result = Result(
        name="bridge",
        what="MQTT (QoS 1) to Kafka, one reading a message",
        work="messages",
        command="make bench ARGS=bridge",
        targets=[
            Target(OURS, PIPE, "cpu", 0.5),
            Target(OURS, BARE, "cpu", 1.5),
            Target(OURS, SMALL, "cpu"),
            Target(OURS, PIPE, "wall"),
        ],
    )
    async with place("bridge", ["kafka", "mosquitto"]) as here, AsyncExitStack() as stack:
        await ensure_topics(here.settings, TOPICS)
        sides = {OURS: await _ours(here, stack), BARE: await _receiver(here, stack)}
        missing = [f"{name} (Debian: apt-get install {PROGRAMS[name]})" for name in PROGRAMS if not shutil.which(name)]
        if missing:
            result.absent[PIPE] = ", ".join(missing)
        else:
            sides[PIPE] = await _in_kafka(here, stack, PIPED, "c_pipeline", slack=PIPE_SLACK)
        sides[SMALL] = await _in_kafka(here, stack, PAHO, "paho_bare", "0", "-", messages=MESSAGES_SMALL)
        await asyncio.sleep(2.0)  # subscriptions of the yardsticks, which have no way to say so
        runs: dict[str, Turns] = {name: _run(each, here.settings.mqtt) for name, each in sides.items()}
        await alternate(result, runs, turns)
    return result


def _run(side: Side, address: str) -> Turns:
    return lambda: side.turn(address)
