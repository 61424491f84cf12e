"""Rate of change over a window of panes, and the arrow that a vendor's scheme gives it.

Two rates over the filled panes, both from exact integers; t is a pane's number in the window, x thousandths, and one
division comes last.

- Least squares: (n Σtx - Σt Σx) * panes per minute / (1000 * (n Σt² - (Σt)²)).
- Theil-Sen: the median of the slopes (x_j - x_i) / (j - i) of all pairs, which one wild reading does not move. Times
  the least common multiple of all distances they are whole numbers; of an even number of pairs it is the mean of the
  middle two.

Known only with at least 3 points, enough span, and no gap above 2.2 intervals (DOMAIN, *Rate and arrow*).
"""

from __future__ import annotations

from math import lcm
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.windows import ARROW_UNKNOWN

if TYPE_CHECKING:
    from stream.series import Bools, Floats, Ints

    Millis = NDArray[np.int64] | NDArray[np.int32]

POINTS_MIN = 3
SPAN_MIN_US = {GLUCOSE.code: 10 * MINUTE_US, HEART_RATE.code: 20 * SECOND_US}
"""Least distance of the first and last point by metric."""
ARROW_STEPS = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.5], [1.0, 2.0, np.inf]])
"""mg/dL/min by scheme (dexcom, xdrip, libre): flat below the first; the third arrow is above the last."""
_NO_PAIR = np.iinfo(np.int64).max


class Spread(NamedTuple):
    """How many panes of each window are filled, the first and the last of them, and the widest step between two, in
    panes; all (n,).

    Of a window without a filled pane they say nothing.
    """

    count: Ints
    first: Ints
    last: Ints
    widest: Ints


def slopes(filled: Bools, millis: Millis, pane_us: int, intervals: Ints, span_min_us: int) -> Floats:
    """Slopes by least squares in canonical units per minute, NaN where unknown; shape (n,).

    ``filled`` and ``millis`` (thousandths, 0 where empty) have shape (n, panes), ``intervals`` (n,) in µs.
    """
    return fitted(filled, millis, pane_us, known(filled, spread(filled), pane_us, intervals, span_min_us))


def known(filled: Bools, found: Spread, pane_us: int, intervals: Ints, span_min_us: int) -> Bools:
    """Whether a slope is known: enough points, and `steady`; shape (n,)."""
    return np.asarray((found.count >= POINTS_MIN) & _holds(found, pane_us, intervals, span_min_us))


def fitted(filled: Bools, millis: Millis, pane_us: int, known_at: Bools) -> Floats:
    """Slopes by least squares where they are known, else NaN; as `slopes`."""
    panes = np.arange(float(filled.shape[1]))
    mask, values = filled.astype(np.float64), millis.astype(np.float64)
    # whole numbers far below 2^53: sums of floats are exact, and cheaper than those of integers
    n, t, tt = (_whole(each) for each in (mask.sum(1), _dot(mask, panes), _dot(mask, panes * panes)))
    x, tx = _whole(values.sum(1)), _whole(_dot(values, panes))
    below = (n * tt - t * t) * 1000
    above = (n * tx - t * x) * (MINUTE_US // pane_us)
    result = np.full(len(n), np.nan)
    result[known_at] = above[known_at] / below[known_at]
    return result


def _dot(table: Floats, column: Floats) -> Floats:
    return np.asarray(np.einsum("ij,j->i", table, column))


def _whole(sums: Floats) -> Ints:
    return sums.astype(np.int64)


def theil_sen(filled: Bools, millis: Millis, pane_us: int) -> Floats:
    """Slopes by Theil and Sen in canonical units per minute, NaN with fewer than two points; shape (n,).

    ``filled`` and ``millis`` as in `slopes`. The pairs of n windows of 15 panes are n * 105 numbers: not for wide ones.
    """
    width = filled.shape[1]
    first, second = np.triu_indices(width, 1)
    scale = lcm(*range(2, width))
    pairs = (millis[:, second] - millis[:, first]).astype(np.int64) * (scale // (second - first))
    pairs[~(filled[:, first] & filled[:, second])] = _NO_PAIR
    pairs.sort(axis=1)
    points = filled.sum(axis=1)
    count = points * (points - 1) // 2
    result = np.full(len(filled), np.nan)
    some = np.flatnonzero(count)
    middle = pairs[some, (count[some] - 1) // 2] + pairs[some, count[some] // 2]
    result[some] = middle * (MINUTE_US // pane_us) / (2000 * scale)
    return result


def steady(filled: Bools, pane_us: int, intervals: Ints, span_min_us: int) -> Bools:
    """Whether the points of each window span enough and leave no gap above 2.2 intervals; shape (n,)."""
    return _holds(spread(filled), pane_us, intervals, span_min_us)


def _holds(found: Spread, pane_us: int, intervals: Ints, span_min_us: int) -> Bools:
    enough = (found.last - found.first) * pane_us >= span_min_us
    return np.asarray(enough & (found.widest * pane_us * 10 <= np.maximum(intervals, pane_us) * 22))


def spread(filled: Bools) -> Spread:
    """How the filled panes of each window lie, shape (n, panes); an empty one spans nothing."""
    count = filled.sum(axis=1)
    first = filled.argmax(axis=1)
    last = np.where(count > 0, filled.shape[1] - 1 - filled[:, ::-1].argmax(axis=1), -1)
    widest = np.where(last > first, 1, 0)
    torn = np.flatnonzero(count <= last - first)
    if torn.size:
        at = filled[torn].ravel().nonzero()[0]
        steps = at[1:] - at[:-1]  # one row after the other: from each to the next the step is none
        begins = np.cumsum(count[torn]) - count[torn]
        steps[begins[1:] - 1] = 0
        widest[torn] = np.maximum.reduceat(steps, begins)
    return Spread(count, first, last, widest)


def arrows(slopes_per_minute: Floats, schemes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Arrows -3 to 3 by the device type's scheme, `ARROW_UNKNOWN` without a slope; shape (n,)."""
    rate = np.abs(slopes_per_minute)
    steps = ARROW_STEPS[schemes]
    size = np.sum([rate >= steps[:, 0], rate >= steps[:, 1], rate > steps[:, 2]], axis=0)
    known = ~np.isnan(slopes_per_minute)
    return np.where(known, np.copysign(size, slopes_per_minute), ARROW_UNKNOWN).astype(np.int8)
