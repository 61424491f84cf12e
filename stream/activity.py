"""Who is at rest: steps of those whose rules ask for it (RULES, *Heart rate at rest*).

Only they have a series and a ring (`stream.places`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream.coverage import filled, fresh
from stream.panes import Ring
from stream.places import Places
from stream.rows import CENSORED_HIGH, CENSORED_LOW, NONE, WAITING_MAX, Part, Waiting, marked
from stream.series import Bools, Floats, Ints, Series, Slots
from stream.suspects import Suspects
from vitals.metrics import STEPS
from vitals.readings import dated
from vitals.units import Unit, canonical
from vitals.windows import FRESH_SPAN_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vitals.codecs.state import State
    from vitals.control import WornDevice
    from vitals.policies import Policy

_LAST_UNIT = int(max(Unit))


class Rest(NamedTuple):
    """Of some series: whether their steps are known, and whether they are at rest; both shape (n,)."""

    known: Bools
    still: Bools


class Activity(Places):
    """The steps of a partition; its rows wait like a lane's, and are in the ring before anything is evaluated."""

    def __init__(self) -> None:
        self.series = Series(STEPS)
        self.ring = Ring(STEPS, timed=False)
        self.suspects = Suspects()
        super().__init__(self.series, self.ring, self.suspects)
        self.waiting = Waiting()

    def wear(self, slot: int, worn: tuple[WornDevice, ...], policy: Policy) -> None:
        """Take a control record's devices and rules; nothing of this slot may wait."""
        asks = any(rule.rest_at_most is not None for rule in policy.all_windows)
        if asks and any(device.type.stream(STEPS.name) is not None for device in worn):
            self.make(slot)
        if self.place[slot]:
            self.series.wear(int(self.place[slot]) - 1, worn)

    # ---- readings

    def wait(self, part: Part) -> bool:
        """Let rows wait for more; whether they do. Nobody is called by them, so they may until something is due."""
        if not self.count:
            return True
        if len(part.rows) + len(self.waiting) > WAITING_MAX:
            return False
        if len(part.rows):
            self.waiting.add(part)
        return True

    def take(self, part: Part) -> None:
        """Take what waits, then a part's rows."""
        rows, slots, _, _ = self.waiting.before(part)
        kept = (self.place[slots] > 0) & (rows["unit"] <= _LAST_UNIT) & dated(rows)
        if not np.count_nonzero(kept):
            return
        rows, places = rows[kept], self.of(slots[kept])
        marks = marked(rows)
        values = self._seen(canonical(rows["value"], rows["unit"]), marks.censored, places)
        good = marks.usable & np.isfinite(values) & self.suspects.new(places, rows)
        events, values = marks.events[good], values[good]
        if len(events):
            self.ring.write(places[good], events, values, values, marks.late[good])

    def _seen(self, values: Floats, censored: NDArray[np.int8], places: Slots) -> Floats:
        """Values (n,) as rules see them: censored ones lie just beyond the device's range."""
        if not np.count_nonzero(censored):
            return values
        low, high = censored == CENSORED_LOW, censored == CENSORED_HIGH
        return np.where(low, self.series.below[places], np.where(high, self.series.above[places], values))

    def settle(self) -> None:
        """Take what waits now."""
        self.take(NONE)

    # ---- who is at rest

    def rest(self, slots: Slots, at: int, width: int, most: float) -> Rest:
        """Whether these are at rest over (at - width, at] (µs): known, and no reading above ``most`` steps a minute."""
        known, still = np.zeros(len(slots), np.bool_), np.zeros(len(slots), np.bool_)
        have = (self.place[slots] > 0).nonzero()[0]
        places = self.of(slots[have])
        interval: Ints = np.maximum(self.series.interval[places], STEPS.pane_us)
        able = self.series.bound[places] & (2 * interval <= width)
        have, places, interval = have[able], places[able], interval[able]
        if have.size:
            cells = self.ring.cells(places, at, width)
            spans = np.maximum(FRESH_SPAN_US, interval * 12 // 10)
            known[have] = filled(cells, STEPS.pane_us, interval)
            known[have] &= fresh(cells, STEPS.pane_us, at, spans, self.series.waits_from[places])
            # cells are thousandths plus one; 0, where none is, is no step either
            still[have] = known[have] & (np.abs(cells).max(axis=1) <= round(most * 1000) + 1)
        return Rest(known, still)

    # ---- snapshots

    def state(self, order: Slots) -> State:
        """The steps of these slots, and which of them have any, by their new numbers; nothing may wait."""
        assert not self.waiting, "what waits was taken"
        numbers, places = self.chosen(order)
        return {
            "numbers": numbers,
            "series": self.series.state(places),
            "ring": self.ring.rows(places),
            "suspects": self.suspects.state(places),
        }

    def restore(self, state: State) -> None:
        """Take a snapshot; there is room for its slots."""
        self.take_numbers(state["numbers"])
        self.series.restore(state["series"])
        self.ring.put(state["ring"])
        self.suspects.restore(state["suspects"])
