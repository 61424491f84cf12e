"""The SQL that writes: one connection, one transaction per poll, the log's positions in the same transaction.

The first statement moves the positions from where this process read them; where another process moved one
meanwhile, nothing is written. So every record is stored once, whatever crashes and whoever else runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any, Self
from uuid import UUID

import numpy as np
from pydantic import SecretStr

from runtime.database import AsyncConnection, connect
from runtime.database_arrays import Packed, accept_packed
from runtime.database_errors import UniqueViolation, statements
from stream import sink, sink_rollups, sink_work, store_messages, store_windows
from stream.copying import Columns
from stream.sink import Batch, Refusal
from stream.sink_windows import KeptWindows
from stream.sink_work import Move, Partition, Settled, Stored, Tally, Work
from stream.store_windows import Done

Publish = Callable[[list[Refusal]], Awaitable[None]]
"""Writes records to ``vitals.rejected`` and returns when they are durable."""

REGISTER_LOG = "INSERT INTO vigil.logs (cluster) VALUES (%s) ON CONFLICT DO NOTHING"
LOG_ID = "SELECT id FROM vigil.logs WHERE cluster = %s"
INCOMING = """
CREATE TEMPORARY TABLE incoming_readings (LIKE vigil.readings, n integer NOT NULL) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE incoming_windows (LIKE vigil.windows) ON COMMIT DELETE ROWS;
"""
KNOW_PARTITIONS = """
INSERT INTO vigil.sink_positions (cluster, topic, partition)
SELECT %s, topic, partition FROM unnest(%s::text[], %s::int[]) AS given (topic, partition)
ON CONFLICT DO NOTHING
"""
POSITIONS = "SELECT topic, partition, position FROM vigil.sink_positions WHERE cluster = %s"
SWAP = """
UPDATE vigil.sink_positions AS p SET position = m.next
FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[]) AS m (topic, partition, expected, next)
WHERE p.cluster = %s AND p.topic = m.topic AND p.partition = m.partition AND p.position = m.expected
"""
COUNT = """
UPDATE vigil.sink_positions AS p SET stored = p.stored + m.stored, duplicates = p.duplicates + m.duplicates,
    conflicts = p.conflicts + m.conflicts, broken = p.broken + m.broken
FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
    AS m (topic, partition, stored, duplicates, conflicts, broken)
WHERE p.cluster = %s AND p.topic = m.topic AND p.partition = m.partition
"""
DEVICE_NAMES = "SELECT id, name FROM vigil.devices WHERE id = ANY(%s)"


def _names(columns: Columns) -> str:
    return ", ".join(name for name, _ in columns)


COPY_READINGS = f"COPY vigil.readings ({_names(sink.READING_COLUMNS)}) FROM STDIN (FORMAT binary)"
COPY_INCOMING = f"COPY incoming_readings ({_names(sink.NUMBERED_COLUMNS)}) FROM STDIN (FORMAT binary)"
INSERT_INCOMING = f"""
INSERT INTO vigil.readings ({_names(sink.READING_COLUMNS)})
SELECT {_names(sink.READING_COLUMNS)} FROM incoming_readings ORDER BY n
ON CONFLICT DO NOTHING
"""  # noqa: S608  names of our own columns
STORED_BEFORE = """
SELECT i.n, r.value, r.unit::bigint
FROM incoming_readings AS i CROSS JOIN LATERAL (
    SELECT value, unit, log_partition, log_offset FROM vigil.readings
    WHERE device = i.device AND metric = i.metric AND observed_at = i.observed_at LIMIT 1
) AS r
WHERE (r.log_partition, r.log_offset, r.value, r.unit) <> (i.log_partition, i.log_offset, i.value, i.unit)
ORDER BY i.n
"""
MERGE_ROLLUPS = """
INSERT INTO vigil.rollups AS t (patient, metric, width, bucket, min, max, last, first_at, last_at, n, marks)
SELECT patient, metric, width, bucket, min, max, last, first_at, last_at, n, marks
FROM unnest(%s::uuid[], %s::smallint[], %s::smallint[], %s::timestamptz[], %s::float8[], %s::float8[], %s::float8[],
    %s::timestamptz[], %s::timestamptz[], %s::int[], %s::smallint[])
    AS m (patient, metric, width, bucket, min, max, last, first_at, last_at, n, marks)
