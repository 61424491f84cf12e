"""The machines of rules that judge glucose readings one by one (RULES, *More rules for glucose*): one level each.

What a reading says to a rule stands in `stream.sayings`, what is common to machines of one level in `stream.columns`;
here are runs, levels and conditions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from stream.columns import Columns
from stream.rules import ACTIVE, OVER, RETURNING, changed
from stream.sayings import Says, View
from stream.series import LONG_AGO, Bools, Floats, Ints, Slots
from stream.verdicts import Moved, Shown
from vitals.policies import ForecastRule, GlucoseRule, Policy, RateRule, SustainedRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream.panes import Ring
    from stream.rules import Deciding, Machines
    from stream.series import Series

NOTHING, BEYOND, WITHIN = range(3)
REACHED = "reached"
"""Why an episode ended that foretold what has come."""


class Arrived(NamedTuple):
    """Deciding readings with their values (canonical, unrounded), arrivals (µs) and censoring (0, 1 low, 2 high), all
    shape (m,).
    """

    deciding: Deciding
    exact: Floats
    arrivals: Ints
    censored: NDArray[np.int8]

    def some(self, at: Slots) -> Arrived:
        """Those at an index array."""
        return Arrived(self.deciding.some(at), self.exact[at], self.arrivals[at], self.censored[at])


class GlucoseMachines(Columns[GlucoseRule]):
    """Rules and machines of all series of one metric. Times µs."""

    FILL: ClassVar[dict[str, float]] = {"judged_at": LONG_AGO, "judged_rx": LONG_AGO}
    BY_COLUMN = (*Columns.BY_COLUMN, "said", "run_since", "judged_at", "judged_rx")

    def __init__(self, series: Series, ring: Ring, machines: Machines) -> None:
        super().__init__()
        self.series, self.ring, self.machines = series, ring, machines
        self.said: NDArray[np.int8] = np.zeros((self.capacity, 0), np.int8)
        """What the last judged reading said, and since when all of them have (`run_since`)."""
        self.run_since: Ints = np.zeros((self.capacity, 0), np.int64)
        self.judged_at: Ints = np.zeros((self.capacity, 0), np.int64)
        self.judged_rx: Ints = np.zeros((self.capacity, 0), np.int64)

    def set_policy(self, slot: int, policy: Policy) -> None:
        """Take a patient's rules of this metric; a rule that is gone ends its episode with the next deciding reading.

        A run of what the rule looked at before is forgotten.
        """
        every: list[GlucoseRule] = [*policy.sustained, *policy.rates, *policy.forecasts]
        for column, was, now in self.take(slot, (rule for rule in every if rule.metric == self.series.metric.name)):
            if was is None or now is None or looks_at(was) != looks_at(now):
                self.said[slot, column], self.run_since[slot, column] = NOTHING, 0

    def uses(self, slots: Slots) -> Bools:
        """Whether each slot has such a rule, or an episode of one, so that every deciding reading matters; (n,)."""
        return np.asarray(self.kind[slots].any(axis=1))

    # ---- readings

    def step(self, readings: Arrived) -> list[Moved]:
        """Judge deciding readings, one per slot, which are in the ring and have moved low and high; what changed."""
        mine = np.flatnonzero(self.uses(readings.deciding.slots))
        if not mine.size:
            return []
        readings, moved = readings.some(mine), list[Moved]()
        view = View(readings.deciding, self.series, self.ring, self.machines)
        for column in self.columns:
            kinds = self.kind[readings.deciding.slots, column]
            for kind in np.unique(kinds[kinds != 0]).tolist():
                rows = np.flatnonzero(kinds == kind)
                if kind > 0:
                    open_now = self.level[readings.deciding.slots[rows], column] > 0
                    said = view.says(self.kinds[kind], rows, open_now=open_now)
                    judged = np.flatnonzero(said.judged)
                    if judged.size:
                        moved += self._judge(column, self.kinds[kind], readings.some(rows[judged]), said.some(judged))
                    continue
                for row in rows.tolist():
                    slot, at = int(readings.deciding.slots[row]), int(readings.deciding.events[row])
                    moved.append(self.close(slot, column, "", at))
        return moved

    def _judge(self, column: int, rule: GlucoseRule, readings: Arrived, said: Says) -> list[Moved]:
        """Move one rule's machines by judged readings."""
        slots, events = readings.deciding.slots, readings.deciding.events
        word = np.where(said.beyond, BEYOND, WITHIN).astype(np.int8)
        since = self._since(column, readings.deciding, said, word)
        spans = events - since
        on = said.beyond & (spans >= rule.on_span_us)
        off = (said.well & (spans >= rule.quick_span_us)) | (spans >= rule.slow_span_us) | said.reached
        level, before = self.level[slots, column], self.condition[slots, column]
        after = np.where(level > 0, ~(off & ~said.beyond), on).astype(np.int8)
        condition = np.where(after == 0, OVER, np.where(said.beyond, ACTIVE, RETURNING)).astype(np.int8)
        self.said[slots, column], self.run_since[slots, column] = word, since
        self.judged_at[slots, column], self.judged_rx[slots, column] = events, readings.arrivals
        self.level[slots, column], self.condition[slots, column] = after, condition
        moved = []
        for row in np.flatnonzero((level > 0) | (after > 0)).tolist():
            slot, at = int(slots[row]), int(events[row])
            old = self.shown.get((slot, column))
            opened_at, began = (at, int(since[row])) if old is None else (old.opened_at, old.since)
            value, censored = float(readings.deciding.values[row]), int(readings.censored[row])
            shown = Shown(rule, opened_at, began, value, at, limit_of(rule), bool(said.beyond[row]), censored)
            self.shown[slot, column] = shown
            self.reasons.pop((slot, column), None)
            if level[row] != after[row] or before[row] != condition[row]:
                change = changed(int(level[row]), int(after[row]), int(before[row]), int(condition[row]))
                each = self.moved(slot, column, change, at, REACHED if said.reached[row] else "")
                found = None if said.found is None else float(said.found[row])
                moved.append(each._replace(exact=float(readings.exact[row]), found=found))
            if not after[row]:
                self.over(slot, column)
        return moved

    def _since(self, column: int, readings: Deciding, said: Says, word: NDArray[np.int8]) -> Ints:
        """When the run that ends at each reading began: in the ring or before it, or among the judged ones."""
        slots, events = readings.slots, readings.events
        before, last = self.run_since[slots, column], self.judged_at[slots, column]
        alike = self.said[slots, column] == word
        if said.starts is None or said.longer is None:
            return np.where(alike & (events - last <= readings.gaps), before, events)
        goes_on = said.longer & alike & said.beyond & (said.starts - last <= readings.gaps)
        return np.where(goes_on, np.minimum(said.starts, before), said.starts)

    # ---- what is open

    def due(self, slots: Slots) -> Ints:
        """When the last judged reading is too long ago (µs), shape (n, columns)."""
        return self.judged_rx[slots] + self.series.gap[slots][:, None]

    def now(self, slot: int, column: int) -> Shown:
        """What an open episode shows: the limit, too, is that of the rule now."""
        shown = super().now(slot, column)
        return shown._replace(limit=limit_of(self.rule(slot, column)))


def looks_at(rule: GlucoseRule) -> tuple[object, ...]:
    """What decides whether a reading is beyond: a run is of one such thing."""
    match rule:
        case SustainedRule():
            return rule.side, rule.limit
        case RateRule():
            return rule.direction, rule.rate, rule.gate
        case ForecastRule():
            return rule.forecast, rule.horizon_us, rule.limit
    raise AssertionError(rule)


def limit_of(rule: GlucoseRule) -> float:
    """The limit that an episode shows beside the reading: that of a rate is its gate."""
    match rule:
        case SustainedRule() | ForecastRule():
            return rule.limit
        case RateRule():
            return rule.gate
    raise AssertionError(rule)
