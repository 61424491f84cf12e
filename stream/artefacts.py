"""What is suspect in the window of a rule that may hold (RULES, *Artefact hold*): motion taken for a pulse.

Which readings the device itself doubts is kept of those whose rules ask, pane by pane of their metric's ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream.places import Places
from stream.series import Bools, Ints, Slots, Table

if TYPE_CHECKING:
    from stream.panes import Ring
    from vitals.codecs.state import State
    from vitals.policies import Policy

STEP_MILLIS = 40_000
"""So much from one second to the next no heart does (DOMAIN), thousandths of a beat per minute."""


class _Doubts(Table):
    def __init__(self, panes: int) -> None:
        self.doubted: Bools = np.zeros((self.capacity, panes), np.bool_)


class Artefacts(Places):
    """The doubts of one metric, beside its ``ring``."""

    def __init__(self, ring: Ring) -> None:
        self._doubts = _Doubts(ring.size)
        super().__init__(self._doubts)
        self.ring = ring

    def ask(self, slot: int, policy: Policy, metric: str) -> None:
        """Keep doubts from here on, if a rule asks for them."""
        if any(rule.artefact_hold_us and rule.metric == metric for rule in policy.all_windows):
            self.make(slot)

    def write(self, slots: Slots, events: Ints, doubted: Bools) -> None:
        """Keep whether the readings that took a pane are doubted; all shape (n,), of one pane the last one counts."""
        kept = (self.place[slots] > 0).nonzero()[0]
        if kept.size:
            panes = -(-events[kept] // self.ring.pane_us) % self.ring.size
            self._doubts.doubted[self.of(slots[kept]), panes] = doubted[kept]

    def mostly(self, slots: Slots, at: int, width: int) -> Bools:
        """Whether more than half of what lies in (at - width, at] (µs) is suspect, shape (n,); all have a place."""
        cells = np.abs(self.ring.cells(slots, at, width))
        filled = cells > 0
        last = at // self.ring.pane_us
        panes = np.arange(last - cells.shape[1] + 1, last + 1) % self.ring.size
        suspect = self._doubts.doubted[self.of(slots)[:, None], panes] & filled
        steps = np.abs(np.diff(cells, axis=1)) > STEP_MILLIS
        suspect[:, 1:] |= steps & filled[:, 1:] & filled[:, :-1]
        return np.asarray(2 * suspect.sum(axis=1) > filled.sum(axis=1))

    # ---- snapshots

    def state(self, order: Slots) -> State:
        """The doubts of these slots, and which of them have any, by their new numbers."""
        numbers, places = self.chosen(order)
        return {"numbers": numbers, "doubts": self._doubts.rows(places)}

    def restore(self, state: State) -> None:
        """Take a snapshot; there is room for its slots."""
        self.take_numbers(state["numbers"])
        self._doubts.put(state["doubts"])
