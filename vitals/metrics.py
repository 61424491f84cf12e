"""The metric registry: what Vigil measures. A further metric is one more entry.

A metric's number is the row's ``metric`` byte and never changes; 0 is reserved for ticks.
"""

from __future__ import annotations

from dataclasses import dataclass

from vitals.units import Unit

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
TICK = 0
"""The metric byte of a tick row."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured quantity; times in microseconds, values in ``unit``."""

    code: int
    name: str
    unit: Unit
    units: tuple[Unit, ...]
    """Units accepted at the edge."""
    accepted: tuple[float, float]
    """Inclusive bounds of a valid value in ``unit``; beyond them a row is invalid with a reason."""
    whole: bool
    """Whether rules see the value rounded to a whole number (floor(v + 0.5))."""
    pane_us: int
    """Width of one pane of the processor's ring."""
    panes: int
    """Panes in the ring."""
    fresh_us: int
    """Least age at which a reading is late."""
    fresh_intervals: float
    """A reading is late beyond max(fresh_us, fresh_intervals * interval); 0 where the interval is no matter."""
    gap_us: int
    """Least gap that breaks a run; the gap is max(gap_us, 2.2 * interval)."""
    silent_us: int
    """Least silence that is a signal alarm; max(silent_us, 2.2 * interval)."""

    def late_after_us(self, interval_us: int) -> int:
        """Age in µs beyond which a reading of this nominal interval is late (RULES, *Fresh*)."""
        return max(self.fresh_us, int(self.fresh_intervals * interval_us))

    def gap_of_us(self, interval_us: int) -> int:
        """G in µs: a longer step between event times breaks a run (RULES, *Gap*)."""
        return max(self.gap_us, interval_us * 22 // 10)

    def silent_after_us(self, interval_us: int) -> int:
        """Silence in µs after which the signal rule turns on (RULES, *Signal*)."""
        return max(self.silent_us, interval_us * 22 // 10)


HEART_RATE = Metric(
    code=1,
    name="heart_rate",
    unit=Unit.PER_MINUTE,
    units=(Unit.PER_MINUTE,),
    accepted=(20.0, 300.0),
    whole=False,
    pane_us=SECOND_US,
    panes=900,
    fresh_us=30 * SECOND_US,
    fresh_intervals=0.0,
    gap_us=10 * SECOND_US,
    silent_us=5 * MINUTE_US,
)
GLUCOSE = Metric(
    code=2,
    name="glucose",
    unit=Unit.MG_DL,
    units=(Unit.MG_DL, Unit.MMOL_L),
    accepted=(1e-9, 1000.0),
    whole=True,
    pane_us=MINUTE_US,
    panes=180,
    fresh_us=10 * MINUTE_US,
    fresh_intervals=1.2,
    gap_us=11 * MINUTE_US,
    silent_us=20 * MINUTE_US,
)

BATTERY = Metric(
    code=3,
    name="battery",
    unit=Unit.PERCENT,
    units=(Unit.PERCENT,),
    accepted=(0.0, 100.0),
    whole=False,
    pane_us=10 * MINUTE_US,
    panes=1,
    fresh_us=60 * MINUTE_US,
    fresh_intervals=1.2,
    gap_us=60 * MINUTE_US,
    silent_us=24 * 60 * MINUTE_US,
)
"""A device's charge: shown beside the patient, in no window and under no rule."""

STEPS = Metric(
    code=4,
    name="steps",
    unit=Unit.STEPS_PER_MINUTE,
    units=(Unit.STEPS_PER_MINUTE,),
    accepted=(0.0, 400.0),
    whole=False,
    pane_us=10 * SECOND_US,
    panes=90,
    fresh_us=2 * MINUTE_US,
    fresh_intervals=1.2,
    gap_us=5 * MINUTE_US,
    silent_us=60 * MINUTE_US,
)
"""Steps per minute, the mean of the interval that ends at the reading: no window and no rule of its own, but the rules
of heart rate at rest ask for it.
"""

METRICS = (HEART_RATE, GLUCOSE, BATTERY, STEPS)
METRIC_BY_CODE = {metric.code: metric for metric in METRICS}
METRIC_BY_NAME = {metric.name: metric for metric in METRICS}
