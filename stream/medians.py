"""Window rules of one metric: machines moved by the median of a window at each whole 10 s T (RULES, *Heart rate*).

A patient's rules are columns by name. Medians are exact: twice the median in thousandths is a whole number. A series
is *warm* while a rule of its is open or its ring holds a hot cell, one outside the zone where every rule is off; the
median of others lies in that zone, so only whether there is an evaluation is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from stream.activity import Activity
from stream.artefacts import Artefacts
from stream.coverage import filled, fresh
from stream.gates import Gates
from stream.holds import Holds
from stream.panes import COLD, Ring
from stream.rules import ACTIVE, OVER, RETURNING, UNKNOWN, changed
from stream.series import LONG_AGO, NEVER, Bools, Floats, Ints, Series, Slots, Table
from stream.verdicts import NO_DATA, OFF, ON, Moved, Shown, calm, seen
from vitals.policies import PRIORITY_RANK, GlucoseRule, WindowRule
from vitals.windows import (
    EVALUATE_AFTER_US,
    EVALUATE_EVERY_US,
    UNKNOWN_AFTER_US,
    fresh_span_us,
)

if TYPE_CHECKING:
    from vitals.codecs.state import State
    from vitals.journal import EpisodeChange
    from vitals.policies import Policy

Cells = NDArray[np.int32]
LOST_AFTER_US = UNKNOWN_AFTER_US + EVALUATE_AFTER_US
"""On the site's clock, after the last evaluated T, an open episode turns unknown."""
_SCALE = 2000
"""Twice thousandths, so that the sum of the middle two is whole."""


