"""Records of a fetch, whole: what aiokafka's own class makes of the same bytes, for a fraction of the cost."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from runtime.kafka import fetched

PARTITION = TopicPartition("t", 0)
AT_LZ4 = 3


def batch(first: int, records: list[tuple[bytes | None, bytes | None]], compression: int = 0) -> bytes:
    """A batch as a broker sends it, with headers on every other record."""
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, 0, 1 << 20)
    for number, (key, value) in enumerate(records):
        headers = [("cause", bytes([number]))] if number % 2 else []
        builder.append(number, timestamp=1_000 + number, key=key, value=value, headers=headers)
    return first.to_bytes(8, "big") + bytes(builder.build())[8:]


BATCHES = batch(0, [(b"a", b"1"), (None, b""), (b"c", None)]) + batch(3, [(b"k", b"v" * 900)] * 7, AT_LZ4)


def made(cls: Any, data: bytes, start: int = 0) -> Any:
    return cls(PARTITION, MemoryRecords(data), None, start, None, None, True, 0)


def stock(data: bytes, start: int) -> tuple[list[tuple[Any, ...]], int]:
    """What aiokafka makes of it, and where it would go on."""
    records = made(fetched._Stock, data, start)
    rows = [(row.offset, row.key, row.value, row.headers, row.timestamp) for row in records]
    return rows, records.next_fetch_offset


@pytest.mark.parametrize("start", range(11))
def test_records_are_those_of_aiokafka_from_wherever_one_begins(start: int) -> None:
    """A fetch begins in the middle of a batch after every seek; a record too many would count twice."""
    records = made(fetched.PartitionRecords, BATCHES, start)
    columns = fetched.columns(list(records))
    assert (list(zip(*columns, strict=True)), records.next_fetch_offset) == stock(BATCHES, start)


def test_a_broken_batch_is_an_error_and_moves_no_position() -> None:
    """Bytes that changed on their way are no readings."""
    broken = BATCHES[:-1] + bytes([BATCHES[-1] ^ 1])
    with pytest.raises(CorruptRecordException):
        iter(made(fetched.PartitionRecords, broken))


def test_aiokafka_uses_our_class_by_the_name_it_has_for_its_own() -> None:
    """The name is private: where it changes, records would come at their old price and nobody would notice."""
    assert fetcher.PartitionRecords is fetched.PartitionRecords
    assert "PartitionRecords" in fetcher.Fetcher._proc_fetch_request.__code__.co_names
