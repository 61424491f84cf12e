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
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stream.strips import Spread, Strip, Sums
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


def slopes(filled: Bools, millis: Millis, pane_us: int, intervals: Ints, span_min_us: int) -> Floats:
    """Slopes by least squares in canonical units per minute, NaN where unknown; shape (n,).

    ``filled`` and ``millis`` (thousandths, of filled panes only) have shape (n, panes), ``intervals`` (n,) in µs.
    """
    strip, firsts = _strip(np.where(filled, millis + 1, 0))
    sums = strip.sums(firsts, firsts + 1)
    return fitted(sums, pane_us, known(sums.n, spread(filled), pane_us, intervals, span_min_us))


def known(n: Ints, found: Spread, pane_us: int, intervals: Ints, span_min_us: int) -> Bools:
    """Whether a slope is known of windows with ``n`` points: enough of them, and `steady`; shape (n,)."""
    return np.asarray((n >= POINTS_MIN) & _holds(found, pane_us, intervals, span_min_us))


def fitted(sums: Sums, pane_us: int, known_at: Bools) -> Floats:
    """Slopes by least squares where they are known, else NaN; as `slopes`."""
    n, x, _, t, tt, tx = (column[known_at] for column in sums)
    result = np.full(len(known_at), np.nan)
    result[known_at] = (n * tx - t * x) * (MINUTE_US // pane_us) / ((n * tt - t * t) * 1000)
    return result


def _strip(cells: NDArray[np.generic]) -> tuple[Strip, Ints]:
    """Windows of cells (n, panes) as one strip, and the place of each in it."""
    return Strip(cells.astype(np.int32).ravel(), cells.shape[1]), np.arange(len(cells))


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
    strip, firsts = _strip(filled)
    some = np.flatnonzero(filled.any(axis=1))
    found = np.zeros((3, len(filled)), np.int64)
    found[:, some] = strip.spread(firsts[some], firsts[some] + 1)
    return Spread(*found)


def arrows(slopes_per_minute: Floats, schemes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Arrows -3 to 3 by the device type's scheme, `ARROW_UNKNOWN` without a slope; shape (n,)."""
    rate = np.abs(slopes_per_minute)
    steps = ARROW_STEPS[schemes]
    size = np.sum([rate >= steps[:, 0], rate >= steps[:, 1], rate > steps[:, 2]], axis=0)
    known = ~np.isnan(slopes_per_minute)
    return np.where(known, np.copysign(size, slopes_per_minute), ARROW_UNKNOWN).astype(np.int8)
