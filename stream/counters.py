"""What a processor has met, counted from the beginning of its log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vitals.metrics import METRIC_BY_CODE, TICK
from vitals.readings import late

if TYPE_CHECKING:
    from stream.poll import Poll

KNOWN = np.zeros(256, bool)
"""Whether there is a metric of a code; ``np.isin`` was a tenth of what a poll of one reading costs."""
KNOWN[list(METRIC_BY_CODE)] = True


@dataclass(slots=True)
class Counters:
    """What a processor has met, since the beginning of its log."""

    readings: int = 0
    late: int = 0
    unbound: int = 0
    """Rows of patients and metrics without a control record, or at no time of the calendar: seen by no rule."""
    broken: int = 0
    """Records that are neither whole rows nor a control record we can read, and ticks at no time of the calendar."""
    windows: int = 0
    """Rows that were written: results of windows, and dirty marks."""
    revised: int = 0
    """Closed windows that later rows have changed: those written again, and those of dirty marks."""
    dirty_marks: int = 0
    episodes: int = 0
    marks: int = 0

    def take(self, batch: Poll) -> int:
        """Count a poll's readings and those that came late; how many are of nobody or of no metric that we know."""
        codes = batch.codes
        readings = len(codes) - codes.count(TICK)
        self.readings += readings
        metrics = np.frombuffer(codes, np.uint8)
        if np.count_nonzero(batch.rows["flags"]):
            self.late += int(np.count_nonzero(late(batch.rows) & (metrics != TICK)))
        if batch.strange or sum(map(codes.count, METRIC_BY_CODE)) < readings:
            return int(np.count_nonzero((metrics != TICK) & ((batch.slots < 0) | ~KNOWN[metrics])))
        return 0
