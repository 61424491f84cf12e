"""Reading as a member of a group: assignment, revocation and records are one stream of events.

The rebalance listener only appends to that stream, so it cannot fail, and no lock is shared with it. A poll
returns either events of the group or records, never both: whoever sees `Assigned` can seek before any record.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from runtime.kafka.reader import CONSUMER_OPTIONS, REQUEST_S, Watchdog, convert, stop_consumer
from runtime.kafka.types import Assigned, Partition, Revoked, deadline, full_name, member_name, own_name, start_client
from runtime.settings import Settings
from vitals.steps import Records

SESSION_TIMEOUT_S = 30.0
"""How long a dead member keeps its partitions from strangers; a restarted one has them back at once."""
JOIN_TIMEOUT_S = 90.0
"""The first join may have to wait for a dead stranger's session and a rebalance."""

Event: TypeAlias = Assigned | Revoked | Records


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc, unused-ignore]
    def __init__(self, consumer: GroupConsumer) -> None:
        self._consumer = consumer

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        self._consumer._on_revoked(sorted(revoked))  # noqa: SLF001

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self._consumer._on_assigned(sorted(assigned))  # noqa: SLF001


class GroupConsumer:
    """A static member ``instance`` of ``group``; offsets are committed by hand, a new group begins at the start."""

    def __init__(
        self,
        settings: Settings,
        topics: Sequence[str],
        group: str,
        instance: str,
        *,
        session_timeout_s: float = SESSION_TIMEOUT_S,
    ) -> None:
        self._settings = settings
        self._topics = tuple(topics)
        self._group = group
        self._instance = instance
        self._session_ms = int(session_timeout_s * 1000)
        self._events: deque[Assigned | Revoked] = deque()
        self._assigned: frozenset[Partition] = frozenset()
        self._changed = asyncio.Event()
        self._consumer: Any = None
        self._watchdog = Watchdog(settings)

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            client_id=member_name(self._settings, f"{self._group}-{self._instance}"),
            group_id=member_name(self._settings, self._group),
            group_instance_id=self._instance,
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=self._session_ms // 10,
            rebalance_timeout_ms=self._session_ms,
            **CONSUMER_OPTIONS,
        )
        topics = [full_name(self._settings, topic) for topic in self._topics]
        try:
            async with deadline(self._settings, JOIN_TIMEOUT_S, f"join of group {self._group}"):
                self._consumer.subscribe(topics, listener=_Listener(self))
                await start_client(self._consumer)
        except BaseException:
            await stop_consumer(self._consumer)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop_consumer(self._consumer)

    @property
    def assigned(self) -> frozenset[Partition]:
        """The partitions that are ours now, as the broker sees it (events may still be waiting in the stream)."""
        return self._assigned

    async def poll(self, timeout: float) -> list[Event]:  # noqa: ASYNC109
        """What happened next, in order: events of the group, or records, or nothing within ``timeout`` seconds.

        Raises:
            KafkaStalled: records are there, but none arrives (the watchdog), or Kafka does not answer.
            KafkaFailed: the group threw us out (another process uses our instance name).
        """
        if self._events:
            return self._take_events()
        async with deadline(self._settings, timeout + REQUEST_S, f"poll of group {self._group}"):
            fetched = await self._fetch(timeout)
        if self._events:
            # Everything fetched meanwhile belongs behind these events, so it is fetched again after them.
            self._rewind(fetched)
            return self._take_events()
        if fetched:
            self._watchdog.progress()
            return [convert(self._settings, partition, rows) for partition, rows in fetched.items()]
        await self._watchdog.check(self._consumer)
        return []

    async def _fetch(self, timeout: float) -> dict[Any, list[Any]]:  # noqa: ASYNC109
        ready: dict[Any, list[Any]] = await self._consumer.getmany(timeout_ms=0)
        if ready or self._events or timeout <= 0:
            return ready
        self._changed.clear()
        fetch = asyncio.ensure_future(self._consumer.getmany(timeout_ms=int(timeout * 1000)))
        change = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({fetch, change}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
            if not fetch.done():
                fetch.cancel()
            await asyncio.wait({fetch, change})
        return {} if fetch.cancelled() else fetch.result()

    def _rewind(self, fetched: dict[Any, list[Any]]) -> None:
        for partition, rows in fetched.items():
            if self._key(partition) in self._assigned:
                self._consumer.seek(partition, rows[0].offset)

    def _take_events(self) -> list[Event]:
        self._watchdog.progress()
        events: list[Event] = list(self._events)
        self._events.clear()
        return events

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Continue one of our partitions at ``offset``; one that was revoked meanwhile is left alone."""
        native = self._native((topic, partition))
        if self._key(native) in self._assigned:
            self._consumer.seek(native, offset)

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Store the offset of the next record to read; partitions that are no longer ours are left out.

        Raises:
            KafkaStalled: no answer within the deadline.
        """
        native = {self._native(key): offset for key, offset in offsets.items()}
        ours = {partition: offset for partition, offset in native.items() if self._key(partition) in self._assigned}
        if not ours:
            return
        async with deadline(self._settings, REQUEST_S, f"commit of group {self._group}"):
            try:
                await self._consumer.commit(ours)
            except (CommitFailedError, IllegalStateError):
                # The group is rebalancing: whoever owns the partitions next reads these records again.
                return

    async def committed(self, topic: str, partition: int) -> int | None:
        """The stored offset, or None where the group never committed."""
        async with deadline(self._settings, REQUEST_S, f"committed offset of group {self._group}"):
            offset: int | None = await self._consumer.committed(self._native((topic, partition)))
            return offset

    async def end_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The offset after the last record of each partition."""
        wanted = {partition: self._native(partition) for partition in partitions}
        async with deadline(self._settings, REQUEST_S, "end offsets"):
            found = await self._consumer.end_offsets(list(wanted.values()))
        return {partition: int(found[native]) for partition, native in wanted.items()}

    def _on_revoked(self, revoked: list[Any]) -> None:
        keys = tuple(self._key(partition) for partition in revoked)
        self._assigned -= frozenset(keys)
        if keys:
            self._events.append(Revoked(keys))
            self._changed.set()

    def _on_assigned(self, assigned: list[Any]) -> None:
        keys = tuple(self._key(partition) for partition in assigned)
        self._assigned = frozenset(keys)
        self._events.append(Assigned(keys))
        self._changed.set()

    def _native(self, partition: Partition) -> Any:
        return TopicPartition(full_name(self._settings, partition[0]), partition[1])

    def _key(self, partition: Any) -> Partition:
        return own_name(self._settings, partition.topic), partition.partition
