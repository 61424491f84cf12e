"""Count, mean, least and greatest per patient in windows of ten seconds by Faust: an agent and a table in memory.

Faust closes its own windowed tables by the wall clock, which is of no use for a log of the past; so a patient's window
is written when the patient's next one begins. Runs in Faust's own environment: ``faust_job.py KAFKA FROM TO APPLICATION
FOLDER PARTITIONS``. It runs until killed.
"""

from __future__ import annotations

import struct
import sys
from typing import Any

import faust

OBSERVED_AND_VALUE = struct.Struct("<32xq8xd8x")
SUMS = struct.Struct("<qqddd")
WIDTH_US = 10_000_000


def app(arguments: list[str]) -> Any:
    """The application."""
    kafka, source, sink, name, folder, partitions = arguments
    made = faust.App(
        name,
        broker=f"kafka://{kafka}",
        store="memory://",
        datadir=folder,
        value_serializer="raw",
        key_serializer="raw",
        topic_partitions=int(partitions),
        topic_replication_factor=1,
        topic_disable_leader=True,
        web_enabled=False,
        producer_compression_type="lz4",
    )
    table = made.Table("windows", key_type=bytes, value_type=bytes, default=bytes)
    readings = made.topic(source, key_type=bytes, value_type=bytes)
    closed = made.topic(sink, key_type=bytes, value_type=bytes)

    async def add(stream: Any) -> None:
        async for key, record in stream.items():
            for observed, value in OBSERVED_AND_VALUE.iter_unpack(record):
                start = observed - observed % WIDTH_US
                before = table[key]
                if before:
                    known, count, total, least, most = SUMS.unpack(before)
                    if known == start:
                        after = SUMS.pack(start, count + 1, total + value, min(least, value), max(most, value))
                        table[key] = after
                        continue
                    await closed.send(key=key, value=SUMS.pack(known, count, total / count, least, most))
                table[key] = SUMS.pack(start, 1, value, value, value)

    made.agent(readings, name="sums")(add)
    return made


if __name__ == "__main__":
    faust.Worker(app(sys.argv[1:]), loglevel="warn").execute_from_commandline()
