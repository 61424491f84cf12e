"""What a deciding reading of glucose says to a rule that judges it (RULES, *More rules for glucose*).

Functions of arrays, one for each kind of rule; readings are the newest of their series and in the ring already.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream import forecast
from stream.forecast import FORECASTS, Past
from stream.panes import Beyond
from stream.rules import SIDES, SIGNS
from vitals.metrics import MINUTE_US
from vitals.policies import ForecastRule, GlucoseRule, RateRule, SustainedRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream.panes import Ring
    from stream.rules import Deciding, Machines
    from stream.series import Bools, Floats, Ints, Series, Slots

RATE_MAX = 10.0
"""mg/dL/min: no body is faster (DOMAIN, *Glucose*)."""
GATE_MARGIN = 10.0
"""mg/dL on the other side of its gate at which a rate is over."""


class Says(NamedTuple):
    """What readings say to a rule, all shape (m,): whether it can judge them, whether they are beyond or well within,
    or have reached what was forecast, and where the run in the ring begins (µs), if its runs are those of the ring;
    ``longer`` where nothing in the ring ended it. ``found`` is the slope, or the lowest of the forecast.
    """

    judged: Bools
    beyond: Bools
    well: Bools
    reached: Bools
    starts: Ints | None = None
    longer: Bools | None = None
    found: Floats | None = None

    def some(self, at: Slots) -> Says:
        """Those at an index array."""
        starts = None if self.starts is None else self.starts[at]
        longer = None if self.longer is None else self.longer[at]
        found = None if self.found is None else self.found[at]
        beyond, well, reached = self.beyond[at], self.well[at], self.reached[at]
        return Says(self.judged[at], beyond, well, reached, starts, longer, found)


class View:
    """What rules see at deciding readings, one per slot, which are in the ring and have moved low and high."""

    def __init__(self, readings: Deciding, series: Series, ring: Ring, machines: Machines) -> None:
        self.readings, self.series, self.ring, self.machines = readings, series, ring, machines

    @cached_property
    def past(self) -> Past:
        """What the ring holds of the device worn now, up to each reading, as far back as forecasts look."""
        slots = self.readings.slots
        intervals = self.series.interval[slots]
        panes = min(self.ring.size, forecast.panes_of(int(intervals.max())))
        cells, at = self.ring.newest(slots, panes)
        filled = (cells > 0) & (at >= self.series.waits_from[slots][:, None])
        return Past(filled, np.where(filled, cells.astype(np.int64) - 1, 0), intervals, self.ring.pane_us)

    @cached_property
    def slopes(self) -> Floats:
        """mg/dL/min at each reading, NaN where it is not known, or not plausible."""
        found = forecast.rate(self.past)
        return np.where(np.abs(found) <= RATE_MAX, found, np.nan)

    def says(self, rule: GlucoseRule, rows: Slots, *, open_now: Bools) -> Says:
        """What the readings at an index array say to a rule; where no episode is open (``open_now``), an ok run is no
        matter.
        """
        readings = self.readings.some(rows)
        match rule:
            case SustainedRule():
                return _sustained(rule, readings, self.ring, open_now)
            case RateRule():
                return _rate(rule, readings, self.slopes[rows])
            case ForecastRule():
                whole = self.past
                past = whole._replace(
                    filled=whole.filled[rows], millis=whole.millis[rows], intervals=whole.intervals[rows]
                )
                return _forecast(rule, readings, past, self.machines.level[readings.slots, 0])
        raise AssertionError(rule)


def _sustained(rule: SustainedRule, readings: Deciding, ring: Ring, open_now: Bools) -> Says:
    sign = SIGNS[SIDES.index(rule.side)]
    values = readings.values * sign
    beyond, well = values < rule.limit * sign, values >= rule.quick_limit * sign
    every, none = np.ones(len(values), np.bool_), np.zeros(len(values), np.bool_)
    starts, longer = readings.events.copy(), none.copy()
    matter = np.flatnonzero(beyond | open_now)
    if matter.size:
        some, limits = readings.some(matter), np.full((len(matter), 2), rule.limit * sign)
        both = np.stack([beyond[matter], beyond[matter]], axis=1)
        runs = Beyond(some.slots, some.events, some.gaps, limits, both, sign)
        starts[matter] = ring.run_starts(runs, ring.size)[:, 0]
        longer[matter] = ring.reaches(some.slots, starts[matter])
    return Says(every, beyond, well, none, starts, longer)


def _rate(rule: RateRule, readings: Deciding, slopes: Floats) -> Says:
    sign = -1 if rule.direction == "falling" else 1
    judged = np.isfinite(slopes)
    slopes = np.where(judged, slopes, 0.0)
    speed, inside = slopes * sign, (readings.values - rule.gate) * -sign
    beyond = judged & (speed > rule.rate) & (inside < 0)
    well = (speed <= rule.off_rate) | (inside >= GATE_MARGIN)
    return Says(judged, beyond, well, np.zeros(len(beyond), np.bool_), found=slopes)


def _forecast(rule: ForecastRule, readings: Deciding, past: Past, low: NDArray[np.int8]) -> Says:
    """``low`` is the level of low after each reading: only what calls by itself ends the warning of it."""
    step = forecast.STEP_MINUTES
    minutes = range(step, rule.horizon_us // MINUTE_US + 1, step)
    least = forecast.lowest(FORECASTS[rule.forecast].build().ahead(past, minutes))
    below = readings.values < rule.limit
    reached = (low == 2) | (below & (low > 0))
    beyond = (below | (least < rule.limit)) & ~reached
    return Says(reached | np.isfinite(least), beyond, reached | (least >= rule.off_limit), reached, found=least)
