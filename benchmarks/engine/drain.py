"""Vigil's own sides, as processes that end by themselves at the end of the log.

``main`` takes ``KAFKA NAMESPACE job FROM TO`` for the job that every engine can do, or ``KAFKA NAMESPACE processor``
for the processor in the product's runner: group, steps, windows and journal, positions committed.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from benchmarks.engine.logs import PARTITIONS
from benchmarks.engine.tumbling import Tumbling
from runtime.clock import SystemClock
from runtime.kafka import GroupConsumer, Out, Producer, Reader
from runtime.runner import Runner, RunnerSpec
from runtime.service import spare_collections
from runtime.settings import Settings, load
from stream.processor import Processor, factory
from stream.service import GROUP
from vitals.steps import Records
from vitals.topics import JOURNAL, PROCESSOR_SNAPSHOTS, READINGS, WINDOWS

POLL_S = 1.0


async def job(settings: Settings, source: str, sink: str) -> None:
    """Take, step, make durable, until the end that the log had at the start."""
    steps = [Tumbling() for _ in range(PARTITIONS)]
    partitions = [(source, partition) for partition in range(PARTITIONS)]
    async with Reader(settings, partitions) as reader, Producer(settings, "bench-job") as producer:
        left = sum((await reader.end_offsets()).values())
        while left > 0:
            taken = await reader.poll(POLL_S)
            closed = [
                Out(sink, records.partition, key, value)
                for records in taken
                for key, value in steps[records.partition].step(records)
            ]
            await producer.send(closed)
            left -= sum(len(records.offsets) for records in taken)


async def processor(settings: Settings) -> None:
    """The runner with the processor's step, until every partition is stepped over."""
    over = asyncio.Event()
    async with Reader(settings, [(READINGS, partition) for partition in range(PARTITIONS)]) as reader:
        ends = {partition: end for (_, partition), end in (await reader.end_offsets()).items()}

    def on_batch(_partition: int, _step: Processor, _records: Records) -> None:
        if runner.positions == ends:
            over.set()

    spec = RunnerSpec(READINGS, GROUP, factory(PARTITIONS), (JOURNAL, WINDOWS), PROCESSOR_SNAPSHOTS)
    runner = Runner(settings, spec, monotonic=SystemClock().monotonic, on_batch=on_batch)
    async with (
        Producer(settings, "bench-processor") as producer,
        GroupConsumer(settings, [READINGS], GROUP, settings.instance) as consumer,
    ):
        running = asyncio.create_task(runner.run(consumer, producer), name="processor")
        ending = asyncio.create_task(over.wait(), name="end of the log")
        await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        if running.done():
            await running
        await asyncio.wait({running})


def main() -> None:
    """Take everything from the command line."""
    kafka, namespace, what, *topics = sys.argv[1:]
    settings = load(Settings, kafka=kafka, namespace=namespace, partitions=PARTITIONS, snapshot_seconds=86_400.0)
    spare_collections()
    uvloop.run(job(settings, *topics) if what == "job" else processor(settings))
