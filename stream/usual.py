"""The heart rate that is usual for somebody at rest in their nights (RULES, *Above the usual*).

Only who has a rule that asks for it has a place. A row is small and exact: one night's T by whole beats, and of each
of the last nights its end and twice its median.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from stream.places import Places
from stream.series import LONG_AGO, Floats, Ints, Slots, Table
from vitals import nights
from vitals.metrics import MINUTE_US
from vitals.windows import EVALUATE_EVERY_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vitals.codecs.state import State
    from vitals.policies import Policy, UsualRate

NIGHTS = 14
REACH_US = NIGHTS * 24 * 60 * MINUTE_US
"""A night counts for so long after its end."""
BEATS_MAX = 300


class _Nights(Table):
    FILL: ClassVar[dict[str, float]] = {"ends": LONG_AGO}

    def __init__(self) -> None:
        self.counts: NDArray[np.uint16] = np.zeros((self.capacity, BEATS_MAX + 1), np.uint16)
        """T of the present night, by whole beats."""
        self.until: Ints = np.zeros(self.capacity, np.int64)
        """When that night ends, 0 where there is none."""
        self.least: NDArray[np.int32] = np.zeros(self.capacity, np.int32)
        """So many T it must have."""
        self.ends: Ints = np.full((self.capacity, NIGHTS), LONG_AGO)
        self.twice: NDArray[np.int16] = np.zeros((self.capacity, NIGHTS), np.int16)


class Usual(Places):
    """The nights of one metric's patients; times µs."""

    def __init__(self) -> None:
        self._nights = _Nights()
        super().__init__(self._nights)

    def ask(self, slot: int, policy: Policy, metric: str) -> None:
        """Keep nights from here on, if a rule asks for them."""
        if any(rule.usual is not None and rule.metric == metric for rule in policy.all_windows):
            self.make(slot)

    def end(self, at: int, slots: Slots) -> None:
        """The nights of these that are over at T = ``at``: they count from now on. All have a place."""
        places = self.of(slots)
        self._close(places[self._nights.until[places] <= at])

    def add(self, asked: UsualRate, at: int, slots: Slots, values: Floats) -> None:
        """T of people at rest, with the medians (n,) of each; all have a place."""
        now = nights.hours(asked.zone, asked.begins, asked.ends, at)
        if not now.night or not slots.size:
            return
        places, table = self.of(slots), self._nights
        self._close(places[table.until[places] != now.until])
        table.until[places] = now.until
        table.least[places] = asked.least_us // EVALUATE_EVERY_US
        beats = np.minimum(np.floor(values + 0.5), BEATS_MAX).astype(np.intp)
        table.counts[places, beats] += np.uint16(1)

    def rate(self, asked: UsualRate, at: int, slots: Slots) -> Floats:
        """The usual rate at T = ``at``, NaN where too few nights are known; shape of ``slots``, all have a place.

        Those that are over by then were told to `end`.
        """
        places, table = self.of(slots), self._nights
        ends = table.ends[places]
        known = (ends > at - REACH_US) & (ends <= at)
        count = known.sum(axis=1)
        ordered = np.sort(np.where(known, table.twice[places], np.iinfo(np.int16).max))
        rows = np.arange(len(places))
        # the mean of the middle two of medians that are means of two: quarters of a beat, exact
        quarters = ordered[rows, (count - 1) // 2] + ordered[rows, count // 2]
        return np.where(count >= asked.nights, quarters / 4, np.nan)

    def _close(self, places: Slots) -> None:
        """The present nights of these are over; those with enough T are kept. Who has none has nothing to end."""
        table = self._nights
        for place in places[table.until[places] != 0].tolist():
            total = np.cumsum(table.counts[place])
            count = int(total[-1])
            if count >= max(1, int(table.least[place])):
                middle = np.searchsorted(total, [(count - 1) / 2, count / 2], side="right")
                for column, newest in ((table.ends, table.until[place]), (table.twice, middle.sum())):
                    column[place, 1:] = column[place, :-1].copy()
                    column[place, 0] = newest
            table.counts[place] = 0
            table.until[place] = 0

    # ---- snapshots

    def state(self, order: Slots) -> State:
        """The nights of these slots, and which of them have any, by their new numbers."""
        numbers, places = self.chosen(order)
        return {"numbers": numbers, "nights": self._nights.rows(places)}

    def restore(self, state: State) -> None:
        """Take a snapshot; there is room for its slots."""
        self.take_numbers(state["numbers"])
        self._nights.put(state["nights"])
