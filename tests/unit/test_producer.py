"""How a producer packs, and how it closes when the brokers are gone; the rest is tested on a real Kafka."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.record.default_records import DefaultRecordBatch

from runtime.kafka import KafkaStalled, Out, Producer
from runtime.kafka import producer as module
from runtime.settings import Settings


def packed(records: list[Out]) -> list[tuple[DefaultRecordBatch, list[int]]]:
    """Every record of one partition as it goes over the wire, batch by batch, with the indexes in each."""
    found = module.batches(records, list(range(len(records))))
    return [(DefaultRecordBatch(bytes(batch._build())), taken) for batch, taken in found]


@pytest.mark.parametrize(
    ("count", "codec"),
    [
        (1, DefaultRecordBatch.CODEC_LZ4),
        (module.LARGE_BYTES // 80 - 1, DefaultRecordBatch.CODEC_LZ4),
        (module.LARGE_BYTES // 80 + 1, DefaultRecordBatch.CODEC_ZSTD),
        (5000, DefaultRecordBatch.CODEC_ZSTD),
    ],
)
def test_few_readings_are_packed_by_lz4_and_many_by_zstd(count: int, codec: int):
    """One reading costs zstd 8 µs more on its way to an alarm; a full batch costs lz4 3 ms more, in which none goes."""
    records = [Out("vitals.readings", 0, b"k" * 16, index.to_bytes(64)) for index in range(count)]
    found = packed(records)
    assert {batch.compression_type for batch, _ in found} == {codec}
    assert [index for _, taken in found for index in taken] == list(range(count))
    assert [row.value for batch, _ in found for row in batch] == [record.value for record in records]


def test_a_record_larger_than_a_batch_has_one_of_its_own():
    """Four MiB are allowed, a batch is filled to a quarter of one."""
    records = [Out("vitals.rejected", 0, None, value) for value in (b"a", b"b" * 3 * module.BATCH_BYTES_MAX, b"c")]
    assert [taken for _, taken in packed(records)] == [[0], [1], [2]]


def test_a_batch_knows_how_many_records_it_holds():
    """The next batch's sequence number is this one's and so many; Kafka refuses a producer that counts wrong."""
    records = [Out("vitals.readings", 0, b"k" * 16, index.to_bytes(640)) for index in range(1000)]
    for batch, taken in module.batches(records, list(range(len(records)))):
        assert batch.closed()
        assert batch.record_count() == len(taken)
        assert [row.offset for row in DefaultRecordBatch(bytes(batch._build()))] == list(range(len(taken)))


async def test_a_batch_that_comes_back_during_the_close_hides_no_error(monkeypatch: pytest.MonkeyPatch):
    """The service would end as if by a fault of ours, with aiokafka's traceback instead of one line about Kafka."""

    async def never() -> None:
        await asyncio.Event().wait()

    async def done() -> None:
        """Closed."""

    async def lost_batch() -> None:
        raise KeyError("batch")

    failed: list[Exception] = []
    native = SimpleNamespace(
        stop=never,
        client=SimpleNamespace(close=done),
        _message_accumulator=SimpleNamespace(fail_all=failed.append),
        _sender=SimpleNamespace(close=lost_batch),
    )
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 0.0)
    producer = Producer(Settings(), "test")
    producer._producer = native
    with pytest.raises(KafkaStalled, match="what ended us"):
        await _leave(producer)
    assert [type(error) for error in failed] == [KafkaStalled]


async def _leave(producer: Producer) -> None:
    try:
        raise KafkaStalled("what ended us", "a write")
    finally:
        await producer.__aexit__(None, None, None)
