"""Forecasts over a person's readings: the predicted lows they would have called, and how far off they were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.scoring import Trace, refractory
from stream.forecast import FORECASTS, pasts, predicts_low
from vitals.metrics import MINUTE_US

ALARMING = tuple(name for name in FORECASTS if name != "persistence")
"""Forecasts that can call a low: persistence says of no value within the limit that it will be beyond."""
ERROR_MINUTES = 30


def predicted_lows(trace: Trace, values: NDArray[np.float64], name: str, limit: float) -> list[int]:
    """When (µs UTC) a forecast calls a value below ``limit``, at most once in 30 min; ``values`` are mg/dL, unrounded,
    shape of the trace.
    """
    logic, times = FORECASTS[name].build(), []
    for part, past in pasts(trace.at, values, trace.interval_us):
        times += trace.at[part][predicts_low(logic, past, limit)].tolist()
    return refractory(times)


def errors(trace: Trace, values: NDArray[np.float64]) -> dict[str, float]:
    """Root mean square error in mg/dL of each forecast 30 min ahead, all at the same readings: those at which every
    forecast says something, and whose future has readings on both sides without a gap between. Empty without any.
    """
    logics = {name: spec.build() for name, spec in FORECASTS.items()}
    future = _value_at(trace, values, trace.at + ERROR_MINUTES * MINUTE_US)
    squares, count = dict.fromkeys(logics, 0.0), 0
    for part, past in pasts(trace.at, values, trace.interval_us):
        found = {name: logic.ahead(past, [ERROR_MINUTES])[:, 0] - future[part] for name, logic in logics.items()}
        some = np.isfinite(np.sum(list(found.values()), axis=0))
        count += int(some.sum())
        for name, error in found.items():
            squares[name] += float((error[some] ** 2).sum())
    return {name: float(np.sqrt(square / count)) for name, square in squares.items()} if count else {}


def _value_at(trace: Trace, values: NDArray[np.float64], times: NDArray[np.int64]) -> NDArray[np.float64]:
    """The values at other times, on the line between two readings; NaN in gaps and behind the end."""
    right = np.searchsorted(trace.at, times, side="left")
    inside = (right > 0) & (right < len(trace.at))
    right = np.where(inside, right, 1) if len(trace.at) > 1 else np.zeros_like(right)
    left = np.maximum(right - 1, 0)
    step = np.maximum(trace.at[right] - trace.at[left], 1)
    found = values[left] + (values[right] - values[left]) * (times - trace.at[left]) / step
    return np.where(inside & (step <= trace.gap_us), found, np.nan)
