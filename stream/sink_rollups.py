"""What new readings add to the stored roll-ups; pure. One row for each patient, metric, width and stretch touched.

Joining is exact in any order (``vitals/rollups.py``), and a reading is new once: so adding in the transaction that
stores the reading keeps the roll-ups equal to the readings, late ones included.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream import copying
from stream.copying import Array
from vitals import readings, rollups
from vitals.metrics import SECOND_US
from vitals.readings import Flag, Rows
from vitals.units import canonical

COLUMNS = (
    *("uuid", "smallint", "smallint", "timestamp", "double", "double", "double", "timestamp", "timestamp"),
    *("integer", "smallint"),
)
"""Types of what `added` returns, by name of `copying.OIDS`."""


def added(rows: Rows) -> list[Array]:
    """What new ``rows`` (n,) add, as columns of one length: patient, metric, width (s), bucket, least, greatest and
    last value (canonical), first and last event time (infinity and -infinity where no reading is valid), count, marks.
    No columns where nothing is added.

    Few and small, as the live ward makes them, they travel as parameters: a temporary table would cost its making
    anew in every transaction. Readings of control solution are nobody's, and in no chart.
    """
    rows = rows[(rows["flags"] & Flag.CONTROL_SOLUTION) == 0]
    if not len(rows):
        return []
    e = readings.event_time(rows)
    parts = rollups.of_readings(e, canonical(rows["value"], rows["unit"]), rows["flags"])
    halves = np.ascontiguousarray(rows["patient"]).view(">u8").reshape(-1, 2).astype(np.uint64)
    tables = []
    for width in rollups.WIDTHS_S:
        bucket = e // (width * SECOND_US) * (width * SECOND_US)
        chosen, joined = rollups.join(parts, halves[:, 0], halves[:, 1], rows["metric"], bucket)
        tables.append(
            (
                rows["patient"][chosen],
                rows["metric"][chosen],
                np.full(len(chosen), width),
                copying.timestamp(bucket[chosen]),
                joined.low,
                joined.high,
                joined.last,
                _timestamp(joined.first_at),
                _timestamp(joined.last_at),
                joined.readings,
                joined.marks,
            )
        )
    columns = [np.concatenate(each) for each in zip(*tables, strict=True)]
    return [copying.array(name, column) for name, column in zip(COLUMNS, columns, strict=True)]


def _timestamp(times_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """As `copying.timestamp`; no time at all is the extreme of 64 bits, as PostgreSQL's infinities are."""
    none = (times_us == rollups.NEVER_FIRST) | (times_us == rollups.NEVER_LAST)
    return np.where(none, times_us, copying.timestamp(times_us))
