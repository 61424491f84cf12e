"""Whether a window holds enough readings, and a fresh one (RULES, *Heart rate*): asked of one metric's cells, many
series at once. Cells are what `stream.panes.Ring.cells` gives: 0 where empty, negative where the reading came late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vitals.windows import FILLED_MIN_TENTHS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream.series import Bools, Ints

    Cells = NDArray[np.int32]


def filled(cells: Cells, pane: int, intervals: Ints) -> Bools:
    """Whether enough of the whole slots of width i, counted back from the end, hold a reading; shape (n,).

    ``intervals`` (µs) has shape (n,); one below the ``pane`` (µs) counts as one pane.
    """
    full = cells != 0
    intervals = np.maximum(intervals, pane)
    least = int(intervals.min())
    if least == int(intervals.max()):  # as nearly everywhere; it costs less to see than `numpy.unique`
        return _filled(full, pane, least)
    enough = np.zeros(len(cells), np.bool_)
    for interval in np.unique(intervals).tolist():
        rows = intervals == interval
        enough[rows] = _filled(full[rows], pane, interval)
    return enough


def _filled(full: Bools, pane: int, interval: int) -> Bools:
    """The same of series of one interval, by which panes (n, panes) hold a reading."""
    count = full.shape[1] * pane // interval
    if interval > pane:
        ends = -(-np.arange(count + 1) * interval // pane)
        full = np.logical_or.reduceat(full[:, ::-1][:, : ends[-1]], ends[:-1], axis=1)
    return np.asarray(full.sum(axis=1) * 10 >= count * FILLED_MIN_TENTHS)


def fresh(cells: Cells, pane: int, at: int, spans: Ints, waits_from: Ints) -> Bools:
    """Whether a reading that came in time lies in (at - span, at], from the device worn now; shape (n,).

    ``spans`` and ``waits_from`` (µs), shape (n,): how near it must lie, and since when the device counts.
    """
    count = min(cells.shape[1], -(-int(spans.max()) // pane))
    ends = at - pane * np.arange(count - 1, -1, -1)
    earliest = np.maximum(at - spans + 1, waits_from)
    near = cells[:, -count:] > 0
    if ends[0] < int(earliest.max()):
        near &= ends >= earliest[:, None]
    return np.asarray(near.any(axis=1))
