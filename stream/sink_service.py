"""The sink's loop: take what the log has, store it with its positions, go on. Where it goes on, the database says.

While the database is away the sink stays in its group and reads nothing; afterwards it seeks to the database's
positions, so nothing is lost and nothing is stored twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from runtime.clock import Clock, SystemClock
from runtime.database import DatabaseUnavailable, connect
from runtime.database_errors import may_pass
from runtime.database_log import log_name
from runtime.kafka import Assigned, GroupConsumer, Out, Producer, Records, Revoked, cluster_id
from runtime.observe import HealthServer, Metrics, Readiness
from stream.sink import Broken, Refusal
from stream.sink_settings import SinkSettings
from stream.sink_windows import KeptWindows
from stream.sink_work import SOURCES, Partition, Work, Works
from stream.store import Store
from vitals.errors import StateError
from vitals.topics import BINDINGS, READINGS, REJECTED, partition_of

log = logging.getLogger("vigil.sink")

RETRY_SECONDS_FIRST = 0.5
LAG_SECONDS = 5.0
"""Pause between two looks at how far behind the log the database is."""
HANGS_SECONDS = 10.0
"""A transaction that takes longer hangs: nothing is stored, and whoever looks must see it."""
RECOMPUTED_AT_ONCE = 4
"""So many transactions for dirty marks between two polls of the log."""
SMALL_RECORDS = 1000
"""A poll with fewer records than this has caught up, and may linger."""


class Sink:
    """Stores what its consumer's partitions hold, until it is cancelled or fails."""

    def __init__(
        self,
        settings: SinkSettings,
        consumer: GroupConsumer,
        producer: Producer,
        *,
        cluster: str,
        clock: Clock,
        readiness: Readiness,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._producer = producer
        self._log = log_name(cluster, settings.namespace)
        self._clock = clock
        self._readiness = readiness
        self._rows = metrics.counter("sink_rows", "What became of rows and records", ["outcome"])
        self._lag = metrics.gauge("sink_lag_records", "Records of the log that the database does not have yet")
        self._marks = metrics.gauge("sink_dirty_marks", "Dirty marks whose windows are not computed again yet")
        self._recomputed = metrics.counter("sink_recomputed_windows", "Windows computed again from stored readings")
        self._marked = self._at_work = False
        """Whether there may be dirty marks, and whether one is being worked off."""
        self._looked_at = -LAG_SECONDS
        self._stored: dict[Partition, int] = {}
        self._positions: dict[Partition, int] = {}
        self._clocks: dict[int, int] = {}
        """The newest tick of each partition of readings that has been read (µs UTC)."""
        self._failures = 0
        self._connected = False
        self._began: float | None = None
        """When the open transaction began (monotonic seconds)."""

    async def run(self) -> None:
        """Connect, store, and connect again whenever the database comes back; for ever.

        Raises:
            DatabaseUnavailable: the first connection was refused for a reason that waiting does not mend.
            StateError: the schema is missing, or the database knows more of the log than the log has.
        """
        while True:
            try:
                seconds_max = self._settings.sink_transaction_seconds_max
                kept = KeptWindows(self._settings.sink_windows_all)
                url = self._settings.database_url
                async with Store.open(url, self._log, seconds_max=seconds_max, kept=kept) as store:
                    self._connected = True
                    self._readiness.set("database", True)
                    await self._store_all(store)
            except DatabaseUnavailable as error:
                if not self._connected and not may_pass(error):
                    raise
                self._readiness.set("database", False, str(error))
                log.warning("%s; nothing is lost, trying again", error)
                await self._wait()

    async def watch(self) -> None:
        """Say so while a transaction hangs; for ever."""
        while True:
            took = 0.0 if self._began is None else self._clock.monotonic() - self._began
            if took > HANGS_SECONDS:
                self._readiness.set("database", False, f"a transaction has taken {took:.0f} s")
            await self._clock.sleep(1.0)

    async def _store_all(self, store: Store) -> None:
        await self._seek(store, self._consumer.assigned)
        self._marked = True
        while True:
            polls: list[Records] = []
            for event in await self._consumer.poll(0.0 if self._at_work else 1.0):
                match event:
                    case Assigned(partitions):
                        await self._seek(store, partitions)
                    case Revoked(partitions):
                        self._forget(partitions)
                    case Records():
                        polls.append(event)
            self._readiness.set("kafka", True)
            await self._look()
            for records in polls:
                self._notice_gap(records)
            works = Works(polls, self._positions, self._settings.sink_transaction_bytes_max, self._clocks)
            for work in works:
                if not await self._store(store, work, works.look_ahead):
                    break
            await self._recompute(store)
            if not self._at_work and sum(len(records.offsets) for records in polls) < SMALL_RECORDS:
                await self._clock.sleep(self._settings.sink_linger_seconds)

    async def _recompute(self, store: Store) -> None:
        """Work off dirty marks for a moment; the log goes first, and is not kept waiting."""
        for _ in range(RECOMPUTED_AT_ONCE if self._marked else 0):
            self._began = self._clock.monotonic()
            try:
                done = await store.recompute()
            finally:
                self._began = None
            self._marked, self._at_work = done.left > 0, done.windows is not None and done.left > 0
            self._marks.set(done.left)
            self._recomputed.inc(done.windows or 0)
            if not self._at_work:
                return

    async def _store(self, store: Store, work: Work, meanwhile: Callable[[], None]) -> bool:
        self._began = self._clock.monotonic()
        try:
            tallies = await store.write(work, self._publish, meanwhile)
        finally:
            self._began = None
        self._readiness.set("database", True)
        if tallies is None:
            log.warning("another sink has stored these records; going on where the database is")
            await self._seek(store, self._consumer.assigned)
            return False
        self._failures = 0
        self._marked |= bool(work.marks)
        moved = {(move.topic, move.partition): move.next for move in work.moves}
        self._positions.update(moved)
        self._stored.update(moved)
        for tally in tallies.values():
            for outcome, count in tally._asdict().items():
                self._rows.labels(outcome).inc(count)
        _name_broken(work.broken)
        return True

    async def _seek(self, store: Store, partitions: Iterable[Partition]) -> None:
        wanted = list(partitions)
        positions = await store.positions(wanted)
        ends = await self._consumer.end_offsets(wanted) if wanted else {}
        for (topic, partition), position in positions.items():
            if position > ends[topic, partition]:
                where = f"{topic}/{partition} is stored to {position}, the log ends at {ends[topic, partition]}"
                raise StateError("the database is ahead of the log", where, "restore the log, or use another database")
            if (topic, partition) in self._consumer.assigned:
                self._consumer.seek(topic, partition, position)
                self._positions[topic, partition] = self._stored[topic, partition] = position
                if topic == READINGS:  # what is read again must not be dated by ticks that came behind it
                    self._clocks.pop(partition, None)

    def _forget(self, partitions: Iterable[Partition]) -> None:
        for key in partitions:
            self._positions.pop(key, None)
            self._stored.pop(key, None)

    async def _look(self) -> None:
        """Show how far behind the database is, also while it is away."""
        now = self._clock.monotonic()
        if now - self._looked_at >= LAG_SECONDS:
            self._looked_at = now
            ends = await self._consumer.end_offsets(self._stored) if self._stored else {}
            self._lag.set(sum(max(0, ends[key] - position) for key, position in self._stored.items()))

    async def _publish(self, refusals: list[Refusal]) -> None:
        count = self._settings.partitions
        await self._producer.send(
            [Out(REJECTED, partition_of(each.key, count), each.key, each.value, each.headers) for each in refusals]
        )

    def _notice_gap(self, records: Records) -> None:
        expected = self._positions[records.topic, records.partition]
        if records.offsets[0] > expected and records.topic != BINDINGS:
            where = f"{records.topic}/{records.partition}"
            log.error("%s: records %d to %d are gone from the log", where, expected, records.offsets[0] - 1)

    async def _wait(self) -> None:
        """Pause before the next try, longer each time; keep the membership, and give records back unread."""
        self._positions.clear()
        pause = min(RETRY_SECONDS_FIRST * 2**self._failures, self._settings.sink_retry_seconds_max)
        self._failures = min(self._failures + 1, 16)
        for event in await self._consumer.poll(0):
            if isinstance(event, Records):
                self._consumer.seek(event.topic, event.partition, event.offsets[0])
        self._readiness.set("kafka", True)
        await self._look()
        await self._clock.sleep(pause)


def _name_broken(broken: Iterable[Broken]) -> None:
    for each in broken:
        log.error("%s/%d/%d is skipped: %s", each.topic, each.partition, each.offset, each.why)


async def _refuse_a_wrong_address(settings: SinkSettings) -> None:
    """Look at the database before joining the group, so that a typing error is one line at once."""
    try:
        async with await connect(settings.database_url, application="vigil sink"):
            pass
    except DatabaseUnavailable as error:
        if not may_pass(error):
            raise


async def main(settings: SinkSettings) -> None:
    """Run the sink until cancelled.

    Raises:
        DatabaseUnavailable: wrong password, unknown database; a stopped one is waited for.
    """
    await _refuse_a_wrong_address(settings)
    readiness, metrics = Readiness("kafka", "database"), Metrics()
    cluster = await cluster_id(settings)
    async with (
        HealthServer(settings.health_port or None, readiness, metrics, settings.health_host),
        Producer(settings, f"sink-{settings.instance}") as producer,
        GroupConsumer(settings, SOURCES, "sink", settings.instance) as consumer,
    ):
        sink = Sink(
            settings,
            consumer,
            producer,
            cluster=cluster,
            clock=SystemClock(),
            readiness=readiness,
            metrics=metrics,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sink.run(), name="sink")
            tasks.create_task(sink.watch(), name="sink's watch")
