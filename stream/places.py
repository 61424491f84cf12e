"""Tables of which only some slots need a row: those have a *place*, row ``p`` of every table that goes with it.

A place is made by a control record and stays, so that what is kept depends on the log alone. ``place`` holds p + 1 by
slot, 0 where there is none: four bytes for who needs no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream.series import Slots, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Places(Table):
    """Which slots have a place in ``tables``; those grow with the places, this with the slots."""

    def __init__(self, *tables: Table) -> None:
        self.place: NDArray[np.int32] = np.zeros(self.capacity, np.int32)
        self.count = 0
        self.tables = tables

    def make(self, slot: int) -> None:
        """Give a slot a place, if it has none."""
        if not self.place[slot]:
            self._make_room(self.count + 1)
            self.count += 1
            self.place[slot] = self.count

    def of(self, slots: Slots) -> Slots:
        """The places of slots, -1 where there is none; shape of ``slots``."""
        return self.place[slots].astype(np.intp) - 1

    def chosen(self, order: Slots) -> tuple[Slots, Slots]:
        """Which of these slots have a place, by their numbers in ``order``, and the places: for a snapshot."""
        numbers = self.place[order].nonzero()[0]
        return numbers, self.of(order[numbers])

    def take_numbers(self, numbers: Slots) -> None:
        """Take a snapshot's slots that have a place, in the order of its rows; of none before."""
        self.count = len(numbers)
        self.place[numbers] = np.arange(1, self.count + 1)
        self._make_room(self.count)

    def _make_room(self, count: int) -> None:
        for table in self.tables:
            if count > table.capacity:
                table.grow(count + count // 8 + 16)
