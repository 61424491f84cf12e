"""The machines of rules that judge glucose readings one by one (RULES, *More rules for glucose*): one level each.

A patient's rules are columns by name, made when a policy first uses one. What a reading says to a rule stands in
`stream.sayings`; here are runs, levels, conditions and what an open episode shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from stream.rules import ACTIVE, OVER, RETURNING, UNKNOWN, changed
from stream.sayings import Says, View
from stream.series import LONG_AGO, NEVER, Bools, Floats, Ints, Slots, Table
from stream.verdicts import NO_DATA, Moved, Shown
from vitals.policies import PRIORITY_RANK, ForecastRule, GlucoseRule, Policy, RateRule, SustainedRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream.panes import Ring
    from stream.rules import Deciding, Machines
    from stream.series import Series
    from vitals.codecs.state import State
    from vitals.journal import EpisodeChange

KINDS: dict[str, type[GlucoseRule]] = {"sustained": SustainedRule, "rates": RateRule, "forecasts": ForecastRule}
"""By their fields in `vitals.policies.Rules`."""
NOTHING, BEYOND, WITHIN = range(3)
REACHED = "reached"
"""Why an episode ended that foretold what has come."""
_PLACES = ("kind", "level", "condition", "said", "run_since", "judged_at", "judged_rx")


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


class GlucoseMachines(Table):
    """Rules and machines of all series of one metric; columns [slot, rule]. Times µs."""

    FILL: ClassVar[dict[str, float]] = {"judged_at": LONG_AGO, "judged_rx": LONG_AGO}

    def __init__(self, series: Series, ring: Ring, machines: Machines) -> None:
        self.series, self.ring, self.machines = series, ring, machines
        self.names: list[str] = []
        self.kinds: list[GlucoseRule] = []
        self._numbers: dict[GlucoseRule, int] = {}
        self.shown: dict[tuple[int, int], Shown] = {}
        self.reasons: dict[tuple[int, int], str] = {}
        """Why an episode is unknown; only while it is."""
        self.kind: NDArray[np.int32] = np.zeros((self.capacity, 0), np.int32)
        """Number of the rule in ``kinds`` plus one; 0 none; negative: gone, while its episode is open."""
        self.level: NDArray[np.int8] = np.zeros((self.capacity, 0), np.int8)
        self.condition: NDArray[np.int8] = np.zeros((self.capacity, 0), np.int8)
        self.said: NDArray[np.int8] = np.zeros((self.capacity, 0), np.int8)
        """What the last judged reading said, and since when all of them have (`run_since`)."""
        self.run_since: Ints = np.zeros((self.capacity, 0), np.int64)
        self.judged_at: Ints = np.zeros((self.capacity, 0), np.int64)
        self.judged_rx: Ints = np.zeros((self.capacity, 0), np.int64)

    # ---- rules

    def set_policy(self, slot: int, policy: Policy) -> None:
        """Take a patient's rules of this metric; a rule that is gone ends its episode with the next deciding reading.

        A run of what the rule looked at before is forgotten.
        """
        metric = self.series.metric.name
        every: list[GlucoseRule] = [*policy.sustained, *policy.rates, *policy.forecasts]
        mine = {rule.name: rule for rule in every if rule.metric == metric}
        for known in mine.values():
            self._know(known)
        for column, name in enumerate(self.names):
            before, rule = int(self.kind[slot, column]), mine.get(name)
            if rule is not None:
                self.kind[slot, column] = self._numbers[rule]
            else:
                self.kind[slot, column] = -abs(before) if self.level[slot, column] else 0
            if rule is None or before <= 0 or looks_at(self.kinds[before - 1]) != looks_at(rule):
                self.said[slot, column], self.run_since[slot, column] = NOTHING, 0

    def _know(self, rule: GlucoseRule) -> None:
        """Make a column for a rule's name, where there is none yet."""
        if rule.name not in self.names:
            for name in _PLACES:
                old = getattr(self, name)
                fill = np.full((len(old), 1), self.FILL.get(name, 0), old.dtype)
                setattr(self, name, np.concatenate([old, fill], axis=1))
            self.names.append(rule.name)
        if rule not in self._numbers:
            self.kinds.append(rule)
            self._numbers[rule] = len(self.kinds)

    def rule(self, slot: int, column: int) -> GlucoseRule:
        """The rule of a machine that has, or had, one."""
        return self.kinds[abs(int(self.kind[slot, column])) - 1]

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
        for column in range(len(self.names)):
            kinds = self.kind[readings.deciding.slots, column]
            for kind in np.unique(kinds[kinds != 0]).tolist():
                rows = np.flatnonzero(kinds == kind)
                if kind > 0:
                    open_now = self.level[readings.deciding.slots[rows], column] > 0
                    said = view.says(self.kinds[kind - 1], rows, open_now=open_now)
                    judged = np.flatnonzero(said.judged)
                    if judged.size:
                        moved += self._judge(
                            column, self.kinds[kind - 1], readings.some(rows[judged]), said.some(judged)
                        )
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
                each = self._moved(slot, column, change, at, REACHED if said.reached[row] else "")
                found = None if said.found is None else float(said.found[row])
                moved.append(each._replace(exact=float(readings.exact[row]), found=found))
            if not after[row]:
                del self.shown[slot, column]
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

    def rank(self, slot: int) -> int:
        """The highest priority rank (1 low to 3 high) of a slot's open episodes; 0 where none is open."""
        columns = np.flatnonzero(self.level[slot]).tolist()
        return max((PRIORITY_RANK[self.rule(slot, column).priority] for column in columns), default=0)

    def lost_at(self, slots: Slots) -> Ints:
        """When each known open episode turns unknown, NEVER where none is; shape (n, rules)."""
        known = (self.level[slots] > 0) & (self.condition[slots] != UNKNOWN)
        return np.where(known, self.judged_rx[slots] + self.series.gap[slots][:, None], NEVER)

    def overdue(self, slot: int, column: int, clock: int) -> bool:
        """Whether the last judged reading is too long ago at ``clock`` (µs)."""
        return int(self.judged_rx[slot, column] + self.series.gap[slot]) <= clock

    def forget(self, slot: int, column: int, at: int) -> Moved | None:
        """An open episode has not been judged for too long."""
        return self.lose(slot, column, NO_DATA, at)

    def lose(self, slot: int, column: int, reason: str, at: int) -> Moved | None:
        """An open episode turns unknown, or is unknown for another reason; None where nothing changes."""
        if not self.level[slot, column] or self.reasons.get((slot, column)) == reason:
            return None
        known = self.condition[slot, column] != UNKNOWN
        self.condition[slot, column] = UNKNOWN
        self.reasons[slot, column] = reason
        return self._moved(slot, column, "unknown" if known else "reason", at, reason)

    def regain(self, slot: int, column: int, at: int) -> Moved | None:
        """An unknown episode is known again by its last judged reading, without a new one."""
        if self.condition[slot, column] != UNKNOWN:
            return None
        self.condition[slot, column] = ACTIVE if self.shown[slot, column].beyond else RETURNING
        self.reasons.pop((slot, column), None)
        return self._moved(slot, column, "known", at)

    def close(self, slot: int, column: int, reason: str, at: int) -> Moved:
        """An open episode ends without being judged: somebody closed it, or its rule is gone."""
        self.level[slot, column], self.condition[slot, column] = 0, OVER
        self.reasons.pop((slot, column), None)
        moved = self._moved(slot, column, "clear", at, reason)
        del self.shown[slot, column]
        self.kind[slot, column] = max(0, self.kind[slot, column])
        return moved

    def _moved(self, slot: int, column: int, change: EpisodeChange, at: int, reason: str = "") -> Moved:
        rule = self.rule(slot, column)
        shown = self.shown[slot, column]._replace(rule=rule, limit=limit_of(rule))
        level, condition = int(self.level[slot, column]), int(self.condition[slot, column])
        return Moved(slot, column, change, level, condition, at, at, shown, reason)

    # ---- snapshots

    def state(self, order: Slots) -> State:
        """The machines of these slots; what is open, and why it is unknown, by their new numbers."""
        open_now = np.argwhere(self.level.take(order, axis=0) != 0).tolist()
        places = [(number, int(order[number]), column) for number, column in open_now]
        field_of = {kind: field for field, kind in KINDS.items()}
        return {
            "kinds": [(field_of[type(rule)], rule) for rule in self.kinds],
            "rows": self.rows(order),
            "shown": [(number, column, *self.shown[slot, column][1:]) for number, slot, column in places],
            "reasons": [
                (number, column, self.reasons[slot, column])
                for number, slot, column in places
                if (slot, column) in self.reasons
            ],
        }

    def restore(self, state: State) -> None:
        """Take the machines of a snapshot. Every rule was known by name first, so its columns come in their order."""
        for field, rule in state["kinds"]:
            self._know(KINDS[field].model_validate(rule))
        self.put(state["rows"])
        self.shown = {(slot, column): Shown(self.rule(slot, column), *shown) for slot, column, *shown in state["shown"]}
        self.reasons = {(slot, column): reason for slot, column, reason in state["reasons"]}


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
