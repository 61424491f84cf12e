"""Rows of a part classified: what rules see of them, whether they decide, and what they say; functions of arrays."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.outbox import Where
from stream.rows import CENSORED_HIGH, CENSORED_LOW, Part, marked
from stream.series import Bools, Floats, Ints, Series, Slots
from stream.signal import SILENT
from stream.turns import deciding
from vitals.units import canonical

_SAYS_SILENT = np.int8(SILENT)


class Batch(NamedTuple):
    """Rows of one metric in log order, all shape (n,): event and arrival µs, canonical value, what rules see,
    censoring (0, 1 low, 2 high), usable, late, deciding, what a row says about the signal, whether the device doubts
    it, which row of the poll it is (-1: of an earlier poll); record ``p`` of the poll begins at its row ``starts[p]``.
    """

    slots: Slots
    events: Ints
    arrivals: Ints
    values: Floats
    wholes: Floats
    censored: NDArray[np.int8]
    usable: Bools
    late: Bools
    deciding: Bools
    words: NDArray[np.int8]
    doubted: Bools
    at: Slots
    starts: list[int]


def classify(part: Part, series: Series, new: Bools) -> Batch:
    """What the rows of a part are, all of series that exist and in units of the metric; those that are not ``new``
    repeat a reading of a clock that runs ahead.
    """
    rows, slots, at, starts = part
    marks = marked(rows)
    values = canonical(rows["value"], rows["unit"])
    if np.count_nonzero(marks.censored):
        low, high = marks.censored == CENSORED_LOW, marks.censored == CENSORED_HIGH
        values = np.where(low, series.below[slots], np.where(high, series.above[slots], values))
    good = marks.usable & np.isfinite(values) & new
    decides = deciding(slots, marks.events, good, marks.late, series.last_e)
    return Batch(
        slots=slots,
        events=marks.events,
        arrivals=rows["received_at"],
        values=values,
        wholes=np.floor(values + 0.5) if series.metric.whole else values,
        censored=marks.censored,
        usable=good,
        late=marks.late,
        deciding=decides,
        words=np.where(decides, _SAYS_SILENT, marks.words),
        doubted=marks.doubted,
        at=at,
        starts=starts,
    )


def where_of(batch: Batch, row: int, instant: int) -> Where:
    """The cause of what a row says: its record and its number in it."""
    at = int(batch.at[row])
    assert at >= 0, "a row that says something does not wait"
    record = bisect_right(batch.starts, at) - 1
    return Where(record, at - batch.starts[record], instant)
