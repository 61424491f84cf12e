"""The glucose beside a heart rate, for rules that ask for both (RULES, *Falling glucose with a fast heart*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream.series import LONG_AGO
from stream.verdicts import NEITHER, OFF, ON
from vitals.policies import GLUCOSE_MARGIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream.panes import Ring
    from stream.series import Bools, Series, Slots


class Sugar:
    """The last deciding reading of the glucose series, and what the ring knows before it."""

    def __init__(self, series: Series, ring: Ring) -> None:
        self.series, self.ring = series, ring

    def known(self, slots: Slots, at: int) -> Bools:
        """Whether there is one that is not older than its gap at T = ``at`` (µs); shape of ``slots``."""
        last = self.series.dec_e[slots]
        recent = at <= last + self.series.gap[slots]
        return np.asarray(self.series.bound[slots] & (last > LONG_AGO) & recent)

    def says(self, below: float, says: NDArray[np.int8], slots: Slots, opened: Bools) -> NDArray[np.int8]:
        """What a rule says by both, where the median alone ``says`` so; what is ``opened`` need not fall; all (n,)."""
        value = self.series.dec_value[slots]
        on = (says == ON) & (value < below)
        for row in (on & ~opened).nonzero()[0].tolist():
            on[row] = self.falls(int(slots[row]))
        off = (says == OFF) | (value >= below + GLUCOSE_MARGIN)
        return np.where(on, ON, np.where(off, OFF, NEITHER)).astype(np.int8)

    def falls(self, slot: int) -> bool:
        """Whether the last deciding reading is lower than the usable one before it, at most a gap earlier."""
        at = int(self.series.dec_e[slot])
        before = self.ring.before(slot, at)
        if not before:
            return False
        event, whole, _ = before[0]
        return bool(at - event <= self.series.gap[slot] and whole > self.series.dec_value[slot])

    def words(self, slot: int) -> str:
        """The reading for a person."""
        if self.series.dec_censored[slot]:
            return f"glucose {('LOW', 'HIGH')[int(self.series.dec_censored[slot]) - 1]}"
        return f"glucose {self.series.dec_value[slot]:g} mg/dL"
