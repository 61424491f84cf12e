"""The processor in the product's runner, as a process that ends by itself at the end of the log.

``main`` takes ``KAFKA NAMESPACE``: group, steps, windows and journal, positions committed.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from benchmarks.engine.logs import PARTITIONS
from runtime.clock import SystemClock
from runtime.collector import OUTPUTS_MAX, spare_collections
from runtime.kafka import GroupConsumer, Producer, Reader
from runtime.runner import Runner, RunnerSpec
from runtime.settings import Settings, load
from stream.processor import Processor, factory
from stream.service import GROUP
from vitals.steps import Records
from vitals.topics import JOURNAL, PROCESSOR_SNAPSHOTS, READINGS, WINDOWS


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
    kafka, namespace = sys.argv[1:]
    settings = load(Settings, kafka=kafka, namespace=namespace, partitions=PARTITIONS, snapshot_seconds=86_400.0)
    spare_collections(OUTPUTS_MAX)
    uvloop.run(processor(settings))
