"""Rate of change over a window of panes, and the arrow that a vendor's scheme gives it.

Least squares over the filled panes, from exact integers: with t the pane's number in the window, x thousandths,
slope = (n Σtx - Σt Σx) * panes per minute / (1000 * (n Σt² - (Σt)²)), one division, per minute.
Known only with at least 3 points, enough span, and no gap above 2.2 intervals (DOMAIN, *Rate and arrow*).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.windows import ARROW_UNKNOWN

if TYPE_CHECKING:
    from stream.series import Bools, Floats, Ints

POINTS_MIN = 3
SPAN_MIN_US = {GLUCOSE.code: 10 * MINUTE_US, HEART_RATE.code: 20 * SECOND_US}
"""Least distance of the first and last point by metric."""
ARROW_STEPS = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.5], [1.0, 2.0, np.inf]])
"""mg/dL/min by scheme (dexcom, xdrip, libre): flat below the first; the third arrow is above the last."""


def slopes(filled: Bools, millis: Ints, pane_us: int, intervals: Ints, span_min_us: int) -> Floats:
    """Slopes in canonical units per minute, NaN where unknown; shape (n,).

    ``filled`` and ``millis`` (thousandths, 0 where empty) have shape (n, panes), ``intervals`` (n,) in µs.
    """
    panes = np.arange(filled.shape[1])
    mask = filled.astype(np.int64)
    n, t, tt = mask.sum(1), mask @ panes, mask @ (panes * panes)
    x, tx = millis.sum(1), millis @ panes
    below = (n * tt - t * t) * 1000
    above = (n * tx - t * x) * (MINUTE_US // pane_us)
    known = (n >= POINTS_MIN) & steady(filled, pane_us, intervals, span_min_us)
    result = np.full(len(n), np.nan)
    result[known] = above[known] / below[known]
    return result


def steady(filled: Bools, pane_us: int, intervals: Ints, span_min_us: int) -> Bools:
    """Whether the points of each window span enough and leave no gap above 2.2 intervals; shape (n,)."""
    width = filled.shape[1]
    first, last = filled.argmax(axis=1), width - 1 - filled[:, ::-1].argmax(axis=1)
    whole = filled.sum(axis=1) == last - first + 1
    if whole.all():  # no gap in any: a step of one pane is none
        return np.asarray((last - first) * pane_us >= span_min_us)
    panes = np.arange(width)
    newest = np.maximum.accumulate(np.where(filled, panes, -1), axis=1)
    step = np.where(filled[:, 1:] & (newest[:, :-1] >= 0), panes[1:] - newest[:, :-1], 0)
    widest = step.max(axis=1) * pane_us
    span = step.sum(axis=1) * pane_us
    return np.asarray((span >= span_min_us) & (widest * 10 <= np.maximum(intervals, pane_us) * 22))


def arrows(slopes_per_minute: Floats, schemes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Arrows -3 to 3 by the device type's scheme, `ARROW_UNKNOWN` without a slope; shape (n,)."""
    rate = np.abs(slopes_per_minute)
    steps = ARROW_STEPS[schemes]
    with np.errstate(invalid="ignore"):
        size = np.sum([rate >= steps[:, 0], rate >= steps[:, 1], rate > steps[:, 2]], axis=0)
    known = ~np.isnan(slopes_per_minute)
    return np.where(known, np.copysign(size, slopes_per_minute), ARROW_UNKNOWN).astype(np.int8)
