"""The low and high machines of one metric: two levels each, moved by deciding readings only (RULES, *Low glucose*).

State is one row per slot and one column per side (low, high). Values and limits of the high side are negated, so
that *beyond* is ``value < limit`` on both. Level 2 is tried before level 1; runs come from the ring as it is known
at the reading. `Machines.step` moves the state and tells the changes; `stream.episodes` writes them down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.kinds import Kinds
from stream.panes import Beyond
from stream.series import Bools, Floats, Ints, Slots, Table
from vitals.policies import PRIORITY_RANK, ThresholdRule

if TYPE_CHECKING:
    from stream.panes import Ring
    from vitals.codecs.state import State
    from vitals.journal import Condition, EpisodeChange
    from vitals.policies import Level, Policy

SIDES = ("low", "high")
SIGNS = (1, -1)
OVER, ACTIVE, RETURNING, UNKNOWN = range(4)
CONDITIONS: tuple[Condition, ...] = ("over", "active", "returning", "unknown")


class Change(NamedTuple):
    """One change of one machine; ``was`` is the level before it."""

    slot: int
    side: int
    change: EpisodeChange
    was: int


class Deciding(NamedTuple):
    """Deciding readings, one per slot; all shape (m,): event times (µs), rule values, gaps G (µs)."""

    slots: Slots
    events: Ints
    values: Floats
    gaps: Ints

    def some(self, at: Slots) -> Deciding:
        """Those at an index array."""
        return Deciding(self.slots[at], self.events[at], self.values[at], self.gaps[at])


class Machines(Table):
    """Limits and states of all low and high machines of one metric; columns [slot, side] or [slot, side, level]."""

    FILL: ClassVar[dict[str, float]] = {"limit": -np.inf, "quick_limit": -np.inf, "outer": -np.inf}

    def __init__(self) -> None:
        self.kinds: Kinds[ThresholdRule] = Kinds()
        self.kind: NDArray[np.int32] = np.zeros((self.capacity, 2), np.int32)
        """Number of the rule in ``kinds``; 0 none. A rule that is gone stays here: its episode may be open."""
        self.limit: Floats = np.full((self.capacity, 2, 2), -np.inf)
        self.quick_limit: Floats = np.full((self.capacity, 2, 2), -np.inf)
        self.outer: Floats = np.full((self.capacity, 2), -np.inf)
        """The limit of either level that is reached first."""
        self.on_span: Ints = np.zeros((self.capacity, 2, 2), np.int64)
        self.quick_span: Ints = np.zeros((self.capacity, 2, 2), np.int64)
        self.slow_span: Ints = np.zeros((self.capacity, 2, 2), np.int64)
        self.level: NDArray[np.int8] = np.zeros((self.capacity, 2), np.int8)
        self.condition: NDArray[np.int8] = np.zeros((self.capacity, 2), np.int8)
        self.opened_at: Ints = np.zeros((self.capacity, 2), np.int64)
        self.since: Ints = np.zeros((self.capacity, 2), np.int64)
        self.span_max = 0
        self.reasons: dict[tuple[int, int], str] = {}
        """Why an episode is unknown; only while it is."""
        self.entered: dict[tuple[int, int], int] = {}
        """Of open episodes the reading (event time) by which each came to its level."""
        self.raised: set[tuple[int, int]] = set()
        """Open episodes that call as level 2 because they are prolonged."""
        self.prolongs = False
        """Whether any rule may be prolonged."""

    def set_policy(self, slot: int, policy: Policy, metric: str) -> None:
        """Take a patient's rules of this metric: at most one for each side, the last one named.

        A rule that is gone ends its episode with the next deciding reading: everything is within it, at once.
        """
        mine: dict[str, ThresholdRule] = {rule.side: rule for rule in policy.thresholds if rule.metric == metric}
        for side, sign in enumerate(SIGNS):
            rule = mine.get(SIDES[side])
            if rule is None:
                self.limit[slot, side] = self.quick_limit[slot, side] = -np.inf
                self.quick_span[slot, side] = 0
                continue
            self._use(slot, side, rule)
            for at, level in enumerate(rule.levels):
                self.limit[slot, side, at] = level.limit * sign
                self.quick_limit[slot, side, at] = level.quick_limit * sign
                self.on_span[slot, side, at] = level.on_span_us
                self.quick_span[slot, side, at] = level.quick_span_us
                self.slow_span[slot, side, at] = level.slow_span_us
                self.span_max = max(self.span_max, level.on_span_us, level.quick_span_us, level.slow_span_us)
        self.outer[slot] = self.limit[slot].max(axis=1)

    def _use(self, slot: int, side: int, rule: ThresholdRule) -> None:
        number, before = self.kinds.use(rule), int(self.kind[slot, side])
        if before:
            self.kinds.leave(before)
        self.kind[slot, side] = number
        self.prolongs |= rule.levels[0].prolonged_us is not None

    def rule(self, slot: int, side: int) -> ThresholdRule:
        """The rule of a machine that has, or had, one."""
        return self.kinds[int(self.kind[slot, side])]

    def beyond_any(self, slots: Slots, values: Floats) -> Bools:
        """Whether values lie beyond any limit of their slot; all shape (n,)."""
        if (self.outer == -np.inf).all():  # no series of this metric has a limit
            return np.zeros(len(slots), np.bool_)
        low, high = self.outer[slots].T
        return np.asarray((values < low) | (-values < high))

    def open(self, slots: Slots) -> Bools:
        """Whether each slot has an open episode; shape (n,)."""
        if not np.count_nonzero(self.level):
            return np.zeros(len(slots), np.bool_)
        low, high = self.level[slots].T
        return np.asarray((low | high) != 0)

    def asks(self, slot: int, side: int, was: int = 0) -> Level:
        """The level whose priority and response an episode has; ``was`` is the level of one that has ended."""
        level = int(self.level[slot, side]) or was
        return self.rule(slot, side).levels[1 if (slot, side) in self.raised else level - 1]

    def rank(self, slot: int) -> int:
        """The highest priority rank (1 low to 3 high) of a slot's open episodes; 0 where none is open."""
        open_now = [side for side in (0, 1) if self.level[slot, side]]
        return max((PRIORITY_RANK[self.asks(slot, side).priority] for side in open_now), default=0)

    def step(self, ring: Ring, readings: Deciding) -> list[Change]:
        """Move the machines by deciding readings that are already in the ring; tell what changed."""
        changes: list[Change] = []
        for side, sign in enumerate(SIGNS):
            values = readings.values * sign
            touched = self.level[readings.slots, side] > 0
            touched = (touched | (values < self.outer[readings.slots, side])).nonzero()[0]
            if touched.size:
                changes += self._side(ring, readings.some(touched), side, values[touched])
        return changes

    def _side(self, ring: Ring, readings: Deciding, side: int, values: Floats) -> list[Change]:
        slots = readings.slots
        limits = self.limit[slots, side]
        beyond = values[:, None] < limits
        against = Beyond(slots, readings.events, readings.gaps, limits, beyond, SIGNS[side])
        lookback = -(-(self.span_max + int(readings.gaps.max())) // ring.pane_us) + 1
        starts = ring.run_starts(against, min(lookback, ring.size))
        level = self.level[slots, side]
        moved = self._levels(slots, side, values, beyond, readings.events[:, None] - starts)
        out = np.where(moved == 2, beyond[:, 1], beyond[:, 0])
        condition = np.where(moved == 0, OVER, np.where(out, ACTIVE, RETURNING)).astype(np.int8)
        before = self.condition[slots, side]
        opened = ((level == 0) & (moved > 0)).nonzero()[0]
        if opened.size:
            whole = ring.run_starts(against.some(opened), ring.size)
            self.opened_at[slots[opened], side] = readings.events[opened]
            self.since[slots[opened], side] = np.where(beyond[opened, 0], whole[:, 0], whole[:, 1])
        self.level[slots, side] = moved
        self.condition[slots, side] = condition
        rises = self._prolonged(readings, side, (moved == 1) & (level == 1) & (condition == ACTIVE))
        changes = []
        for at in (rises | (moved != level) | (condition != before)).nonzero()[0].tolist():
            change = changed(int(level[at]), int(moved[at]), int(before[at]), int(condition[at]))
            slot = int(slots[at])
            if before[at] == UNKNOWN:
                del self.reasons[slot, side]
            if moved[at] != level[at]:
                self._enter(slot, side, int(readings.events[at]))
            changes.append(Change(slot, side, "rise" if rises[at] else change, int(level[at])))
        return changes

    def _enter(self, slot: int, side: int, event: int) -> None:
        """An episode came to another level by a reading. One that ends keeps what it called as."""
        if self.level[slot, side]:
            self.entered[slot, side] = event
            self.raised.discard((slot, side))
        else:
            del self.entered[slot, side]

    def _prolonged(self, readings: Deciding, side: int, stays: Bools) -> Bools:
        """Whether readings find their episode for so long at level 1, and active, that it rises; shape (m,)."""
        rises = np.zeros(len(stays), np.bool_)
        if not self.prolongs:
            return rises
        for at in stays.nonzero()[0].tolist():
            slot, event = int(readings.slots[at]), int(readings.events[at])
            after = self.rule(slot, side).levels[0].prolonged_us
            if after is None or (slot, side) in self.raised:
                continue
            if event - self.entered[slot, side] >= after:
                self.raised.add((slot, side))
                rises[at] = True
        return rises

    def _levels(self, slots: Slots, side: int, values: Floats, beyond: Bools, spans: Ints) -> NDArray[np.int8]:
        """The level after each reading; ``beyond`` and ``spans`` (of the run that ends at it) have shape (m, 2)."""
        on = beyond & (spans >= self.on_span[slots, side])
        quick = (values[:, None] >= self.quick_limit[slots, side]) & (spans >= self.quick_span[slots, side])
        off = ~beyond & (quick | (spans >= self.slow_span[slots, side]))
        moved: NDArray[np.int8] = self.level[slots, side].copy()
        moved[on[:, 1]] = 2
        moved[(moved == 2) & off[:, 1]] = 1
        moved[(moved == 0) & on[:, 0]] = 1
        moved[(moved == 1) & off[:, 0]] = 0
        return moved

    def lose(self, slot: int, side: int, reason: str) -> Change | None:
        """An open episode turns unknown, or is unknown for another reason; None where nothing changes."""
        level = int(self.level[slot, side])
        if not level or self.reasons.get((slot, side)) == reason:
            return None
        known = self.condition[slot, side] != UNKNOWN
        self.condition[slot, side] = UNKNOWN
        self.reasons[slot, side] = reason
        return Change(slot, side, "unknown" if known else "reason", level)

    def close(self, slot: int, side: int) -> Change:
        """An open episode ends without a reading: somebody closed it."""
        was = int(self.level[slot, side])
        self.level[slot, side], self.condition[slot, side] = 0, OVER
        self.reasons.pop((slot, side), None)
        self.entered.pop((slot, side), None)
        return Change(slot, side, "clear", was)

    def regain(self, slot: int, side: int, value: float) -> Change | None:
        """An unknown episode is known again by its last deciding value, without a new reading."""
        level = int(self.level[slot, side])
        if self.condition[slot, side] != UNKNOWN:
            return None
        out = value * SIGNS[side] < self.limit[slot, side, level - 1]
        self.condition[slot, side] = ACTIVE if out else RETURNING
        self.reasons.pop((slot, side), None)
        return Change(slot, side, "known", level)

    def state(self, order: Slots) -> State:
        """The machines of these slots; reasons by their new numbers."""
        unknown = np.argwhere(self.condition.take(order, axis=0) == UNKNOWN).tolist()
        open_now = np.argwhere(self.level.take(order, axis=0) > 0).tolist()
        rows = self.rows(order)
        kinds, rows["kind"] = self.kinds.counted(rows["kind"])
        return {
            "kinds": kinds,
            "rows": rows,
            "span_max": self.span_max,
            "reasons": [(number, side, self.reasons[int(order[number]), side]) for number, side in unknown],
            "entered": [(number, side, self.entered[int(order[number]), side]) for number, side in open_now],
            "raised": [(number, side) for number, side in open_now if (int(order[number]), side) in self.raised],
        }

    def restore(self, state: State) -> None:
        """Take the machines of a snapshot."""
        kinds = [ThresholdRule.model_validate(rule) for rule in state["kinds"]]
        self.kinds.restore(kinds, state["rows"]["kind"])
        self.prolongs = any(rule.levels[0].prolonged_us is not None for rule in kinds)
        self.put(state["rows"])
        self.span_max = state["span_max"]
        self.reasons = {(slot, side): reason for slot, side, reason in state["reasons"]}
        self.entered = {(slot, side): at for slot, side, at in state["entered"]}
        self.raised = {(slot, side) for slot, side in state["raised"]}


def changed(was: int, level: int, before: int, condition: int) -> EpisodeChange:
    """What to call a machine's step from one level and condition to another."""
    if level > was:
        return "rise" if was else "open"
    if level < was:
        return "lower" if level else "clear"
    if before == UNKNOWN:
        return "known"
    return "active" if condition == ACTIVE else "returning"
