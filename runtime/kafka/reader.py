"""Reading explicit partitions without a group: rebuilding state, gateways, tools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.kafka.fetched import columns, use_whole_fetches
from runtime.kafka.types import (
    REQUEST_TIMEOUT_MS,
    KafkaStalled,
    Partition,
    deadline,
    full_name,
    own_name,
    start_client,
)
from runtime.settings import Settings
from vitals.steps import Records

REQUEST_S = 25.0
"""Deadline of one question to Kafka."""
STALL_S = 15.0
"""Silence after which the watchdog asks whether there should have been records."""
STOP_TIMEOUT_S = 5.0
FETCH_BYTES = 256 * 1024
"""What one fetch brings of a partition, packed; unpacked it is ten times as much, all of it at once. A batch of ours
fits, a larger one comes alone. With 4 MiB who catches up holds up to 1.4 GB, and a fifth of its CPU is for new pages.
"""
SCAN_STEP_RECORDS = 64
"""First step of a scan back from a partition's end; each further one is 8 times as long."""

use_whole_fetches()

CONSUMER_OPTIONS: dict[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "fetch_min_bytes": 1,
    # A fetch waits at the broker for so long, and after a seek the next one waits behind it.
    "fetch_max_wait_ms": 250,
    # While records lie here unread for less than this, no fetch goes out without their partition: otherwise a slow
    # batch would cost that partition a whole fetch_max_wait afterwards.
    "consumer_timeout_ms": 2_000,
    "max_partition_fetch_bytes": FETCH_BYTES,
    "request_timeout_ms": REQUEST_TIMEOUT_MS,
}


class Watchdog:
    """Notices a consumer that gets nothing although there is something; aiokafka has known ways to stall."""

    def __init__(self, settings: Settings, stall_s: float = STALL_S) -> None:
        self._settings = settings
        self._stall_s = stall_s
        self._since = asyncio.get_running_loop().time()
        self._behind: dict[Any, int] = {}

    def progress(self) -> None:
        """Something arrived."""
        self._since = asyncio.get_running_loop().time()
        self._behind = {}

    async def check(self, consumer: Any) -> None:
        """Ask for the end offsets once per silent period; two periods behind at one position is a stall."""
        now = asyncio.get_running_loop().time()
        if now - self._since < self._stall_s:
            return
        self._since = now
        wanted = sorted(consumer.assignment())
        if not wanted:
            return
        async with deadline(self._settings, REQUEST_S, "watchdog's question for end offsets"):
            ends = await consumer.end_offsets(wanted)
            behind = {}
            for partition, end in ends.items():
                position = await consumer.position(partition)
                if position < end:
                    behind[partition] = position
        stuck = [partition for partition, position in behind.items() if self._behind.get(partition) == position]
        self._behind = behind
        if stuck:
            where = ", ".join(f"{partition.topic}/{partition.partition}" for partition in stuck)
            raise KafkaStalled("no record arrives although there are some", where, "the supervisor restarts us")