class Medians(Table):
    """Rules and machines of all series of one metric; columns [slot, rule] or [slot, width]. Times µs."""

    FILL: ClassVar[dict[str, float]] = {"evaluated": LONG_AGO, "eval_at": LONG_AGO}

    def __init__(self, series: Series, ring: Ring, activity: Activity, artefacts: Artefacts) -> None:
        self.series, self.ring, self.artefacts = series, ring, artefacts
        self.gates, self.holds = Gates(activity), Holds()
        self.possible = EVALUATE_EVERY_US % ring.pane_us == 0 and not ring.timed
        """Windows of 10-s steps are whole panes, and the ring knows which readings came late."""
        self.names: list[str] = []
        self.kinds: list[WindowRule] = []
        self._numbers: dict[WindowRule | GlucoseRule, int] = {}
        self.widths: list[int] = []
        self.shown: dict[tuple[int, int], Shown] = {}
        self.reasons: dict[tuple[int, int], str] = {}
        self.restless: dict[tuple[int, int], str] = {}
        """Why the newest T with an evaluation did not count for an open episode; only since the last that did."""
        self.kind: NDArray[np.int32] = np.zeros((self.capacity, 0), np.int32)
        """Number of the rule in ``kinds`` plus one; 0 none; negative: gone, while its episode is open."""
        self.level: NDArray[np.int8] = np.zeros((self.capacity, 0), np.int8)
        self.condition: NDArray[np.int8] = np.zeros((self.capacity, 0), np.int8)
        self.run: NDArray[np.int8] = np.zeros((self.capacity, 0), np.int8)
        self.run_since: Ints = np.zeros((self.capacity, 0), np.int64)
        self.eval_at: Ints = np.zeros((self.capacity, 0), np.int64)
        self.uses: Bools = np.zeros((self.capacity, 0), np.bool_)
        """Whether a rule of ``widths[column]`` applies."""
        self.narrowest: Ints = np.zeros(self.capacity, np.int64)
        """Width of the narrowest rule that applies; 0 where none does."""
        self.evaluated: Ints = np.full(self.capacity, LONG_AGO, np.int64)
        """The latest T with an evaluation by any rule."""
        self.fresh_span: Ints = np.zeros(self.capacity, np.int64)

    # ---- rules

    def set_policy(self, slot: int, policy: Policy) -> None:
        """Take a patient's rules of this metric, for the device worn now; a rule that is gone ends its episode."""
        metric = self.series.metric.name
        mine = {rule.name: rule for rule in policy.windows if rule.metric == metric and self.possible}
        for name, rule in mine.items():
            self._know(name, rule)
        for column, name in enumerate(self.names):
            before = int(self.kind[slot, column])
            gone = -abs(before) if self.level[slot, column] else 0
            self.kind[slot, column] = self._numbers[mine[name]] if name in mine else gone
            if name not in mine:
                self.holds.drop(slot, column)
            elif (slot, column) in self.shown:
                self.shown[slot, column] = self.shown[slot, column]._replace(rule=mine[name])
        self._refresh(slot)

    def _know(self, name: str, rule: WindowRule) -> None:
        """Make columns for a rule's name and width, where there are none yet."""
        if name not in self.names:
            self._widen(("kind", "level", "condition", "run", "run_since", "eval_at"))
            self.names.append(name)
        if rule not in self._numbers:
            self.kinds.append(rule)
            self._numbers[rule] = len(self.kinds)
        if rule.width_us not in self.widths:
            self._widen(("uses",))
            self.widths.append(rule.width_us)

    def _refresh(self, slot: int) -> None:
        """Which windows and limits matter to a slot, by its rules and the interval of its device."""
        interval = int(self.series.interval[slot])
        kept = [self.kinds[abs(kind) - 1] for kind in self.kind[slot].tolist() if kind]
        applying = {rule.width_us for rule in kept if rule.applies(interval)}
        for column, width in enumerate(self.widths):
            self.uses[slot, column] = width in applying
        self.narrowest[slot] = min(applying, default=0)
        self.fresh_span[slot] = fresh_span_us(interval)
        if self.possible:
            self.ring.heat(slot, *calm([rule for rule in kept if rule.width_us in applying]))

    def _widen(self, names: tuple[str, ...]) -> None:
        for name in names:
            old = getattr(self, name)
            fill = np.full((len(old), 1), self.FILL.get(name, 0), old.dtype)
            setattr(self, name, np.concatenate([old, fill], axis=1))

    # ---- evaluations

    def reach(self, slots: Slots) -> tuple[Ints, Ints]:
        """The first and the last T at which the ring allows an evaluation, both shape of ``slots``; none: first > last.

        The windows of earlier T begin before the ring, those of later ones hold no fresh reading.
        """
        pane, head = self.ring.pane_us, self.ring.head[slots]
        ready = (self.narrowest[slots] > 0) & self.series.bound[slots] & (head > LONG_AGO)
        head = np.where(ready, head, 0)
        first = -(-((head - self.ring.size) * pane + self.narrowest[slots]) // EVALUATE_EVERY_US)
        last = (head * pane + self.fresh_span[slots] - 1) // EVALUATE_EVERY_US
        return np.where(ready, first * EVALUATE_EVERY_US, NEVER), np.where(ready, last * EVALUATE_EVERY_US, LONG_AGO)

    def evaluate(self, at: int, slots: Slots) -> tuple[Slots, list[Moved]]:
        """Evaluate T = ``at`` for slots that `reach` it: those with an evaluation, and what changed."""
        warm = (self.ring.hot[slots] > 0) | self._busy(slots)
        done = np.zeros(len(slots), np.bool_)
        moved: list[Moved] = []
        for width, column in sorted(zip(self.widths, range(len(self.widths)), strict=True)):
            some = np.flatnonzero(self.uses[slots, column] & (warm | ~done))
            if not some.size:
                continue
            chosen = slots[some]
            cells = self.ring.cells(chosen, at, width)
            spans, waits_from = self.fresh_span[chosen], self.series.waits_from[chosen]
            good = fresh(cells, self.ring.pane_us, at, spans, waits_from)
            if not np.count_nonzero(good):
                if len(chosen) == len(slots) and width >= int(self.fresh_span[slots].max()):
                    break  # wider windows end with the same panes: nobody's holds a fresh reading
                continue
            good &= filled(cells, self.ring.pane_us, self.series.interval[chosen])
            done[some[good]] = True
            hot = np.flatnonzero(good & warm[some])
            if hot.size:
                moved += self._medians(at, width, chosen[hot], np.abs(cells[hot]))
        evaluated = slots[done]
        self.evaluated[evaluated] = np.maximum(self.evaluated[evaluated], at)
        return evaluated, moved

    def _busy(self, slots: Slots) -> Bools:
        """Whether every median says something: an episode is open or held back, or the usual rate is asked for."""
        return np.asarray(self.level[slots].any(axis=1) | self.holds.any[slots] | (self.gates.usual.place[slots] > 0))

    def _medians(self, at: int, width: int, slots: Slots, cells: Cells) -> list[Moved]:
        """Move the machines of one width, where the median can be outside the calm zone or an episode is open."""
        full = cells > 0
        out = (cells > self.ring.hot_above[slots, None]) | (full & (cells < self.ring.hot_below[slots, None]))
        n = full.sum(axis=1)
        matter = np.flatnonzero(self._busy(slots) | (2 * out.sum(axis=1) >= n))
        slots, n = slots[matter], n[matter]
        ordered = np.sort(np.where(full[matter], cells[matter], COLD), axis=1)
        rows = np.arange(len(slots))
        # exact up to here: the mean of the middle two, from thousandths plus one
        values = (ordered[rows, (n - 1) // 2].astype(np.int64) + ordered[rows, n // 2] - 2) / _SCALE
        moved: list[Moved] = []
        for column in range(len(self.names)):
            kinds = self.kind[slots, column]
            for kind in np.unique(kinds[kinds != 0]).tolist():
                rule = self.kinds[abs(kind) - 1]
                applies = rule.width_us >= 2 * self.series.interval[slots]
                mine = np.flatnonzero((kinds == kind) & applies) if rule.width_us == width else rows[:0]
                if mine.size and kind > 0 and not rule.always:
                    mine = mine[self._counts(at, rule, column, slots[mine], values[mine])]
                if mine.size:
                    moved += self._move(at, rule if kind > 0 else None, column, slots[mine], values[mine])
        return moved

    def _counts(self, at: int, rule: WindowRule, column: int, slots: Slots, values: Floats) -> Bools:
        """Whether T counts for a rule that asks for more than the median; open episodes keep why it did not."""
        counts, why = self.gates.counts(rule, at, slots, values)
        for row in ((self.level[slots, column] > 0) & ~counts).nonzero()[0].tolist():
            self.restless[int(slots[row]), column] = str(why[row])
        return counts

    def _move(self, at: int, rule: WindowRule | None, column: int, slots: Slots, values: Floats) -> list[Moved]:
        """One evaluation of one rule; None is a rule that is gone: it ends."""
        level, successive = self.level[slots, column], 1 if rule is None else rule.successive
        says = self.gates.says(rule, at, slots, values, level > 0)
        joins = (self.eval_at[slots, column] == at - EVALUATE_EVERY_US) & (self.run[slots, column] == says)
        since = np.where(joins, self.run_since[slots, column], at)
        long = (at - since) // EVALUATE_EVERY_US + 1 >= successive
        after = np.where(level > 0, ~((says == OFF) & long), (says == ON) & long).astype(np.int8)
        if rule is not None and (rule.artefact_hold_us or self.holds.held):
            for slot in slots[(says != ON) & self.holds.any[slots]].tolist():
                self.holds.drop(slot, column)
            opens = ((level == 0) & (after > 0)).nonzero()[0]
            found = [self._seen(rule, column, int(slots[row]), float(values[row]), (at, int(since[row])), on=True)
                     for row in opens.tolist()]  # fmt: skip
            after[opens[self._held(rule, at, column, slots[opens], found)]] = 0
        condition = np.where(after == 0, OVER, np.where(says == ON, ACTIVE, RETURNING)).astype(np.int8)
        moved, ended = [], []
        for row in np.flatnonzero((level > 0) | (after > 0)).tolist():
            slot = int(slots[row])
            moved += self._missed(slot, column, at)
            self.restless.pop((slot, column), None)
            times, on = (at, int(since[row])), bool(says[row] == ON)
            shown = self.shown[slot, column] = self._seen(rule, column, slot, float(values[row]), times, on=on)
            was, becomes = int(level[row]), int(after[row])
            if was != becomes or self.condition[slot, column] != condition[row]:
                change = changed(was, becomes, int(self.condition[slot, column]), int(condition[row]))
                known_at = at + EVALUATE_AFTER_US
                moved.append(Moved(slot, column, change, becomes, int(condition[row]), at, known_at, shown))
            self.reasons.pop((slot, column), None)
            if not becomes:
                ended.append(slot)
        self.run[slots, column], self.run_since[slots, column] = says, since
        self.eval_at[slots, column] = at
        self.level[slots, column], self.condition[slots, column] = after, condition
        for slot in ended:
            self._over(slot, column)
        return moved

    def _seen(
        self, rule: WindowRule | None, column: int, slot: int, value: float, times: tuple[int, int], *, on: bool
    ) -> Shown:
        """What an episode shows after T, the first of ``times``; the second is the first T of its row (µs)."""
        limit, beside = self.gates.limit(rule, times[0], slot, value), self.gates.beside(rule, times[0], slot)
        return seen(self.shown.get((slot, column)), rule, value, times, limit)._replace(beyond=on, beside=beside)

    def _held(self, rule: WindowRule, at: int, column: int, slots: Slots, found: list[Shown]) -> Bools:
        """Which of these openings at T artefact holds back; shape of ``slots``."""
        if not found:
            return np.zeros(0, np.bool_)
        hold_us, suspect = rule.artefact_hold_us, np.zeros(len(slots), np.bool_)
        if hold_us:
            suspect = self.artefacts.mostly(slots, at, rule.width_us)
        places = zip(slots.tolist(), found, suspect.tolist(), strict=True)
        return np.array(
            [self.holds.put_off(slot, column, each, hold_us=hold_us, suspect=odd) for slot, each, odd in places]
        )

    def release(self, slot: int, clock: int) -> list[Moved]:
        """What has been held for as long as may be opens, whether there was an evaluation or not: by the rule that is
        in force now, unless what is held is not beyond its limit.
        """
        moved = []
        for column, held in self.holds.take(slot, clock):
            rule, told = self.kinds[int(self.kind[slot, column]) - 1], held.shown
            limit = self.gates.limit(rule, told.value_at, slot, told.value)
            if limit is None or not rule.applies(int(self.series.interval[slot])):
                continue
            shown = self.shown[slot, column] = told._replace(rule=rule, opened_at=held.until, limit=limit)
            self.level[slot, column], self.condition[slot, column] = 1, ACTIVE
            known_at, width = held.until + EVALUATE_AFTER_US, cast("WindowRule", told.rule).width_us
            moved.append(Moved(slot, column, "open", 1, ACTIVE, held.until, known_at, shown, width_us=width))
        return moved

    def _over(self, slot: int, column: int) -> None:
        """An episode has ended, and with it a rule that is gone."""
        del self.shown[slot, column]
        self.restless.pop((slot, column), None)
        if self.kind[slot, column] < 0:
            self.kind[slot, column] = 0
            self._refresh(slot)

    def _missed(self, slot: int, column: int, at: int) -> list[Moved]:
        """A jump of the clock made T after a minute without one: the episode was unknown meanwhile."""
        due = int(self.eval_at[slot, column]) + LOST_AFTER_US
        if not self.level[slot, column] or self.condition[slot, column] == UNKNOWN or due >= at + EVALUATE_AFTER_US:
            return []
        lost = self.forget(slot, column, due)
        return [] if lost is None else [lost]

    # ---- what is open

    def rank(self, slot: int) -> int:
        """The highest priority rank (1 low to 3 high) of a slot's open episodes; 0 where none is open."""
        open_now = np.flatnonzero(self.level[slot]).tolist()
        return max((PRIORITY_RANK[self.shown[slot, column].rule.priority] for column in open_now), default=0)

    def lost_at(self, slots: Slots) -> Ints:
        """When each known open episode turns unknown, NEVER where none is; shape (n, rules)."""
        known = (self.level[slots] > 0) & (self.condition[slots] != UNKNOWN)
        return np.where(known, self.eval_at[slots] + LOST_AFTER_US, NEVER)

    def forget(self, slot: int, column: int, at: int) -> Moved | None:
        """An open episode has had its minute without an evaluation, or without one that counts."""
        return self.lose(slot, column, self.restless.get((slot, column), NO_DATA), at)

    def overdue(self, slot: int, column: int, clock: int) -> bool:
        """Whether the last evaluated T is too long ago at ``clock`` (µs)."""
        return int(self.eval_at[slot, column]) + LOST_AFTER_US <= clock

    def lose(self, slot: int, column: int, reason: str, at: int) -> Moved | None:
        """An open episode turns unknown, or is unknown for another reason; None where nothing changes."""
        if not self.level[slot, column] or self.reasons.get((slot, column)) == reason:
            return None
        known = self.condition[slot, column] != UNKNOWN
        self.condition[slot, column] = UNKNOWN
        self.reasons[slot, column] = reason
        change: EpisodeChange = "unknown" if known else "reason"
        return Moved(slot, column, change, 1, UNKNOWN, at, at, self.shown[slot, column], reason)

    def close(self, slot: int, column: int, reason: str, at: int) -> Moved:
        """An open episode ends without an evaluation: somebody closed it."""
        shown = self.shown[slot, column]
        self.level[slot, column], self.condition[slot, column] = 0, OVER
        self.reasons.pop((slot, column), None)
        self._over(slot, column)
        return Moved(slot, column, "clear", 0, OVER, at, at, shown, reason)

    def regain(self, slot: int, column: int, at: int) -> Moved | None:
        """An unknown episode is known again by its last median, without a new one."""
        if self.condition[slot, column] != UNKNOWN:
            return None
        shown = self.shown[slot, column]
        condition = ACTIVE if shown.beyond else RETURNING
        self.condition[slot, column] = condition
        self.reasons.pop((slot, column), None)
        return Moved(slot, column, "known", 1, condition, at, at, shown)

    # ---- snapshots

    def state(self, order: Slots) -> State:
        """The machines of these slots; what is open, and why it is unknown, by their new numbers."""
        open_now = np.argwhere(self.level.take(order, axis=0) != 0).tolist()
        places = [(number, int(order[number]), column) for number, column in open_now]
        shown = [(number, column, self.shown[slot, column]) for number, slot, column in places]
        reasons = [(number, column, self.reasons.get((slot, column))) for number, slot, column in places]
        return {
            "kinds": list(self.kinds),
            "rows": self.rows(order),
            "shown": [(number, column, self._numbers[each.rule], *each[1:]) for number, column, each in shown],
            "reasons": [each for each in reasons if each[2] is not None],
            "holds": self.holds.state(order, self._numbers),
            "restless": [
                (number, column, self.restless[slot, column])
                for number, slot, column in places
                if (slot, column) in self.restless
            ],
        }

    def restore(self, state: State) -> None:
        """Take the machines of a snapshot. Every rule was known by name first, so its columns come in their order."""
        for rule in state["kinds"]:
            known = WindowRule.model_validate(rule)
            self._know(known.name, known)
        self.put(state["rows"])
        self.shown = {
            (slot, column): Shown(self.kinds[number - 1], *shown) for slot, column, number, *shown in state["shown"]
        }
        self.reasons = {(slot, column): reason for slot, column, reason in state["reasons"]}
        self.holds.restore(state["holds"], self.kinds)
        self.restless = {(slot, column): reason for slot, column, reason in state["restless"]}
