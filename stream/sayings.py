"""What a deciding reading of glucose says to a rule that judges it (RULES, *More rules for glucose*).

Functions of arrays, one for each kind of rule; readings are the newest of their series and in the ring already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream import forecast
from stream.forecast import FORECASTS, Past
from stream.panes import Beyond
from vitals.metrics import MINUTE_US
from vitals.policies import ForecastRule, GlucoseRule, RateRule, SustainedRule

if TYPE_CHECKING:
    from stream.panes import Ring
    from stream.rules import Deciding, Machines
    from stream.series import Bools, Floats, Ints, Series, Slots

RATE_MAX = 10.0
"""mg/dL/min: no body is faster (DOMAIN, *Glucose*)."""
GATE_MARGIN = 10.0
"""mg/dL on the other side of its gate at which a rate is over."""


class Says(NamedTuple):
    """What readings say to a rule, all shape (m,): whether it can judge them, whether they are beyond or well within,
    what was reached (*reached* ends at once), the value that an episode shows, and where the run in the ring begins
    (µs), if its runs are those of the ring; ``longer`` where nothing in the ring ended it.
    """

    judged: Bools
    beyond: Bools
    well: Bools
    reached: Bools
    values: Floats
    starts: Ints | None = None
    longer: Bools | None = None

    def some(self, at: Slots) -> Says:
        """Those at an index array."""
        starts = None if self.starts is None else self.starts[at]
        longer = None if self.longer is None else self.longer[at]
        beyond, well, reached = self.beyond[at], self.well[at], self.reached[at]
        return Says(self.judged[at], beyond, well, reached, self.values[at], starts, longer)


def says(rule: GlucoseRule, readings: Deciding, series: Series, ring: Ring, machines: Machines) -> Says:
    """What deciding readings say to a rule; ``machines`` are low and high, already moved by them."""
    match rule:
        case SustainedRule():
            return _sustained(rule, readings, ring)
        case RateRule():
            return _rate(rule, readings, past(readings, series, ring))
        case ForecastRule():
            return _forecast(rule, readings, past(readings, series, ring), machines)
    raise AssertionError(rule)


def past(readings: Deciding, series: Series, ring: Ring) -> Past:
    """What the ring holds of the device worn now, up to each reading, as far back as forecasts look."""
    slots = readings.slots
    intervals = series.interval[slots]
    panes = min(ring.size, forecast.panes_of(int(intervals.max())))
    cells, at = ring.newest(slots, panes)
    filled = (cells > 0) & (at >= series.waits_from[slots][:, None])
    return Past(filled, np.where(filled, cells.astype(np.int64) - 1, 0), intervals, ring.pane_us)


def _sustained(rule: SustainedRule, readings: Deciding, ring: Ring) -> Says:
    sign = 1 if rule.side == "low" else -1
    values = readings.values * sign
    beyond, well = values < rule.limit * sign, values >= rule.quick_limit * sign
    limits = np.full((len(values), 2), rule.limit * sign)
    both = Beyond(readings.slots, readings.events, readings.gaps, limits, np.stack([beyond, beyond], axis=1), sign)
    starts = ring.run_starts(both, ring.size)[:, 0]
    every, none = np.ones(len(values), np.bool_), np.zeros(len(values), np.bool_)
    longer = ring.reaches(readings.slots, starts)
    return Says(every, beyond, well, none, readings.values, starts, longer)


def _rate(rule: RateRule, readings: Deciding, before: Past) -> Says:
    sign = -1 if rule.direction == "falling" else 1
    slopes = forecast.rate(before)
    judged = np.abs(slopes) <= RATE_MAX  # NaN is within nothing
    slopes = np.where(judged, slopes, 0.0)
    speed, inside = slopes * sign, (readings.values - rule.gate) * -sign
    beyond = judged & (speed > rule.rate) & (inside < 0)
    well = (speed <= rule.off_rate) | (inside >= GATE_MARGIN)
    return Says(judged, beyond, well, np.zeros(len(beyond), np.bool_), np.floor(slopes * 10 + 0.5) / 10)


def _forecast(rule: ForecastRule, readings: Deciding, before: Past, machines: Machines) -> Says:
    step = forecast.STEP_MINUTES
    minutes = range(step, rule.horizon_us // MINUTE_US + 1, step)
    least = forecast.lowest(FORECASTS[rule.forecast].build().ahead(before, minutes))
    reached = (readings.values < rule.limit) | (machines.level[readings.slots, 0] == 2)
    beyond = (least < rule.limit) & ~reached
    return Says(reached | np.isfinite(least), beyond, reached | (least >= rule.off_limit), reached, readings.values)
