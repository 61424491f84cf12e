"""Window rules of one metric: machines moved by the median of a window at each whole 10 s T (RULES, *Heart rate*).

Medians are exact: twice the median in thousandths is a whole number. A series is *warm* while a rule of its is open or
its ring holds a hot cell, one outside the zone where every rule is off; the median of others lies in that zone, so
only whether there is an evaluation is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from stream.activity import Activity
from stream.artefacts import Artefacts
from stream.columns import Columns, read, written
from stream.coverage import filled, fresh
from stream.gates import Gates
from stream.holds import Holds
from stream.panes import COLD, Ring
from stream.rules import ACTIVE, OVER, RETURNING, UNKNOWN, changed
from stream.series import LONG_AGO, NEVER, Bools, Floats, Ints, Series, Slots
from stream.verdicts import NO_DATA, OFF, ON, Moved, Shown, calm, seen
from vitals.policies import WindowRule
from vitals.windows import (
    EVALUATE_AFTER_US,
    EVALUATE_EVERY_US,
    UNKNOWN_AFTER_US,
    fresh_span_us,
)

if TYPE_CHECKING:
    from vitals.codecs.state import State
    from vitals.policies import Policy

Cells = NDArray[np.int32]
LOST_AFTER_US = UNKNOWN_AFTER_US + EVALUATE_AFTER_US
"""On the site's clock, after the last evaluated T, an open episode turns unknown."""
_SCALE = 2000
"""Twice thousandths, so that the sum of the middle two is whole."""