ON CONFLICT (patient, metric, width, bucket) DO UPDATE SET
    min = least(t.min, excluded.min), max = greatest(t.max, excluded.max),
    last = CASE WHEN (excluded.last_at, excluded.last) > (t.last_at, t.last) THEN excluded.last ELSE t.last END,
    first_at = least(t.first_at, excluded.first_at), last_at = greatest(t.last_at, excluded.last_at),
    n = t.n + excluded.n, marks = t.marks | excluded.marks
"""


NOTHING_STORED = Stored(np.zeros(0, np.intp), np.zeros(0), np.zeros(0, np.int64))


class _Overtaken(Exception):
    """Another process has moved a position; leaves the transaction, and `Store.write` says None."""


class Store:
    """The writer's connection to the database, for the log of one Kafka cluster and namespace."""

    def __init__(
        self,
        connection: AsyncConnection,
        url: SecretStr | str,
        cluster: str,
        log: int,
        *,
        seconds_max: float,
        kept: KeptWindows,
    ) -> None:
        self._connection = connection
        self._url = url
        self._seconds_max = seconds_max
        self._cluster = cluster
        self._log = log
        self._kept = kept

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: SecretStr | str, cluster: str, *, seconds_max: float = 60.0, kept: KeptWindows | None = None
    ) -> AsyncIterator[Self]:
        """Connect and make ready to write; ``cluster`` names the log (see ``runtime/database_log.py``).

        A transaction that takes longer than ``seconds_max`` is given up. ``kept``: which windows are stored.

        Raises:
            DatabaseUnavailable: no connection.
            StateError: the schema is missing.
        """
        async with await connect(url, autocommit=True, application="vigil sink") as connection:
            accept_packed(connection)
            with statements(url, connection, seconds_max=seconds_max):
                await connection.execute(REGISTER_LOG, [cluster])
                row = await (await connection.execute(LOG_ID, [cluster])).fetchone()
                assert row is not None
                await connection.execute(INCOMING.encode())
            yield cls(connection, url, cluster, row[0], seconds_max=seconds_max, kept=kept or KeptWindows())

    async def positions(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The offset of the next record of each partition; 0 for one that was never stored."""
        wanted = sorted(partitions)
        with self._statements():
            topics, numbers = [topic for topic, _ in wanted], [number for _, number in wanted]
            await self._connection.execute(KNOW_PARTITIONS, [self._cluster, topics, numbers])
            cursor = await self._connection.execute(POSITIONS, [self._cluster])
            found = {(topic, number): position for topic, number, position in await cursor.fetchall()}
        return {key: found[key] for key in wanted}

    async def write(
        self, work: Work, publish: Publish, meanwhile: Callable[[], None] = lambda: None
    ) -> dict[Partition, Tally] | None:
        """Store ``work`` in one transaction; what each partition's counters grew by.

        None: another process stores one of the partitions, nothing was written; read the positions again.
        ``publish`` is awaited before the commit with what the database's content makes a conflict. ``meanwhile`` is
        called while the server takes readings, if there are any.

        Raises:
            DatabaseUnavailable: nothing was written, or the answer was lost: read the positions again.
        """
        try:
            with self._statements():
                async with self._connection.transaction():
                    return await self._write(work, publish, meanwhile)
        except _Overtaken:
            return None

    async def recompute(self) -> Done:
        """Work off a part of the first dirty mark that is ready, in one transaction.

        Raises:
            DatabaseUnavailable: nothing was written, or the answer was lost: it is the same to try again.
        """
        with self._statements():
            async with self._connection.transaction():
                return await store_windows.recompute(self._connection, self._cluster, self._log, self._kept)

    def _statements(self) -> AbstractContextManager[None]:
        return statements(self._url, self._connection, seconds_max=self._seconds_max)

    async def _write(self, work: Work, publish: Publish, meanwhile: Callable[[], None]) -> dict[Partition, Tally]:
        await self._swap(work.moves)
        fits = sink.storable(work.batch)
        kept, refused = sink.take(work.batch, fits), sink.take(work.batch, ~fits)
        settled = await self._store_readings(kept, meanwhile)
        await store_windows.write(self._connection, self._log, self._kept.of(work.windows))
        marks = [mark for mark in work.marks if self._kept.step_us(mark.spec)]
        await store_windows.add_marks(self._connection, self._log, marks)
        await store_messages.write_changes(self._connection, self._log, work.changes)
        await store_messages.write_set_aside(self._connection, self._log, work.set_aside)
        await store_messages.write_policies(self._connection, self._log, work.policies)
        await store_messages.write_rejected(self._connection, self._log, work.rejected)
        await store_messages.write_registered(self._connection, self._log, work.registered)
        tallies = sink_work.tallies(work, settled, refused, kept)
        await self._count(tallies)
        if len(refused.rows) or settled.conflict.any():
            names = await self._names_of(kept, settled, refused)
            await publish(sink_work.refusals(kept, settled, refused, names))
        return tallies

    async def _swap(self, moves: list[Move]) -> None:
        columns: list[Any] = [list(column) for column in zip(*moves, strict=True)]
        cursor = await self._connection.execute(SWAP, [*columns, self._cluster])
        if cursor.rowcount != len(moves):
            raise _Overtaken

    async def _count(self, tallies: Mapping[Partition, Tally]) -> None:
        rows = [(topic, number, *tally) for (topic, number), tally in tallies.items()]
        columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
        await self._connection.execute(COUNT, [*columns, self._cluster])

    async def _store_readings(self, batch: Batch, meanwhile: Callable[[], None]) -> Settled:
        """Store what is new of a batch, and join it to the roll-ups."""
        found = sink.identities(batch.rows)
        if not len(found.first):
            return sink_work.settle(batch, found, NOTHING_STORED)
        heads = sink.take(batch, found.first)
        try:
            async with (
                self._connection.transaction(),
                self._copying(COPY_READINGS, sink.readings_copy(heads, numbered=False)),
            ):
                settled = sink_work.settle(batch, found, NOTHING_STORED)
                added = sink_rollups.added(heads.rows)
                meanwhile()
        except UniqueViolation:
            settled = sink_work.settle(batch, found, await self._merge(heads))
            added = sink_rollups.added(batch.rows[settled.new])
        if added:
            await self._connection.execute(MERGE_ROLLUPS, [Packed(*each) for each in added])
        return settled

    async def _merge(self, heads: Batch) -> Stored:
        async with self._copying(COPY_INCOMING, sink.readings_copy(heads, numbered=True)):
            pass
        await self._connection.execute(INSERT_INCOMING)
        rows = await (await self._connection.execute(STORED_BEFORE)).fetchall()
        numbers, values, units = zip(*rows, strict=True) if rows else ((), (), ())
        return Stored(np.array(numbers, np.intp), np.array(values, np.float64), np.array(units, np.int64))

    @asynccontextmanager
    async def _copying(self, statement: str, pieces: Iterable[bytes]) -> AsyncIterator[None]:
        """Send a COPY; the body runs while the server still works on it, and its end waits for the server.

        Raises:
            UniqueViolation: at the end, if a row is there already.
        """
        async with self._connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for piece in pieces:
                await copy.write(piece)
            yield

    async def _names_of(self, kept: Batch, settled: Settled, refused: Batch) -> Callable[[Batch, int], str]:
        rows = np.concatenate([kept.rows["device"][settled.conflict], refused.rows["device"]])
        ids = [UUID(bytes=item) for item in {item.tobytes() for item in rows}]
        found: dict[UUID, str] = dict(await (await self._connection.execute(DEVICE_NAMES, [ids])).fetchall())

        def name_of(batch: Batch, row: int) -> str:
            device = sink.device_of(batch, row)
            return str(found.get(device, device))

        return name_of
