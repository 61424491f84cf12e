"""Vigil's pieces on the job that every engine can do, as a process that ends by itself at the end of the log.

``main`` takes ``KAFKA FROM TO PARTITIONS``, the topics by their full names. It stands apart from the processor's, whose
imports this job has no use for.
"""

from __future__ import annotations

import sys

import uvloop

from benchmarks.engine.tumbling import Tumbling
from runtime.collector import OUTPUTS_MAX, spare_collections
from runtime.kafka import Out, Producer, Reader
from runtime.settings import Settings, load

POLL_S = 1.0


async def job(settings: Settings, source: str, sink: str, count: int) -> None:
    """Take, step, make durable, until the end that the log had at the start."""
    steps = [Tumbling() for _ in range(count)]
    partitions = [(source, partition) for partition in range(count)]
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


def main() -> None:
    """Take everything from the command line."""
    kafka, source, sink, count = sys.argv[1:]
    spare_collections(OUTPUTS_MAX)
    uvloop.run(job(load(Settings, kafka=kafka, namespace="", partitions=int(count)), source, sink, int(count)))


if __name__ == "__main__":
    main()
