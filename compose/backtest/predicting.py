"""Forecasts over a person's readings: the predicted lows they would have called, and how far off they were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.scoring import Trace, refractory
from stream.forecast import FORECASTS, HORIZON, falls_below, pasts
from vitals.metrics import MINUTE_US

Floats = NDArray[np.float64]

ALARMING = tuple(name for name in FORECASTS if name != "persistence")
"""Forecasts that can call a low: persistence says of no value within the limit that it will be beyond."""
ERROR_MINUTES = 30


def foreseen(trace: Trace, values: Floats) -> dict[str, Floats]:
    """By forecast what it said at each reading, in mg/dL: at each minute of `HORIZON`, and 30 min ahead in the last
    column; ``values`` are mg/dL, unrounded, shape of the trace.
    """
    found = {name: np.empty((len(trace.at), len(HORIZON) + 1)) for name in FORECASTS}
    logics = {name: spec.build() for name, spec in FORECASTS.items()}
    for part, past in pasts(trace.at, values, trace.interval_us):
        for name, logic in logics.items():
            found[name][part] = logic.ahead(past, (*HORIZON, ERROR_MINUTES))
    return found


def predicted_lows(trace: Trace, ahead: Floats, limit: float) -> list[int]:
    """When (µs UTC) a forecast (of `foreseen`) calls a value below ``limit``, at most once in 30 min."""
    return refractory(trace.at[falls_below(trace.values, ahead[:, : len(HORIZON)], limit)].tolist())


def errors(trace: Trace, values: Floats, said: dict[str, Floats]) -> dict[str, float]:
    """Root mean square error in mg/dL of each forecast 30 min ahead, all at the same readings: those at which every
    forecast says something, and whose future has readings on both sides without a gap between. Empty without any.
    """
    future = _value_at(trace, values, trace.at + ERROR_MINUTES * MINUTE_US)
    found = {name: ahead[:, -1] - future for name, ahead in said.items()}
    some = np.isfinite(np.sum(list(found.values()), axis=0))
    return {name: float(np.sqrt((error[some] ** 2).mean())) for name, error in found.items()} if some.any() else {}


def _value_at(trace: Trace, values: Floats, times: NDArray[np.int64]) -> Floats:
    """The values at other times, on the line between two readings; NaN in gaps and behind the end."""
    right = np.searchsorted(trace.at, times, side="left")
    inside = (right > 0) & (right < len(trace.at))
    right = np.where(inside, right, 1) if len(trace.at) > 1 else np.zeros_like(right)
    left = np.maximum(right - 1, 0)
    step = np.maximum(trace.at[right] - trace.at[left], 1)
    found = values[left] + (values[right] - values[left]) * (times - trace.at[left]) / step
    return np.where(inside & (step <= trace.gap_us), found, np.nan)
