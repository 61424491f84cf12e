"""The processor's service on a real Kafka: what is written is what the step says, through a crash, once."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.kafka import Out, Producer, Reader
from runtime.settings import Settings
from runtime.snapshots import intact
from runtime.testing.waiting import until
from stream.processor import Processor
from stream.service import main
from stream.settings import ProcessSettings
from tests.logs import T0, Log, row, worn
from vitals.causes import Cause, of_headers
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.steps import Output
from vitals.topics import JOURNAL, PROCESSOR_SNAPSHOTS, READINGS, WINDOWS

PARTITION = 2
Written = list[tuple[Cause | None, bytes | None, bytes]]


def two_hours() -> Log:
    """A low, a silence and some hundred windows."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "ward-1", "ward", T0 - MINUTE_US))
    log.tick(T0)
    for minute in range(1, 121):
        if minute < 60 or minute > 100:
            beats = [
                row("ann", 70, T0 + minute * MINUTE_US - at * SECOND_US, metric="heart_rate") for at in (20, 10, 0)
            ]
            log.readings(row("ann", 50 + abs(minute - 40), T0 + minute * MINUTE_US), *beats)
        log.tick(T0 + minute * MINUTE_US)
    return log


async def put(settings: Settings, log: Log, first: int, last: int) -> None:
    columns = log.keys[first:last], log.values[first:last], log.headers[first:last]
    async with Producer(settings, "log") as producer:
        await producer.send([Out(READINGS, PARTITION, *record) for record in zip(*columns, strict=True)])


async def written(settings: Settings, topic: str) -> Written:
    found: Written = []
    async with Reader(settings, [(topic, PARTITION)]) as reader:
        end = (await reader.end_offsets())[topic, PARTITION]
        while len(found) < end:
            for records in await reader.poll(1.0):
                found += zip(map(of_headers, records.headers), records.keys, records.values, strict=True)
    return found


@asynccontextmanager
async def processing(settings: Settings) -> AsyncIterator[None]:
    own = ProcessSettings(namespace=settings.namespace, kafka=settings.kafka, partitions=settings.partitions)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(main(own))
        yield
        task.cancel()


def as_written(said: list[Output], topic: str) -> list[tuple[Cause, bytes | None, bytes]]:
    """A step's outputs to a topic, as `written` finds them."""
    return [(output.cause, output.key, output.value) for output in said if output.topic == topic]


async def test_two_lives_of_the_service_write_what_one_step_says(topics: Settings) -> None:
    """A processor that dies in the middle and replays must leave the same bytes as one that never died."""
    log = two_hours()
    records = log.records()._replace(offsets=list(range(len(log.keys))))
    said = Processor(PARTITION, topics.partitions).step(records)
    expected = {topic: as_written(said, topic) for topic in (JOURNAL, WINDOWS)}
    half = len(log.keys) // 2
    await put(topics, log, 0, half)
    first_half = [each for each in expected[WINDOWS] if each[0].offset < half]
    assert 10 < len(first_half) < len(expected[WINDOWS])

    async def reached(count: int) -> bool:
        return len(await written(topics, WINDOWS)) >= count

    async with processing(topics):
        await until(lambda: reached(len(first_half) // 2))
    await put(topics, log, half, len(log.keys))
    async with processing(topics):
        await until(lambda: reached(len(expected[WINDOWS])))
        last = expected[JOURNAL][-1]
        await until(lambda: _ends_with(topics, last))
    assert await written(topics, WINDOWS) == expected[WINDOWS]
    assert await written(topics, JOURNAL) == expected[JOURNAL]


@asynccontextmanager
async def process(settings: Settings) -> AsyncIterator[Process]:
    """The service as a process of its own, which nobody asks to end: it is killed."""
    environment = os.environ | {
        "VIGIL_KAFKA": settings.kafka,
        "VIGIL_NAMESPACE": settings.namespace,
        "VIGIL_PARTITIONS": str(settings.partitions),
        "VIGIL_SNAPSHOT_SECONDS": "0.1",
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stream", "process", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def taken_from(child: Process) -> str:
    """The line in which a process says where it goes on in our partition."""
    assert child.stderr is not None
    while line := (await child.stderr.readline()).decode():
        if "partition taken" in line and f'"partition": {PARTITION}' in line:
            return line
    raise EOFError("the process ended before it had the partition")


async def reached(settings: Settings, position: int) -> bool:
    """Whether the newest whole snapshot is of this position."""
    async with Reader(settings, []) as reader:
        found = intact(reader, (PROCESSOR_SNAPSHOTS, PARTITION), Processor.FORMAT, range(1, 1 << 40))
        snapshot = await anext(found, None)
        await found.aclose()
    return snapshot is not None and snapshot.offset == position


async def test_a_killed_processor_goes_on_from_its_snapshot_to_the_same_bytes(topics: Settings) -> None:
    """A snapshot that left something out would be seen only after a crash, when nobody can look any more."""
    log = two_hours()
    records = log.records()._replace(offsets=list(range(len(log.keys))))
    said = Processor(PARTITION, topics.partitions).step(records)
    thirds = [0, len(log.keys) // 3, 2 * len(log.keys) // 3, len(log.keys)]
    for number in range(3):
        await put(topics, log, thirds[number], thirds[number + 1])
        async with process(topics) as child:
            line = await taken_from(child)
            assert f'"replay_from": {thirds[number]},' in line
            await until(lambda: reached(topics, thirds[number + 1]))  # noqa: B023 - waited for before it changes
    assert await written(topics, WINDOWS) == as_written(said, WINDOWS)
    assert await written(topics, JOURNAL) == as_written(said, JOURNAL)


async def _ends_with(settings: Settings, last: tuple[Cause, bytes | None, bytes]) -> bool:
    return (await written(settings, JOURNAL))[-1:] == [last]
