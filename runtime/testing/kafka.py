"""A Kafka in memory, with the faults of a real one on demand.

`MemoryKafka` makes producers, group consumers and readers that can stand wherever `runtime.kafka`'s do. Assignments
are eager, as aiokafka's: when a member joins or its session ends, all partitions are revoked and assigned anew; a
static member that comes back under its name gets its partitions without disturbing others.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from runtime.kafka import Assigned, Event, GroupConsumer, KafkaFailed, Out, Partition, Producer, Reader, Revoked
from vitals.steps import Headers, Records


class Stored(NamedTuple):
    """One record in the log."""

    offset: int
    key: bytes | None
    value: bytes
    headers: Headers
    timestamp_ms: int


class MemoryKafka:
    """The servers' side: topics, groups, faults.

    Args:
        partitions: number of partitions by topic; unknown topics are refused.
        records_max: most records of a partition in one poll; 1 makes every batch as small as can be.
        now_ms: record timestamps.
    """

    def __init__(
        self, partitions: Mapping[str, int], *, records_max: int = 500, now_ms: Callable[[], int] = lambda: 0
    ) -> None:
        self.partitions = dict(partitions)
        self.records_max = records_max
        self._now_ms = now_ms
        self._logs: defaultdict[Partition, list[Stored]] = defaultdict(list)
        self._first: defaultdict[Partition, int] = defaultdict(int)
        self._committed: dict[tuple[str, Partition], int] = {}
        self._groups: defaultdict[str, _Group] = defaultdict(_Group)
        self._paused = False
        self._failure: tuple[int, Exception] | None = None
        self._duplicate = False
        self._waiters: list[asyncio.Future[None]] = []

    # Who uses it

    def producer(self, client_id: str = "test") -> MemoryProducer:
        """Stands for ``Producer(settings, client_id)``."""
        return MemoryProducer(self, client_id)

    def group(self, topics: Sequence[str], group: str, instance: str) -> MemoryGroupConsumer:
        """Stands for ``GroupConsumer(settings, topics, group, instance)``."""
        return MemoryGroupConsumer(self, topics, group, instance)

    def reader(self, assignments: Iterable[Partition]) -> MemoryReader:
        """Stands for ``Reader(settings, assignments)``."""
        return MemoryReader(self, assignments)

    async def last_headers(
        self, topic: str, partition: int, header: str, match: Callable[[bytes], bool] | None = None
    ) -> bytes | None:
        """Stands for ``last_headers(settings, ...)``."""
        for stored in reversed(self._logs[topic, partition]):
            for name, value in stored.headers:
                if name == header and (match is None or match(value)):
                    return value
        return None

    def records(self, topic: str, partition: int = 0) -> list[Stored]:
        """What the log holds, for a test to look at."""
        return list(self._logs[topic, partition])

    # Faults

    def pause(self) -> None:
        """Polls find nothing until `resume`, as when a broker stops in mid-work."""
        self._paused = True

    def resume(self) -> None:
        """End of `pause`."""
        self._paused = False
        self.wake()

    def fail_next_send(self, error: Exception, after: int = 0) -> None:
        """The next send writes its first ``after`` records and then raises."""
        self._failure = (after, error)

    def duplicate_next_send(self) -> None:
        """The next send writes everything twice, as two owners or a repeated command do."""
        self._duplicate = True

    def rebalance(self, group: str) -> None:
        """Revoke and assign all partitions of a group, as a joining or leaving stranger does."""
        self._groups[group].assign(self.partitions)
        self.wake()

    def expire(self, group: str, instance: str) -> None:
        """The session of a dead member ends; its partitions move to the others."""
        self._groups[group].members.pop(instance, None)
        self.rebalance(group)

    def truncate(self, topic: str, partition: int, before: int) -> None:
        """Retention removes what lies before an offset."""
        log = self._logs[topic, partition]
        self._logs[topic, partition] = [stored for stored in log if stored.offset >= before]
        self._first[topic, partition] = before

    # What the clients do

    def write(self, records: Sequence[Out]) -> list[int]:
        """Append; the offsets."""
        limit, error = self._failure or (len(records), None)
        self._failure = None
        offsets = [self._append(record) for record in records[:limit]]
        if self._duplicate:
            self._duplicate = False
            for record in records[:limit]:
                self._append(record)
        self.wake()
        if error:
            raise error
        return offsets

    def _append(self, record: Out) -> int:
        if not 0 <= record.partition < self.partitions.get(record.topic, 0):
            raise KafkaFailed("Kafka refused", f"unknown partition {record.topic}/{record.partition}")
        key = record.topic, record.partition
        log = self._logs[key]
        offset = log[-1].offset + 1 if log else self._first[key]
        log.append(Stored(offset, record.key, record.value, record.headers, self._now_ms()))
        return offset

    def take(self, positions: dict[Partition, int]) -> list[Records]:
        """What lies at the positions, which move on."""
        taken = []
        for key in sorted(positions) if not self._paused else ():
            positions[key] = max(positions[key], self._first[key])
            rows = [stored for stored in self._logs[key] if stored.offset >= positions[key]][: self.records_max]
            if rows:
                positions[key] = rows[-1].offset + 1
                taken.append(as_records(key, rows))
        return taken

    def end(self, key: Partition) -> int:
        """The offset after a partition's last record."""
        log = self._logs[key]
        return log[-1].offset + 1 if log else self._first[key]

    def first(self, key: Partition) -> int:
        """The offset of a partition's first record."""
        return self._first[key]

    def commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Keep a group's offsets."""
        self._committed.update({(group, key): offset for key, offset in offsets.items()})

    def committed(self, group: str, key: Partition) -> int | None:
        """A group's offset."""
        return self._committed.get((group, key))

    def join(self, group: str, member: MemoryGroupConsumer) -> None:
        """A member comes; a known name takes its place without a rebalance."""
        members = self._groups[group].members
        known = member.instance in members
        members[member.instance] = member
        if known:
            member.assign_now(self._groups[group].owned[member.instance])
        else:
            self.rebalance(group)

    def wake(self) -> None:
        """Let those who wait in a poll look again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Until something changes or the time is over."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await asyncio.wait({waiter}, timeout=seconds)


class _Group:
    def __init__(self) -> None:
        self.members: dict[str, MemoryGroupConsumer] = {}
        self.owned: dict[str, tuple[Partition, ...]] = {}

    def assign(self, partitions: Mapping[str, int]) -> None:
        names = sorted(self.members)
        owned: defaultdict[str, list[Partition]] = defaultdict(list)
        topics = sorted({topic for member in self.members.values() for topic in member.topics})
        for topic in topics:
            for partition in range(partitions[topic]):
                owned[names[partition % len(names)]].append((topic, partition))
        for member in self.members.values():
            member.revoke_now()
        self.owned = {name: tuple(owned[name]) for name in names}
        for name, member in self.members.items():
            member.assign_now(self.owned[name])


class MemoryProducer(Producer):
    """Writes to a `MemoryKafka`."""

    def __init__(self, kafka: MemoryKafka, client_id: str) -> None:
        self._kafka = kafka
        self._client_id = client_id

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def send(self, records: Sequence[Out]) -> list[int]:
        """As `runtime.kafka.Producer.send`."""
        await asyncio.sleep(0)
        return self._kafka.write(records) if records else []


class MemoryGroupConsumer(GroupConsumer):
    """A static member of a group in a `MemoryKafka`. Leaving the block keeps the membership, as a crash does."""

    def __init__(self, kafka: MemoryKafka, topics: Sequence[str], group: str, instance: str) -> None:
        self._kafka = kafka
        self.topics = tuple(topics)
        self.group = group
        self.instance = instance
        self._positions: dict[Partition, int] = {}
        self._events: deque[Assigned | Revoked] = deque()
        self._fenced = False

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0)
        self._kafka.join(self.group, self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._fenced = True

    @property
    def assigned(self) -> frozenset[Partition]:
        """As `runtime.kafka.GroupConsumer.assigned`."""
        return frozenset(self._positions)

    def assign_now(self, partitions: tuple[Partition, ...]) -> None:
        """The coordinator's word."""
        self._positions = {key: self._kafka.committed(self.group, key) or 0 for key in partitions}
        self._events.append(Assigned(partitions))

    def revoke_now(self) -> None:
        """The coordinator's word."""
        if self._positions:
            self._events.append(Revoked(tuple(sorted(self._positions))))
        self._positions = {}

    async def poll(self, timeout: float) -> list[Event]:  # noqa: ASYNC109
        """As `runtime.kafka.GroupConsumer.poll`."""
        await asyncio.sleep(0)
        if self._fenced:
            raise KafkaFailed("Kafka refused", f"poll of group {self.group}: the consumer is closed")
        if found := self._now():
            return found
        await self._kafka.wait(timeout)
        return self._now()

    def _now(self) -> list[Event]:
        if self._events:
            events: list[Event] = list(self._events)
            self._events.clear()
            return events
        return list(self._kafka.take(self._positions))

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """As `runtime.kafka.GroupConsumer.seek`."""
        if (topic, partition) in self._positions:
            self._positions[topic, partition] = offset

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """As `runtime.kafka.GroupConsumer.commit`."""
        await asyncio.sleep(0)
        self._kafka.commit(self.group, {key: at for key, at in offsets.items() if key in self._positions})

    async def committed(self, topic: str, partition: int) -> int | None:
        """As `runtime.kafka.GroupConsumer.committed`."""
        return self._kafka.committed(self.group, (topic, partition))

    async def end_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """As `runtime.kafka.GroupConsumer.end_offsets`."""
        return {key: self._kafka.end(key) for key in partitions}


