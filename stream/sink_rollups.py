"""What new readings add to the stored roll-ups; pure. One row for each patient, metric, width and stretch touched.

Joining is exact in any order (``vitals/rollups.py``), and a reading is new once: so adding in the transaction that
stores the reading keeps the roll-ups equal to the readings, late ones included.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream import copying
from vitals import readings, rollups
from vitals.metrics import SECOND_US
from vitals.readings import Flag, Rows
from vitals.units import canonical

ROLLUP_COLUMNS: copying.Columns = (
    ("patient", copying.UUID),
    ("metric", copying.SMALLINT),
    ("width", copying.SMALLINT),
    ("bucket", copying.TIMESTAMP),
    ("min", copying.DOUBLE),
    ("max", copying.DOUBLE),
    ("last", copying.DOUBLE),
    ("first_at", copying.TIMESTAMP),
    ("last_at", copying.TIMESTAMP),
    ("n", copying.INTEGER),
    ("marks", copying.SMALLINT),
)


def rollups_copy(rows: Rows) -> bytes | None:
    """The COPY of what new ``rows`` (n,) add, into `ROLLUP_COLUMNS`; None where they add nothing.

    Readings of control solution are nobody's, and in no chart.
    """
    rows = rows[(rows["flags"] & Flag.CONTROL_SOLUTION) == 0]
    if not len(rows):
        return None
    e = readings.event_time(rows)
    parts = rollups.of_readings(e, canonical(rows["value"], rows["unit"]), rows["flags"])
    halves = np.ascontiguousarray(rows["patient"]).view(">u8").reshape(-1, 2).astype(np.uint64)
    columns: dict[str, list[NDArray[np.generic]]] = {name: [] for name, _ in ROLLUP_COLUMNS}
    for width in rollups.WIDTHS_S:
        bucket = e // (width * SECOND_US) * (width * SECOND_US)
        chosen, joined = rollups.join(parts, halves[:, 0], halves[:, 1], rows["metric"], bucket)
        values = {
            "patient": rows["patient"][chosen],
            "metric": rows["metric"][chosen],
            "width": np.full(len(chosen), width, np.int16),
            "bucket": copying.timestamp(bucket[chosen]),
            "min": joined.low,
            "max": joined.high,
            "last": joined.last,
            "first_at": _endless(joined.first_at),
            "last_at": _endless(joined.last_at),
            "n": joined.readings,
            "marks": joined.marks,
        }
        for name, value in values.items():
            columns[name].append(value)
    return copying.buffer(ROLLUP_COLUMNS, {name: np.concatenate(found) for name, found in columns.items()})


def _endless(times_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """PostgreSQL's form of times; never first and never last are its ``infinity`` and ``-infinity``."""
    never = (times_us == rollups.NEVER_FIRST) | (times_us == rollups.NEVER_LAST)
    return np.where(never, times_us, copying.timestamp(np.where(never, 0, times_us)))
