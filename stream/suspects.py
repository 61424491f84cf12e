"""Readings of a clock that runs ahead, brought again: they count at their arrival, so only the device's own time tells.

A suspect row whose observed_at is not above the series' last suspect one, of the same device, is a duplicate (RULES).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from stream.series import LONG_AGO, Bools, Ints, Slots, Table
from stream.turns import rounds
from vitals.codecs.state import State
from vitals.readings import Flag

if TYPE_CHECKING:
    from vitals.readings import Rows

_SUSPECT = int(Flag.CLOCK_SUSPECT)


class Suspects(Table):
    """The last suspect row of each series of one metric: its device's time (µs), and which device.

    There are no columns before the first such row: hardly any clock runs two minutes ahead.
    """

    FILL: ClassVar[dict[str, float]] = {"observed": LONG_AGO}

    def __init__(self) -> None:
        self.observed: Ints = np.zeros(0, np.int64)
        self.device = np.zeros(0, "V16")

    def grow(self, capacity: int) -> None:
        """Make room for ``capacity`` rows, where there are columns."""
        if len(self.observed):
            super().grow(capacity)
        self.capacity = capacity

    def new(self, slots: Slots, rows: Rows) -> Bools:
        """Which rows are no duplicates of this kind, shape of ``rows``; the suspect ones among them are remembered."""
        found = np.ones(len(rows), np.bool_)
        suspect = rows["flags"] & _SUSPECT != 0
        if not np.count_nonzero(suspect):
            return found
        if not len(self.observed):
            super().grow(self.capacity)
        for turn in rounds(slots, suspect):
            mine, device, observed = slots[turn], rows["device"][turn], rows["observed_at"][turn]
            first = (self.device[mine] != device) | (observed > self.observed[mine])
            found[turn] = first
            self.device[mine[first]], self.observed[mine[first]] = device[first], observed[first]
        return found

    def state(self, order: Slots) -> State:
        """The last suspect rows of these slots; nothing where there never was one."""
        return self.rows(order) if len(self.observed) else {}

    def restore(self, state: State) -> None:
        """Take a snapshot; there is room for it."""
        if state:
            super().grow(self.capacity)
            self.put(state)
