"""The SQL that writes windows, keeps dirty marks and computes again what they ask for.

A mark is worked off in transactions of bounded size, each of which stores windows at the mark's version and moves the
mark on: stopped anywhere, the next one goes on there, and what is computed twice is the same. It waits until the
readings that caused it are stored, whoever stores them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.database import AsyncConnection
from stream import sink, sink_windows
from stream.sink_windows import KeptWindows, Mark, Readings
from stream.store_messages import instant
from vitals.topics import READINGS

_COLUMNS = ", ".join(name for name, _ in sink.WINDOW_COLUMNS)
COPY_WINDOWS = f"COPY incoming_windows ({_COLUMNS}) FROM STDIN (FORMAT binary)"
MERGE_WINDOWS = """
INSERT INTO vigil.windows AS t (patient, metric, win, win_end, log, v_offset, v_ordinal, count, coverage, mean, sd,
    min, max, slope, arrow, median, theil_sen, gap)
SELECT patient, metric, win, win_end, log, v_offset, v_ordinal, count, NULLIF(coverage, 'NaN'), NULLIF(mean, 'NaN'),
    NULLIF(sd, 'NaN'), NULLIF(min, 'NaN'), NULLIF(max, 'NaN'), NULLIF(slope, 'NaN'), NULLIF(arrow, -128),
    NULLIF(median, 'NaN'), NULLIF(theil_sen, 'NaN'), gap
FROM incoming_windows
ON CONFLICT (patient, metric, win, win_end) DO UPDATE SET log = excluded.log, v_offset = excluded.v_offset,
    v_ordinal = excluded.v_ordinal, count = excluded.count, coverage = excluded.coverage, mean = excluded.mean,
    sd = excluded.sd, min = excluded.min, max = excluded.max, slope = excluded.slope, arrow = excluded.arrow,
    median = excluded.median, theil_sen = excluded.theil_sen, gap = excluded.gap
WHERE excluded.log <> t.log OR (excluded.v_offset, excluded.v_ordinal) > (t.v_offset, t.v_ordinal)
"""
ADD_MARKS = """
INSERT INTO vigil.dirty_windows (log, partition, v_offset, v_ordinal, patient, metric, win, first_end, last_end,
    next_end, interval_us, below, above, scheme)
SELECT %s, partition, v_offset, v_ordinal, patient, metric, win, first_end, last_end, first_end, interval_us, below,
    above, scheme
FROM unnest(%s::int[], %s::bigint[], %s::int[], %s::uuid[], %s::smallint[], %s::smallint[], %s::timestamptz[],
    %s::timestamptz[], %s::bigint[], %s::float8[], %s::float8[], %s::smallint[])
    AS m (partition, v_offset, v_ordinal, patient, metric, win, first_end, last_end, interval_us, below, above, scheme)
ON CONFLICT (log, partition, v_offset, v_ordinal, patient, win, first_end) DO NOTHING
"""
"""The key is named: a database of before, whose key knows no patient, refuses it, and takes no mark for another's."""
NEXT_MARK = """
SELECT d.partition, d.v_offset, d.v_ordinal, d.patient, d.win, (extract(epoch FROM d.first_end) * 1000000)::bigint,
    (extract(epoch FROM d.last_end) * 1000000)::bigint, d.interval_us, d.below, d.above, d.scheme,
    (extract(epoch FROM d.next_end) * 1000000)::bigint
FROM vigil.dirty_windows AS d
JOIN vigil.sink_positions AS p ON p.cluster = %s AND p.topic = %s AND p.partition = d.partition
WHERE d.log = %s AND p.position > d.v_offset
ORDER BY d.partition, d.v_offset, d.v_ordinal, d.patient, d.win, d.first_end LIMIT 1
FOR UPDATE OF d SKIP LOCKED
"""
LOOKED_AT = """
SELECT (extract(epoch FROM e) * 1000000)::bigint, value, unit::bigint, flags::bigint, device,
    (extract(epoch FROM observed_at) * 1000000)::bigint
FROM vigil.readings WHERE patient = %s AND metric = %s AND e > %s AND e <= %s
ORDER BY log_offset, e, observed_at
"""
MOVE_MARK = """
UPDATE vigil.dirty_windows SET next_end = %s
WHERE log = %s AND partition = %s AND v_offset = %s AND v_ordinal = %s AND patient = %s AND win = %s AND first_end = %s
"""
END_MARK = """
DELETE FROM vigil.dirty_windows
WHERE log = %s AND partition = %s AND v_offset = %s AND v_ordinal = %s AND patient = %s AND win = %s AND first_end = %s
"""
COUNT_MARKS = "SELECT count(*) FROM vigil.dirty_windows WHERE log = %s"