class Reader:
    """Explicit partitions from their beginning, or from where `seek` says. No group, no commits."""

    def __init__(self, settings: Settings, assignments: Iterable[Partition]) -> None:
        self._settings = settings
        self._assignments = tuple(assignments)
        self._consumer: Any = None
        self._watchdog = Watchdog(settings)

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self._settings.kafka, **CONSUMER_OPTIONS)
        try:
            async with deadline(self._settings, REQUEST_S, "start of a reader"):
                await start_client(self._consumer)
                self.assign(self._assignments)  # of none too: without it a poll would wait for a group's assignment
        except BaseException:
            await stop_consumer(self._consumer)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop_consumer(self._consumer)

    @property
    def assignments(self) -> tuple[Partition, ...]:
        """The partitions that this reader reads."""
        return self._assignments

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Read these partitions from now on, and no others; each begins at its start."""
        self._assignments = tuple(partitions)
        self._consumer.assign([self._native(partition) for partition in self._assignments])

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Continue a partition at ``offset``."""
        self._consumer.seek(self._native((topic, partition)), offset)

    async def position(self, topic: str, partition: int) -> int:
        """The offset of the next record that a poll returns."""
        async with deadline(self._settings, REQUEST_S, "position"):
            position: int = await self._consumer.position(self._native((topic, partition)))
            return position

    async def poll(self, timeout: float) -> list[Records]:  # noqa: ASYNC109
        """Records as soon as there are some, or nothing within ``timeout`` seconds.

        Raises:
            KafkaStalled: records are there, but none arrives, or Kafka does not answer.
        """
        async with deadline(self._settings, timeout + REQUEST_S, "poll"):
            fetched = await self._consumer.getmany(timeout_ms=max(0, int(timeout * 1000)))
        if fetched:
            self._watchdog.progress()
            return [convert(self._settings, partition, rows) for partition, rows in fetched.items()]
        await self._watchdog.check(self._consumer)
        return []

    async def end_offsets(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        """The offset after the last record of each partition (all of ours by default)."""
        return await self._offsets(self._consumer.end_offsets, partitions)

    async def beginning_offsets(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        """The offset of the first record of each partition (all of ours by default)."""
        return await self._offsets(self._consumer.beginning_offsets, partitions)

    async def _offsets(self, ask: Callable[[Any], Any], partitions: Iterable[Partition] | None) -> dict[Partition, int]:
        wanted = {key: self._native(key) for key in (self._assignments if partitions is None else partitions)}
        async with deadline(self._settings, REQUEST_S, "offsets"):
            found = await ask(list(wanted.values()))
        return {key: int(found[native]) for key, native in wanted.items()}

    async def offset_for_time(self, partition: Partition, ms: int) -> int | None:
        """The first offset whose record timestamp (real time, ms UTC) is ``ms`` or later; None if there is none."""
        native = self._native(partition)
        async with deadline(self._settings, REQUEST_S, "offset for a time"):
            found = await self._consumer.offsets_for_times({native: ms})
        return None if found[native] is None else int(found[native].offset)

    async def last_timestamp(self, partition: Partition) -> int | None:
        """The timestamp (real time, ms UTC) of the last record; None in an empty partition. Moves the position."""
        async for records in self.backwards(partition):
            return records.timestamps[-1]
        return None

    async def backwards(self, partition: Partition) -> AsyncIterator[Records]:
        """Stretches of a partition from its present end to its beginning, each in offset order."""
        first = (await self.beginning_offsets([partition]))[partition]
        end = (await self.end_offsets([partition]))[partition]
        step = SCAN_STEP_RECORDS
        while end > first:
            start = max(first, end - step)
            found = await self.between(partition, start, end)
            if found.offsets:
                yield found
            end, step = start, step * 8

    async def between(self, partition: Partition, start: int, end: int) -> Records:
        """The records of one of our partitions from offset ``start`` to before ``end``, all of which exist.

        Raises:
            KafkaStalled: nothing comes within the deadline.
        """
        native, rows = self._native(partition), list[Any]()
        self._consumer.seek(native, start)
        while await self.position(*partition) < end:
            async with deadline(self._settings, REQUEST_S, "records between two offsets"):
                while not (found := await self._consumer.getmany(native, timeout_ms=1000)):
                    pass
            rows.extend(row for row in found[native] if row.offset < end)
        return convert(self._settings, native, rows)

    def _native(self, partition: Partition) -> Any:
        return TopicPartition(full_name(self._settings, partition[0]), partition[1])


async def last_headers(
    settings: Settings,
    topic: str,
    partition: int,
    header: str,
    match: Callable[[bytes], bool] | None = None,
) -> bytes | None:
    """The value of ``header`` in the last record that carries it (and whose value ``match`` accepts)."""
    async with Reader(settings, [(topic, partition)]) as reader:
        async for records in reader.backwards((topic, partition)):
            for carried in reversed(records.headers):
                for name, value in carried:
                    if name == header and (match is None or match(value)):
                        return value
    return None


def convert(settings: Settings, partition: Any, rows: list[Any]) -> Records:
    """Aiokafka's records of one partition as columns."""
    return Records(own_name(settings, partition.topic), partition.partition, *columns(rows))


async def stop_consumer(consumer: Any) -> None:
    """Close a consumer within a deadline; what hangs then ends with the process.

    It closes in a task of its own: aiokafka swallows a cancellation that arrives while it stops, and then a
    service that was told to stop would go on.
    """
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(consumer.stop(), name="consumer's end")
    except TimeoutError:
        pass
    finally:
        # Also where its end was cancelled: the tasks that it cancels hand their cancellation on to it, and then it
        # leaves its connections open.
        await consumer._client.close()  # noqa: SLF001
