"""Writing records: idempotent, acknowledged by all, in order per partition, never hanging.

`Producer.send` is the fast path of aiokafka (one batch object per partition and call, no future per record). A batch is
compressed by what it holds: lz4 below `LARGE_BYTES`, where it is the faster one to write and to read, zstd above, where
aiokafka's lz4 (of the highest level) holds the loop for up to 4 ms. Kafka and its readers take either, batch by batch.
With idempotence a batch never expires, so both `send` and the close have deadlines.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch

from runtime.kafka.types import (
    REQUEST_TIMEOUT_MS,
    KafkaFailed,
    KafkaStalled,
    Out,
    Partition,
    deadline,
    full_name,
    member_name,
    start_client,
)
from runtime.settings import Settings

BATCH_BYTES_MAX = 256 * 1024
LARGE_BYTES = 16 * 1024
"""Keys and values from which on a batch goes out with zstd: about 200 readings."""
SEND_TIMEOUT_S = 30.0
"""After this a send is a stall: long enough for a broker's restart, shorter than the group's patience."""
STOP_TIMEOUT_S = 5.0


class Producer:
    """``async with Producer(settings, "bridge") as producer: offsets = await producer.send(records)``."""

    def __init__(self, settings: Settings, client_id: str, *, send_timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._settings = settings
        self._client_id = client_id
        self._timeout_s = send_timeout_s
        self._order = asyncio.Lock()
        self._producer: Any = None

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka,
            client_id=member_name(self._settings, self._client_id),
            enable_idempotence=True,
            acks="all",
            max_batch_size=BATCH_BYTES_MAX,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        try:
            async with deadline(self._settings, self._timeout_s, f"start of producer {self._client_id}"):
                await start_client(self._producer)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def send(self, records: Sequence[Out]) -> list[int]:
        """Write ``records`` and wait until every one is durable; offsets in the order of ``records``.

        Records of one partition keep their order, within a call and from call to call. A call that is cancelled
        or fails may have written some of its records.

        Raises:
            KafkaStalled: not all were acknowledged within the deadline.
            KafkaFailed: a broker refused one; a record above 4 MiB, an unknown topic or partition.
        """
        if not records:
            return []
        async with deadline(self._settings, self._timeout_s, f"write of {len(records)} records"):
            return await self._send(records)

    async def _send(self, records: Sequence[Out]) -> list[int]:
        rows: defaultdict[Partition, list[int]] = defaultdict(list)
        for index, record in enumerate(records):
            rows[record.topic, record.partition].append(index)
        pending = {partition: batches(records, indexes) for partition, indexes in rows.items()}
        written: list[list[int]] = []
        futures: list[asyncio.Future[Any]] = []
        async with self._order:
            while pending:
                for partition, left in list(pending.items()):
                    if (item := next(left, None)) is None:
                        del pending[partition]
                        continue
                    batch, indexes = item
                    topic = full_name(self._settings, partition[0])
                    futures.append(await self._producer.send_batch(batch, topic, partition=partition[1]))
                    written.append(indexes)
        results = await asyncio.gather(*futures, return_exceptions=True)
        offsets = [-1] * len(records)
        for result, indexes in zip(results, written, strict=True):
            if isinstance(result, BaseException):
                raise result
            for position, index in enumerate(indexes):
                offsets[index] = result.offset + position
        return offsets

    async def _stop(self) -> None:
        """Flush and close; when the brokers are gone, fail what is left instead of waiting for it for ever."""
        producer, self._producer = self._producer, None
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await producer.stop()
        except TimeoutError:
            await _abandon(producer)


def batches(records: Sequence[Out], indexes: list[int]) -> Iterator[tuple[Any, list[int]]]:
    """Batches of the records at ``indexes``, which go to one partition, each with the indexes that it holds.

    Raises:
        KafkaFailed: a record has no place in a batch of its own.
    """
    sizes = accumulate(len(records[index].value) + len(records[index].key or b"") for index in indexes)
    large = any(size >= LARGE_BYTES for size in sizes)  # which is known after the first few
    codec = DefaultRecordBatch.CODEC_ZSTD if large else DefaultRecordBatch.CODEC_LZ4
    start = 0
    while start < len(indexes):
        batch, taken = BatchBuilder(BATCH_BYTES_MAX, codec), indexes[start:]
        if (fitted := _fill(batch, records, taken)) == 0:
            record = records[indexes[start]]
            raise KafkaFailed("record does not fit into a batch of its own", f"{record.topic}, {indexes[start]}")
        batch.close()
        yield batch, taken[:fitted]
        start += fitted


async def _abandon(producer: Any) -> None:
    """What aiokafka lacks: a close that gives up. It leans on private names; a contract test holds them."""
    producer._message_accumulator.fail_all(KafkaStalled("Kafka did not answer", "flush at the end"))  # noqa: SLF001
    await producer.client.close()
    # A batch that failed above may just be coming back from a broker that is gone; its sender then finds no place for
    # it, and its KeyError would stand where the error stands that ends us.
    with contextlib.suppress(TimeoutError, KeyError):
        async with asyncio.timeout(1):
            await producer._sender.close()  # noqa: SLF001


def _fill(batch: Any, records: Sequence[Out], indexes: list[int]) -> int:
    """Append records until one has no room; how many had.

    The batch's own `append` calls the same by way of two functions of Python, which cost more than the record. Private
    names again; ``tests/unit/test_producer.py`` holds them.
    """
    append, count = batch._builder.append, 0  # noqa: SLF001
    for index in indexes:
        _, _, key, value, headers = records[index]
        if append(count, None, key, value, list(headers)) is None:
            break
        count += 1
    batch._relative_offset = count  # noqa: SLF001
    return count
