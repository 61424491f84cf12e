"""What new readings add to the stored roll-ups; pure. One row for each patient, metric, width and stretch touched.

Joining is exact in any order (``vitals/rollups.py``), and a reading is new once: so adding in the transaction that
stores the reading keeps the roll-ups equal to the readings, late ones included.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from vitals import readings, rollups
from vitals.metrics import SECOND_US
from vitals.readings import Flag, Rows
from vitals.units import canonical


def added(rows: Rows) -> list[list[Any]]:
    """What new ``rows`` (n,) add, as columns of one length: patient, metric, width (s), bucket (µs), least, greatest
    and last value (canonical), first and last event time (µs, None where no reading is valid), count, marks.

    Few and small, as the live ward makes them, they travel as parameters: a temporary table would cost its making
    anew in every transaction. Readings of control solution are nobody's, and in no chart.
    """
    rows = rows[(rows["flags"] & Flag.CONTROL_SOLUTION) == 0]
    e = readings.event_time(rows)
    parts = rollups.of_readings(e, canonical(rows["value"], rows["unit"]), rows["flags"])
    halves = np.ascontiguousarray(rows["patient"]).view(">u8").reshape(-1, 2).astype(np.uint64)
    columns: list[list[Any]] = [[] for _ in range(11)]
    for width in rollups.WIDTHS_S:
        bucket = e // (width * SECOND_US) * (width * SECOND_US)
        chosen, joined = rollups.join(parts, halves[:, 0], halves[:, 1], rows["metric"], bucket)
        values: list[list[Any]] = [
            [UUID(bytes=patient.tobytes()) for patient in rows["patient"][chosen]],
            rows["metric"][chosen].tolist(),
            [width] * len(chosen),
            bucket[chosen].tolist(),
            joined.low.tolist(),
            joined.high.tolist(),
            joined.last.tolist(),
            _known(joined.first_at, joined.readings),
            _known(joined.last_at, joined.readings),
            joined.readings.tolist(),
            joined.marks.tolist(),
        ]
        for column, found in zip(columns, values, strict=True):
            column += found
    return columns


def _known(times_us: NDArray[np.int64], count: NDArray[np.int64]) -> list[int | None]:
    return [at if some else None for at, some in zip(times_us.tolist(), count.tolist(), strict=True)]