class Done(NamedTuple):
    """What one transaction computed: windows, None where no mark was ready; and how many marks are left."""

    windows: int | None
    left: int


async def write(connection: AsyncConnection, log: int, rows: NDArray[np.void]) -> None:
    """Bring windows (`WINDOW` rows, each key once) to their latest version."""
    if len(rows):
        async with connection.cursor() as cursor, cursor.copy(COPY_WINDOWS.encode()) as copy:
            await copy.write(sink.windows_copy(rows, log))
        await connection.execute(MERGE_WINDOWS.encode())


async def add_marks(connection: AsyncConnection, log: int, marks: Sequence[Mark]) -> None:
    """Keep dirty marks until they are worked off."""
    rows = [
        (each.partition, each.offset, each.ordinal, each.patient, each.spec.metric.code, each.window,
         instant(each.first), instant(each.last), each.interval, each.below, each.above, each.scheme)
        for each in marks
    ]  # fmt: skip
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(ADD_MARKS.encode(), [log, *columns])


async def recompute(connection: AsyncConnection, cluster: str, log: int, kept: KeptWindows) -> Done:
    """Compute what the first ready mark still asks for and the database keeps, at most `ENDS_MAX` windows of it; in an
    open transaction.
    """
    row = await (await connection.execute(NEXT_MARK.encode(), [cluster, READINGS, log])).fetchone()
    written = None
    if row is not None:
        mark, since = Mark(*row[:-1]), row[-1]
        ends = sink_windows.next_ends(mark, since, kept.step_us(mark.spec))
        written = await _computed(connection, log, mark, ends) if ends else 0
        key = [log, mark.partition, mark.offset, mark.ordinal, mark.patient, mark.window, instant(mark.first)]
        if ends and ends[-1] + ends.step <= mark.last:
            await connection.execute(MOVE_MARK.encode(), [instant(ends[-1] + ends.step), *key])
        else:
            await connection.execute(END_MARK.encode(), key)
    ((left,),) = await (await connection.execute(COUNT_MARKS.encode(), [log])).fetchall()
    return Done(written, left)


async def _computed(connection: AsyncConnection, log: int, mark: Mark, ends: range) -> int:
    """Store a mark's windows at these ends, one at least; how many of them hold a reading."""
    rows = sink_windows.recomputed(mark, ends, await _looked_at(connection, mark, ends))
    await write(connection, log, rows)
    return len(rows)


async def _looked_at(connection: AsyncConnection, mark: Mark, ends: range) -> Readings:
    """The readings that the windows of these ends look at, in log order; of one record by their time."""
    since, until = instant(ends[0] - mark.spec.reach_us), instant(ends[-1])
    values = [mark.patient, mark.spec.metric.code, since, until]
    rows = await (await connection.execute(LOOKED_AT.encode(), values)).fetchall()
    events, numbers, units, flags, devices, observed = zip(*rows, strict=True) if rows else ((),) * 6
    return Readings(
        np.array(events, np.int64),
        np.array(numbers, np.float64),
        np.array(units, np.int64),
        np.array(flags, np.int64),
        list(zip(devices, observed, strict=True)),
    )
