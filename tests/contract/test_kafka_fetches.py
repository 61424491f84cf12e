"""What one fetch brings of a long log, on a real broker: a part with a bound, and a large record nevertheless."""

from __future__ import annotations

import asyncio
from hashlib import shake_256

from runtime.kafka import Out, Producer, Reader
from runtime.kafka.reader import FETCH_BYTES
from runtime.settings import Settings
from vitals.steps import Records
from vitals.topics import READINGS

WAIT_S = 30.0
"""Longest wait for something that must come; nothing is measured against it."""


def record(partition: int, number: int, size: int) -> Out:
    """A record of bytes that no codec makes fewer."""
    return Out(READINGS, partition, b"key", shake_256(b"%d" % number).digest(size))


async def written_and_read(settings: Settings, records: list[Out]) -> list[Records]:
    """Write all, then poll until all have come."""
    async with Producer(settings, "test") as producer:
        await producer.send(records)
    found: list[Records] = []
    async with Reader(settings, [(READINGS, partition) for partition in range(settings.partitions)]) as reader:
        async with asyncio.timeout(WAIT_S):
            while sum(len(polled.offsets) for polled in found) < len(records):
                found += await reader.poll(1.0)
    return found


async def test_records_larger_than_a_fetch_pass_beside_full_partitions(topics: Settings) -> None:
    """A fetch asks little of each partition; one that it cannot take would stand still for ever, the others not."""
    records = [record(0, number, 3 * FETCH_BYTES) for number in range(3)]
    records += [record(1 + number % 3, number, FETCH_BYTES // 2) for number in range(24)]
    found = await written_and_read(topics, records)
    for partition in range(4):
        values = [value for polled in found if polled.partition == partition for value in polled.values]
        assert values == [each.value for each in records if each.partition == partition]


async def test_a_poll_brings_a_bounded_part_of_a_long_log(topics: Settings) -> None:
    """Who comes back after an outage would else unpack hours of it at once, gigabytes with many partitions."""
    size = FETCH_BYTES // 4
    found = await written_and_read(topics, [record(0, number, size) for number in range(40)])
    assert max(len(polled.values) for polled in found) * size <= FETCH_BYTES
