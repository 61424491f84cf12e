"""Closing windows: which ends are due at a clock, and their `WINDOW` rows from the ring.

Per window the sums n, Σx, Σx² of thousandths are exact integers; each float follows once, last:
mean = Σx / (1000 n), sd = sqrt(n Σx² - (Σx)²) / (1000 n), the slope as `stream.trends` says. So any order of
summation gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream.trends import SPAN_MIN_US, arrows, slopes
from vitals.metrics import GLUCOSE
from vitals.windows import ARROW_UNKNOWN, WINDOW, WindowSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream.panes import Ring
    from stream.series import Series, Slots


def last_end(spec: WindowSpec, clock: int) -> int:
    """The newest end (µs) that a site clock has closed: the greatest with end + close_after_us <= clock."""
    return (clock - spec.close_after_us) // spec.step_us * spec.step_us


def due_ends(spec: WindowSpec, closed: int, clock: int, newest: int) -> range:
    """Ends to close at ``clock`` after ``closed``: those that data up to ``newest`` can reach (all µs).

    A jump of days costs no more than the ring is long: what lies beyond the newest reading or before the ring is
    empty or out of reach.
    """
    last = last_end(spec, clock)
    reach = spec.metric.panes * spec.metric.pane_us
    filled = (newest + spec.width_us - 1) // spec.step_us * spec.step_us
    first = max(closed, last - reach) + spec.step_us
    return range(first, min(last, filled) + 1, spec.step_us)


def close(spec: WindowSpec, end: int, slots: Slots, ring: Ring, series: Series) -> tuple[Slots, NDArray[np.void]]:
    """The slots with readings in (end - width, end] and their `WINDOW` rows, both (k,).

    Patient, offset and ordinal are left to the caller.
    """
    millis, filled = ring.window(slots, end, spec.width_us)
    some = np.flatnonzero(filled.any(axis=1))
    slots, millis, filled = slots[some], millis[some], filled[some]
    rows = np.zeros(len(slots), WINDOW)
    n, total, squares = filled.sum(1), millis.sum(1), np.einsum("ij,ij->i", millis, millis)
    interval = series.interval[slots]
    rows["start"], rows["end"] = end - spec.width_us, end
    rows["metric"], rows["window"] = spec.metric.code, spec.code
    rows["count"] = n
    rows["mean"] = total / (1000 * n)
    rows["sd"] = np.sqrt((n * squares - total * total).astype(np.float64)) / (1000 * n)
    rows["min"] = millis.min(axis=1, initial=np.iinfo(np.int64).max, where=filled) / 1000
    rows["max"] = millis.max(axis=1, initial=0) / 1000
    rows["slope"] = slopes(filled, millis, ring.pane_us, interval, SPAN_MIN_US.get(spec.metric.code, 0))
    rows["coverage"] = np.minimum(n * np.maximum(interval, ring.pane_us) / spec.width_us, 1.0)
    glucose = spec.metric.code == GLUCOSE.code
    rows["arrow"] = arrows(rows["slope"], series.scheme[slots]) if glucose else ARROW_UNKNOWN
    return slots, rows
