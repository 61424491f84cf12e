"""Count, mean, least and greatest per patient in windows of ten seconds by Bytewax, as its documentation has it.

Runs in Bytewax's own environment: ``bytewax_job.py KAFKA FROM TO``. It ends by itself at the end of the log, when every
window has been written.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing
from bytewax.run import cli_main

ROW = 64
OBSERVED_AND_VALUE = struct.Struct("<32xq8xd8x")
RESULT = struct.Struct("<qqddd")
WIDTH_S = 10
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Reading(NamedTuple):
    """One heart rate."""

    at: datetime
    value: float


Sums = tuple[int, float, float, float]


def rows(message: KafkaSourceMessage[bytes, bytes]) -> Iterator[tuple[str, Reading]]:
    """Each reading of a record by its patient."""
    key = message.key.hex()
    for observed, value in OBSERVED_AND_VALUE.iter_unpack(message.value):
        yield key, Reading(EPOCH + timedelta(microseconds=observed), value)


def add(sums: Sums, reading: Reading) -> Sums:
    """One more reading."""
    count, total, least, most = sums
    value = reading.value
    return count + 1, total + value, min(least, value), max(most, value)


def merge(one: Sums, other: Sums) -> Sums:
    """Two windows that turn out to be one."""
    return one[0] + other[0], one[1] + other[1], min(one[2], other[2]), max(one[3], other[3])


def written(closed: tuple[str, tuple[int, Sums]]) -> KafkaSinkMessage[bytes, bytes]:
    """A window as it is written; its number counts windows from 1970 on."""
    key, (number, (count, total, least, most)) = closed
    start = number * WIDTH_S * 1_000_000
    return KafkaSinkMessage(bytes.fromhex(key), RESULT.pack(start, count, total / count, least, most))


def job(kafka: str, source: str, sink: str) -> Dataflow:
    """The whole of it."""
    flow = Dataflow("tumbling")
    messages = op.input("from", flow, KafkaSource([kafka], [source], tail=False))
    readings = op.flat_map("rows", messages, rows)
    clock = windowing.EventClock(lambda reading: reading.at, wait_for_system_duration=timedelta(minutes=1))
    windower = windowing.TumblingWindower(length=timedelta(seconds=WIDTH_S), align_to=EPOCH)
    none = (0, 0.0, float("inf"), float("-inf"))
    closed = windowing.fold_window("sums", readings, clock, windower, lambda: none, add, merge)
    op.output("to", op.map("written", closed.down, written), KafkaSink([kafka], sink, {"compression.type": "lz4"}))
    return flow


if __name__ == "__main__":
    cli_main(job(*sys.argv[1:]))
