"""Windows: which there are (`WINDOWS`) and how one result stands in the log (`WINDOW`, 96 bytes).

A window is the half-open interval (end - width, end] of event time; ends lie at whole multiples of ``step_us``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US, Metric

WINDOW = np.dtype(
    [
        ("patient", "V16"),
        ("start", "<i8"),
        ("end", "<i8"),
        ("offset", "<i8"),
        ("ordinal", "<i4"),
        ("count", "<u4"),
        ("mean", "<f8"),
        ("sd", "<f8"),
        ("min", "<f8"),
        ("max", "<f8"),
        ("slope", "<f8"),
        ("coverage", "<f4"),
        ("metric", "u1"),
        ("window", "u1"),
        ("arrow", "i1"),
        ("flags", "u1"),
    ]
)
"""One window's result. Values in the metric's canonical unit, slope per minute (NaN: unknown), ``sd`` of the
population, coverage = filled panes over those that the interval allows (0 to 1); version = (offset, ordinal)."""
assert WINDOW.itemsize == 96

ARROW_UNKNOWN = -128
"""``arrow`` where the slope is unknown; else -3 (falling fastest) to 3 (rising fastest), 0 is flat."""


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """One kind of window; it closes at the tick that passes ``end + close_after_us``."""

    code: int
    name: str
    metric: Metric
    width_us: int
    step_us: int
    close_after_us: int


WINDOWS = (
    WindowSpec(1, "heart_rate 1 min", HEART_RATE, MINUTE_US, 10 * SECOND_US, 2 * SECOND_US),
    WindowSpec(2, "glucose 15 min", GLUCOSE, 15 * MINUTE_US, 5 * MINUTE_US, 2 * SECOND_US),
)
WINDOW_BY_CODE = {spec.code: spec for spec in WINDOWS}

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