class MemoryReader(Reader):
    """Reads explicit partitions of a `MemoryKafka`."""

    def __init__(self, kafka: MemoryKafka, assignments: Iterable[Partition]) -> None:
        self._kafka = kafka
        self.assign(assignments)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def assign(self, partitions: Iterable[Partition]) -> None:
        """As `runtime.kafka.Reader.assign`."""
        self._assignments = tuple(partitions)
        self._positions = dict.fromkeys(self._assignments, 0)

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """As `runtime.kafka.Reader.seek`."""
        self._positions[topic, partition] = offset

    async def position(self, topic: str, partition: int) -> int:
        """As `runtime.kafka.Reader.position`."""
        return self._positions[topic, partition]

    async def poll(self, timeout: float) -> list[Records]:  # noqa: ASYNC109
        """As `runtime.kafka.Reader.poll`."""
        await asyncio.sleep(0)
        if not (found := self._kafka.take(self._positions)):
            await self._kafka.wait(timeout)
            found = self._kafka.take(self._positions)
        return found

    async def end_offsets(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        """As `runtime.kafka.Reader.end_offsets`."""
        return {key: self._kafka.end(key) for key in (self._assignments if partitions is None else partitions)}

    async def beginning_offsets(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        """As `runtime.kafka.Reader.beginning_offsets`."""
        return {key: self._kafka.first(key) for key in (self._assignments if partitions is None else partitions)}

    async def offset_for_time(self, partition: Partition, ms: int) -> int | None:
        """As `runtime.kafka.Reader.offset_for_time`."""
        return next((row.offset for row in self._kafka.records(*partition) if row.timestamp_ms >= ms), None)

    async def last_timestamp(self, partition: Partition) -> int | None:
        """As `runtime.kafka.Reader.last_timestamp`."""
        rows = self._kafka.records(*partition)
        return rows[-1].timestamp_ms if rows else None

    async def backwards(self, partition: Partition) -> AsyncIterator[Records]:
        """As `runtime.kafka.Reader.backwards`."""
        if rows := self._kafka.records(*partition):
            yield as_records(partition, rows)

    async def between(self, partition: Partition, start: int, end: int) -> Records:
        """As `runtime.kafka.Reader.between`."""
        rows = [row for row in self._kafka.records(*partition) if start <= row.offset < end]
        self._positions[partition] = end
        return as_records(partition, rows)


def as_records(key: Partition, rows: Sequence[Stored]) -> Records:
    """Stored records as columns."""
    return Records(
        key[0],
        key[1],
        [row.offset for row in rows],
        [row.key for row in rows],
        [row.value for row in rows],
        [row.headers for row in rows],
        [row.timestamp_ms for row in rows],
    )
