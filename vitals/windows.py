"""Windows: which there are (`WINDOWS`) and how one result stands in the log (`WINDOW`, 112 bytes).

A window is the half-open interval (end - width, end] of event time; ends lie at whole multiples of ``step_us``.
What can no longer be computed from the newest readings alone is named by a *dirty mark* (`DIRTY`) in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US, Metric

_VERSIONED = [("patient", "V16"), ("start", "<i8"), ("end", "<i8"), ("offset", "<i8"), ("ordinal", "<i4")]
_FIGURES = [("mean", "<f8"), ("sd", "<f8"), ("min", "<f8"), ("max", "<f8"), ("slope", "<f8")]
_LAST = [("coverage", "<f4"), ("metric", "u1"), ("window", "u1"), ("arrow", "i1"), ("flags", "u1")]

WINDOW = np.dtype(
    [*_VERSIONED, ("count", "<u2"), ("gap", "<u2"), *_FIGURES, ("median", "<f8"), ("theil_sen", "<f8"), *_LAST]
)
"""One window's result. Values in the metric's canonical unit, slopes per minute (NaN: unknown, or not of this
window), ``sd`` of the population, ``gap`` the longest stretch without a reading in s, coverage = filled panes over
those that the interval allows (0 to 1); version = (offset, ordinal)."""
assert WINDOW.itemsize == 112

DIRTY = np.dtype(
    [
        *_VERSIONED,
        ("count", "<u2"),
        ("gap", "<u2"),
        ("interval", "<i8"),
        ("below", "<f8"),
        ("above", "<f8"),
        ("spare", "V32"),
        *_LAST,
    ]
)
"""A mark in the place of a `WINDOW`: the windows of this kind whose ends lie from ``start`` to ``end`` are to be
computed again from stored readings, at the mark's version. ``interval`` (µs), ``below`` and ``above`` (what censored
readings count as) and the arrow's scheme (in ``arrow``) are of the device worn; ``flags`` is `IS_DIRTY`, the rest 0."""
assert DIRTY.itemsize == WINDOW.itemsize

ROWS_MAX = 256
"""So many rows stand in a record at most; 28 KiB of them."""

IS_DIRTY = 1
"""The bit of ``flags`` that tells a dirty mark from a result."""

WINDOW_1 = np.dtype([*_VERSIONED, ("count", "<u4"), *_FIGURES, *_LAST])
"""The layout before: 96 bytes, at most two of them in a record."""
assert WINDOW_1.itemsize == 96

ARROW_UNKNOWN = -128
"""``arrow`` where the slope is unknown; else -3 (falling fastest) to 3 (rising fastest), 0 is flat."""


FIVE_US = 5 * MINUTE_US
BEFORE_US = 15 * MINUTE_US
"""So far before its start a window of glucose looks for the reading from which the line into it comes."""


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """One kind of window; it closes at the tick that passes ``end + close_after_us``.

    The mean is of the line through the readings where it looks ``before_us`` back from its start for the first of
    them, else of the panes that hold a reading. ``median``, ``theil_sen``: whether it carries them. ``trend``: whether
    the metric's rate and arrow on screens are this window's. The database *keeps* those whose ends are whole multiples
    of ``kept_step_us``; of 0 it keeps none.
    """

    code: int
    name: str
    metric: Metric
    width_us: int
    step_us: int
    kept_step_us: int
    close_after_us: int = 2 * SECOND_US
    before_us: int = 0
    median: bool = False
    theil_sen: bool = False
    trend: bool = False

    @property
    def reach_us(self) -> int:
        """How far back from its end a window looks; a whole number of steps."""
        return self.width_us + self.before_us


WINDOWS = (
    WindowSpec(1, "heart_rate 1 min", HEART_RATE, MINUTE_US, 10 * SECOND_US, MINUTE_US, trend=True),
    WindowSpec(
        2, "glucose 15 min", GLUCOSE, 15 * MINUTE_US, FIVE_US, FIVE_US, before_us=BEFORE_US, theil_sen=True, trend=True
    ),
    WindowSpec(3, "heart_rate 10 s", HEART_RATE, 10 * SECOND_US, 10 * SECOND_US, 0),
    WindowSpec(4, "heart_rate 5 min", HEART_RATE, 5 * MINUTE_US, MINUTE_US, MINUTE_US),
    WindowSpec(5, "heart_rate 10 min", HEART_RATE, 10 * MINUTE_US, MINUTE_US, MINUTE_US, median=True),
    WindowSpec(6, "glucose 5 min", GLUCOSE, 5 * MINUTE_US, FIVE_US, FIVE_US, before_us=BEFORE_US),
    WindowSpec(7, "glucose 1 h", GLUCOSE, 60 * MINUTE_US, FIVE_US, FIVE_US, before_us=BEFORE_US),
)
"""By code, which is the order in which those of one instant stand in a record."""
assert all(spec.reach_us % spec.step_us == spec.kept_step_us % spec.step_us == 0 for spec in WINDOWS)
WINDOW_BY_CODE = {spec.code: spec for spec in WINDOWS}


def decode(values: Sequence[bytes | None]) -> tuple[NDArray[np.void], list[int]]:
    """The `WINDOW` rows in records of ``vitals.windows``, dirty marks among them, and how many each record holds.

    Records of the layout before are read too. None are in a record that is not whole rows.
    """
    size = WINDOW.itemsize
    counts = [len(value or b"") // size if len(value or b"") % size == 0 else 0 for value in values]
    if all(counts):
        return np.frombuffer(b"".join(value for value in values if value), WINDOW), counts
    tables = [_rows_of(value or b"", count) for value, count in zip(values, counts, strict=True)]
    return np.concatenate(tables), [len(table) for table in tables]


def _rows_of(data: bytes, count: int) -> NDArray[np.void]:
    if count:
        return np.frombuffer(data, WINDOW)
    old = np.frombuffer(data if len(data) % WINDOW_1.itemsize == 0 else b"", WINDOW_1)
    rows = np.zeros(len(old), WINDOW)
    for name in WINDOW_1.names or ():
        rows[name] = old[name]
    rows["median"] = rows["theil_sen"] = np.nan
    return rows


def is_dirty(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which `WINDOW` rows are dirty marks; shape of ``rows``."""
    return np.asarray((rows["flags"] & IS_DIRTY) != 0)


EVALUATE_EVERY_US = 10 * SECOND_US
"""Window rules are evaluated at each whole multiple T of this, in event time (RULES, *Heart rate*)."""
EVALUATE_AFTER_US = 2 * SECOND_US
"""The evaluation of T is made when the site's clock has reached T + this."""
UNKNOWN_AFTER_US = 60 * SECOND_US
"""So much event time without an evaluation: an open episode turns *unknown*."""
FILLED_MIN_TENTHS = 7
"""An evaluation needs so many tenths of the window's whole slots."""
FRESH_SPAN_US = 30 * SECOND_US
"""A fresh reading must lie in (T - max(this, 1.2 i), T]."""


def fresh_span_us(interval_us: int) -> int:
    """How far back from T (µs) an evaluation's fresh reading may lie, for a nominal interval."""
    return max(FRESH_SPAN_US, interval_us * 12 // 10)