class Medians(Columns[WindowRule]):
    """Rules and machines of all series of one metric; arrays are [slot, column] or [slot, width]. Times µs."""

    FILL: ClassVar[dict[str, float]] = {"evaluated": LONG_AGO, "eval_at": LONG_AGO}
    BY_COLUMN = (*Columns.BY_COLUMN, "run", "run_since", "eval_at")

    def __init__(self, series: Series, ring: Ring, activity: Activity, artefacts: Artefacts) -> None:
        super().__init__()
        self.series, self.ring, self.artefacts = series, ring, artefacts
        self.gates, self.holds = Gates(activity), Holds()
        self.possible = EVALUATE_EVERY_US % ring.pane_us == 0 and not ring.timed
        """Windows of 10-s steps are whole panes, and the ring knows which readings came late."""
        self.widths: list[int] = []
        """Those of all rules, ascending, and of such as nobody has any more until another comes."""
        self.restless: dict[tuple[int, int], str] = {}
        """Why the newest T with an evaluation did not count for an open episode; only since the last that did."""
        self.run: NDArray[np.int8] = np.zeros((self.capacity, 0), np.int8)
        self.run_since: Ints = np.zeros((self.capacity, 0), np.int64)
        self.eval_at: Ints = np.zeros((self.capacity, 0), np.int64)
        self.uses: Bools = np.zeros((self.capacity, 0), np.bool_)
        """Whether a rule of ``widths[column]`` applies."""
        self.narrowest: Ints = np.zeros(self.capacity, np.int64)
        """Width of the narrowest rule that applies; 0 where none does."""
        self.evaluated: Ints = np.full(self.capacity, LONG_AGO)
        """The latest T with an evaluation by any rule."""
        self.fresh_span: Ints = np.zeros(self.capacity, np.int64)

    # ---- rules

    def set_policy(self, slot: int, policy: Policy) -> None:
        """Take a patient's rules of this metric, for the device worn now; a rule that is gone ends its episode."""
        metric = self.series.metric.name
        rules = (rule for rule in policy.windows if rule.metric == metric and self.possible)
        for column, _, now in self.take(slot, rules):
            if now is None:
                self.holds.drop(slot, column)
            elif now.width_us not in self.widths:
                self._widen()
        self._refresh(slot)

    def _widen(self) -> None:
        """Have a column of ``uses`` for each width that a rule has, and for no other."""
        widths = sorted({rule.width_us for rule in self.kinds})
        uses = np.zeros((len(self.uses), len(widths)), np.bool_)
        for column, width in enumerate(widths):
            if width in self.widths:
                uses[:, column] = self.uses[:, self.widths.index(width)]
        self.widths, self.uses = widths, uses

    def _refresh(self, slot: int) -> None:
        """Which windows and limits matter to a slot, by its rules and the interval of its device."""
        interval = int(self.series.interval[slot])
        kept = [self.kinds[abs(kind)] for kind in self.kind[slot].tolist() if kind]
        applying = {rule.width_us for rule in kept if rule.applies(interval)}
        for column, width in enumerate(self.widths):
            self.uses[slot, column] = width in applying
        self.narrowest[slot] = min(applying, default=0)
        self.fresh_span[slot] = fresh_span_us(interval)
        if self.possible:
            self.ring.heat(slot, *calm([rule for rule in kept if rule.width_us in applying]))

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
        done, asks = np.zeros(len(slots), np.bool_), np.ones(len(slots), np.bool_)
        moved: list[Moved] = []
        for column, width in enumerate(self.widths):
            some = np.flatnonzero(self.uses[slots, column] & asks)
            if not some.size:
                continue
            chosen = slots[some]
            cells = self.ring.cells(chosen, at, width)
            spans, waits_from = self.fresh_span[chosen], self.series.waits_from[chosen]
            good = fresh(cells, self.ring.pane_us, at, spans, waits_from)
            asks[some] = good | (spans > width)  # wider windows end with the same panes
            if not np.count_nonzero(good):
                continue
            good &= filled(cells, self.ring.pane_us, self.series.interval[chosen])
            done[some[good]] = True
            hot = np.flatnonzero(good & warm[some])
            if hot.size:
                moved += self._medians(at, width, chosen[hot], np.abs(cells[hot]))
            asks &= warm | ~done
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
        ordered = np.sort(np.where(full[matter], cells[matter], COLD))
        rows = np.arange(len(slots))
        # exact up to here: the mean of the middle two, from thousandths plus one
        values = (ordered[rows, (n - 1) // 2] + ordered[rows, n // 2] - 2) / _SCALE
        moved: list[Moved] = []
        for column in self.columns:
            kinds = self.kind[slots, column]
            for kind in np.unique(kinds[kinds != 0]).tolist():
                rule = self.kinds[abs(kind)]
                if rule.width_us != width:
                    continue
                mine, now = np.flatnonzero(kinds == kind), rule if kind > 0 else None
                if now is not None and not now.always:
                    mine = mine[self._counts(at, now, column, slots[mine], values[mine])]
                if mine.size:
                    moved += self._move(at, now, column, slots[mine], values[mine])
        return moved

    def _counts(self, at: int, rule: WindowRule, column: int, slots: Slots, values: Floats) -> Bools:
        """Whether T counts for a rule that asks for more than the median; open episodes keep why it did not."""
        self.gates.end_nights(rule, at, slots)
        counts, why, rests = self.gates.counts(rule, at, slots)
        self.gates.keep_night(rule, at, slots[rests], values[rests])
        for row in ((self.level[slots, column] > 0) & ~counts).nonzero()[0].tolist():
            self.restless[int(slots[row]), column] = str(why[row])
        return counts

    def _move(self, at: int, rule: WindowRule | None, column: int, slots: Slots, values: Floats) -> list[Moved]:
        """One evaluation of one rule; None is a rule that is gone: it ends."""
        level, successive = self.level[slots, column], 1 if rule is None else rule.successive
        says = self.gates.says(rule, at, slots, values, level > 0)
        joins = (self.eval_at[slots, column] == at - EVALUATE_EVERY_US) & (self.run[slots, column] == says)
        since = np.where(joins, self.run_since[slots, column], at)
        long = at - since >= (successive - 1) * EVALUATE_EVERY_US
        after = np.where(level > 0, ~((says == OFF) & long), (says == ON) & long)
        if rule is not None and (rule.artefact_hold_us or self.holds.held):
            for slot in slots[(says != ON) & self.holds.any[slots]].tolist():
                self.holds.drop(slot, column)
            opens = ((level == 0) & after).nonzero()[0]
            found = [self._seen(rule, column, int(slots[row]), float(values[row]), (at, int(since[row])), on=True)
                     for row in opens.tolist()]  # fmt: skip
            after[opens[self._held(rule, at, column, slots[opens], found)]] = False
        condition = np.where(after, np.where(says == ON, ACTIVE, RETURNING), OVER)
        moved, ended = [], []
        for row in np.flatnonzero((level > 0) | after).tolist():
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
            self.over(slot, column)
        return moved

    def _seen(
        self, rule: WindowRule | None, column: int, slot: int, value: float, times: tuple[int, int], *, on: bool
    ) -> Shown:
        """What an episode shows after T, the first of ``times``; the second is the first T of its row (µs)."""
        limit, beside = self.gates.limit(rule, times[0], slot, value), self.gates.beside(rule, times[0], slot)
        shown = seen(self.shown.get((slot, column)), rule, value, times, limit)
        return shown._replace(rule=self.rule(slot, column), beyond=on, beside=beside)

    def _held(self, rule: WindowRule, at: int, column: int, slots: Slots, found: list[Shown]) -> Bools:
        """Which of these openings at T artefact holds back; shape of ``slots``."""
        if not found:
            return np.zeros(0, np.bool_)
        width_us, hold_us = rule.width_us, rule.artefact_hold_us
        odd = self.artefacts.mostly(slots, at, width_us).tolist() if hold_us else [False] * len(found)
        put_off = self.holds.put_off
        return np.array(
            [
                put_off(int(slots[row]), column, each, width_us=width_us, hold_us=hold_us, suspect=odd[row])
                for row, each in enumerate(found)
            ]
        )

    def release(self, slot: int, clock: int) -> list[Moved]:
        """What has been held for as long as may be opens, whether there was an evaluation or not: by the rule that is
        in force now, unless what is held is not beyond its limit.
        """
        moved = []
        for column, held in self.holds.take(slot, clock):
            rule, told = self.rule(slot, column), held.shown
            limit = self.gates.limit(rule, told.value_at, slot, told.value)
            if limit is None or not rule.applies(int(self.series.interval[slot])):
                continue
            shown = self.shown[slot, column] = told._replace(rule=rule, opened_at=held.until, limit=limit)
            self.level[slot, column], self.condition[slot, column] = 1, ACTIVE
            known_at = held.until + EVALUATE_AFTER_US
            moved.append(Moved(slot, column, "open", 1, ACTIVE, held.until, known_at, shown, width_us=held.width_us))
        return moved

    def over(self, slot: int, column: int) -> None:
        """See `Columns.over`: the widths of a rule that is gone matter no more."""
        self.restless.pop((slot, column), None)
        gone = self.kind[slot, column] < 0
        super().over(slot, column)
        if gone:
            self._refresh(slot)

    def _missed(self, slot: int, column: int, at: int) -> list[Moved]:
        """A jump of the clock made T after a minute without one: the episode was unknown meanwhile."""
        due = int(self.eval_at[slot, column]) + LOST_AFTER_US
        if not self.level[slot, column] or self.condition[slot, column] == UNKNOWN or due >= at + EVALUATE_AFTER_US:
            return []
        lost = self.forget(slot, column, due)
        return [] if lost is None else [lost]

    # ---- what is open

    def due(self, slots: Slots) -> Ints:
        """When the last evaluated T is too long ago (µs), shape (n, columns)."""
        return self.eval_at[slots] + LOST_AFTER_US

    def forget(self, slot: int, column: int, at: int) -> Moved | None:
        """An open episode has had its minute without an evaluation, or without one that counts."""
        return self.lose(slot, column, self.restless.get((slot, column), NO_DATA), at)

    # ---- snapshots

    def state(self, order: Slots) -> State:
        """See `Columns.state`."""
        state, places = super().state(order), self.places(order)
        widths = sorted({rule.width_us for _, rule in state["kinds"]})
        state["rows"]["uses"] = state["rows"]["uses"][:, [self.widths.index(width) for width in widths]]
        return state | {
            "holds": self.holds.state(order, self.used(order)),
            "restless": written(self.restless, places),
        }

    def restore(self, state: State) -> None:
        """See `Columns.restore`."""
        super().restore(state)
        self.holds.restore(state["holds"], self.rule)
        self.restless = read(state["restless"])

    def put(self, rows: State) -> None:
        """See `Table.put`: the rules are there, so ``uses`` can have a column for each width."""
        self._widen()
        super().put(rows)
