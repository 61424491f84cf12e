"""The ring of panes: the newest readings of every series of one metric, one per pane of event time.

Pane ``k`` is the interval ((k - 1) p, k p] of event time, p the metric's pane width, so that a window
(T - W, T] is whole panes. The first row in the log takes a pane's slot; a later one of the same pane is in no
window and no run. The ring reaches ``panes`` panes back from the newest usable event time of the series, its *head*.

A cell holds the value in thousandths of the canonical unit plus one (0 is empty). Rings for threshold rules (*timed*)
also keep the whole value that rules see plus one, and the distance of the event time from the pane's end. In the
others, for window rules, a cell is negative where the reading came late, and *hot* beyond the series' `hot_below` or
`hot_above`; hot cells are counted as they come and go, so that nobody looks for a median where none can be beyond.

Of panes that a closed window may have passed (``passed``) it notes which were filled, or lie beyond its reach: see
`stream.revisions`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.series import LONG_AGO, Bools, Floats, Ints, Slots, Table

if TYPE_CHECKING:
    from vitals.codecs.state import State
    from vitals.metrics import Metric

MILLIS_MAX = 2_000_000
"""No valid value lies above 2,000 canonical units; a cell saturates there."""


COLD = np.iinfo(np.int32).max
"""No cell lies above."""


def thousandths(value: float) -> int:
    """A canonical value as a cell holds it, in thousandths."""
    return math.floor(min(max(value, 0), MILLIS_MAX / 1000) * 1000 + 0.5)


def _between(values: Floats, most: float) -> Floats:
    """Values, none below 0 or above ``most``: ``np.clip`` costs several times as much for a row or two."""
    return np.minimum(np.maximum(values, 0), most)


def millis_of(values: Floats) -> NDArray[np.int32]:
    """The cells of canonical values, same shape: thousandths plus one."""
    return np.floor(_between(values, MILLIS_MAX / 1000) * 1000 + 0.5).astype(np.int32) + 1


class Beyond(NamedTuple):
    """Deciding readings against both limits of one side of a rule, one per slot; low is +1, high is -1.

    ``slots``, ``events`` (µs), ``gaps`` (µs): shape (m,). ``limits`` (times ``sign``) and ``beyond``: (m, 2).
    """

    slots: Slots
    events: Ints
    gaps: Ints
    limits: Floats
    beyond: Bools
    sign: int

    def some(self, at: Slots) -> Beyond:
        """Those at an index array."""
        return Beyond(self.slots[at], self.events[at], self.gaps[at], self.limits[at], self.beyond[at], self.sign)


class Ring(Table):
    """The panes of all series of one metric; rows are slots."""

    FILL: ClassVar[dict[str, float]] = {"head": LONG_AGO, "hot_above": COLD}

    def __init__(self, metric: Metric, *, timed: bool) -> None:
        self.pane_us = metric.pane_us
        self.size = metric.panes
        self.timed = timed
        self.head: Ints = np.full(self.capacity, LONG_AGO, np.int64)
        self.millis: NDArray[np.int32] = np.zeros((self.capacity, self.size), np.int32)
        cells = self.size if timed else 0
        self.whole: NDArray[np.uint16] = np.zeros((self.capacity, cells), np.uint16)
        self.before_end: NDArray[np.int32] = np.zeros((self.capacity, cells), np.int32)
        self.hot_below: NDArray[np.int32] = np.zeros(self.capacity, np.int32)
        self.hot_above: NDArray[np.int32] = np.full(self.capacity, COLD, np.int32)
        self.hot: NDArray[np.int32] = np.zeros(self.capacity, np.int32)
        self._hot_cells = 0
        self.passed = LONG_AGO
        """The newest pane that a closed window may have looked at; moved by who closes them."""
        self.noted: list[tuple[Slots, Ints]] = []
        """Slots and panes up to ``passed`` that were filled or out of reach, until who closes windows takes them."""

    def heat(self, slot: int, below: int, above: int) -> None:
        """From here on the cells of a series are hot below and above these (thousandths plus one)."""
        self.hot_below[slot], self.hot_above[slot] = below, above
        cells = np.abs(self.millis[slot])
        count = int(((cells > 0) & ((cells < below) | (cells > above))).sum())
        self._hot_cells += count - int(self.hot[slot])
        self.hot[slot] = count

    def rows(self, order: Slots) -> State:
        """The panes of these slots. Where a cell is empty, nothing of what was in it is left."""
        rows = super().rows(order)
        if self.timed:
            rows["before_end"][rows["millis"] == 0] = 0
        return rows

    def put(self, rows: State) -> None:
        """Take the panes of a snapshot."""
        super().put(rows)
        self._hot_cells = int(self.hot.sum())

    def write(self, slots: Slots, events: Ints, values: Floats, wholes: Floats, stale: Bools) -> Slots:
        """Fill panes with usable readings in log order; all shape (n,), a slot may repeat. Returns which of them lie in
        a pane now that was empty, the last first: of several in one pane the last of these counts.

        The result does not depend on how a sequence of rows is cut into calls. ``values`` are canonical,
        ``wholes`` what rules see, ``stale`` which came late.
        """
        numbers = -(-events // self.pane_us)
        if int(numbers.min()) <= self.passed:
            self._note(slots, numbers)
        self._advance(slots, numbers)
        reached = (numbers > self.head[slots] - self.size).nonzero()[0]
        cells = numbers % self.size
        free: Slots = reached[self.millis[slots[reached], cells[reached]] == 0][::-1]
        # of repeated indices numpy keeps the last value assigned: reversed, that is the first in the log
        where = slots[free], cells[free]
        millis = millis_of(values[free])
        if self.timed:
            self.millis[where] = millis
            self.whole[where] = _between(wholes[free], MILLIS_MAX // 1000).astype(np.uint16) + 1
            self.before_end[where] = (numbers[free] * self.pane_us - events[free]).astype(np.int32)
            return free
        self.millis[where] = np.where(stale[free], -millis, millis)
        hot = (millis > self.hot_above[where[0]]) | (millis < self.hot_below[where[0]])
        if np.count_nonzero(hot):
            self._heat_up(np.unique(where[0][hot] * self.size + where[1][hot]))
        return free

    def _note(self, slots: Slots, numbers: Ints) -> None:
        """Note the panes up to ``passed`` that these rows fill, or find beyond the head that is theirs in log order."""
        old = np.flatnonzero(numbers <= self.passed)
        before = self.head[slots]
        where, panes, head = slots[old], numbers[old], before[old]
        if int(panes.min()) > max(int(numbers.max()), int(before.max())) - self.size:
            beyond = np.zeros(len(old), np.bool_)
        else:
            beyond = panes <= self._heads(slots, numbers, before)[old] - self.size
        held = (panes > head - self.size) & (panes <= head) & (self.millis[where, panes % self.size] != 0)
        news = beyond | ~held
        if np.count_nonzero(news):
            self.noted.append((where[news], panes[news]))

    @staticmethod
    def _heads(slots: Slots, numbers: Ints, before: Ints) -> Ints:
        """The head of each row's series once the row is in, for rows in log order; all (n,)."""
        order = np.argsort(slots, kind="stable")
        series, count = slots[order], len(slots) + 1
        known, ranks = np.unique(np.maximum(numbers, before)[order], return_inverse=True)
        group = np.concatenate([[0], np.cumsum(series[1:] != series[:-1])])
        heads = np.empty(len(slots), np.int64)
        heads[order] = known[np.maximum.accumulate(group * count + ranks) - group * count]
        return heads

    def _heat_up(self, cells: Slots) -> None:
        """Count cells (slot * size + cell, each once) that may be hot: a pane's second row did not get its cell."""
        hot = cells[self._is_hot(cells // self.size, np.abs(self.millis.ravel()[cells]))]
        np.add.at(self.hot, hot // self.size, 1)
        self._hot_cells += len(hot)

    def _is_hot(self, slots: Slots, cells: NDArray[np.int32]) -> Bools:
        return np.asarray((cells > 0) & ((cells > self.hot_above[slots]) | (cells < self.hot_below[slots])))

    def _advance(self, slots: Slots, numbers: Ints) -> None:
        """Move heads to the newest pane and empty what they pass."""
        old = self.head[slots]
        np.maximum.at(self.head, slots, numbers)
        moved = (self.head[slots] > old).nonzero()[0]
        if not moved.size:
            return
        series, before = self._each_once(slots[moved], old[moved])
        head = self.head[series]
        passed = np.minimum(head - before, self.size)
        least = int(passed.min())
        if least == int(passed.max()):
            numbers = head[:, None] - np.arange(least)
            where = np.repeat(series, least), numbers.ravel() % self.size
        else:
            owner = np.repeat(np.arange(len(series)), passed)
            back = np.arange(len(owner)) - np.repeat(np.cumsum(passed) - passed, passed)
            where = series[owner], (head[owner] - back) % self.size
        if self._hot_cells:
            gone = where[0][self._is_hot(where[0], np.abs(self.millis[where]))]
            np.subtract.at(self.hot, gone, 1)
            self._hot_cells -= len(gone)
        self.millis[where] = 0
        if self.timed:
            self.whole[where] = 0

    def _each_once(self, slots: Slots, old: Ints) -> tuple[Slots, Ints]:
        """Every slot once, ascending, with its old head; cheaper than sorting."""
        if len(slots) == 1:
            return slots, old
        among = np.zeros(self.capacity, np.bool_)
        among[slots] = True
        heads = np.empty(self.capacity, np.int64)
        heads[slots] = old
        series = among.nonzero()[0]
        return series, heads[series]

    def window(self, slots: Slots, end: int, width: int) -> tuple[Ints, Bools]:
        """Thousandths (0 where empty) and filled cells of (end - width, end], both (n, width / pane).

        A series whose ring no longer reaches the window's first pane has no filled cell.
        """
        cells = np.abs(self.cells(slots, end, width))
        filled = cells > 0
        return np.where(filled, cells.astype(np.int64) - 1, 0), filled

    def cells(self, slots: Slots, end: int, width: int) -> NDArray[np.int32]:
        """The cells of (end - width, end], 0 where empty, oldest first; shape (n, width / pane)."""
        last = end // self.pane_us
        first, head = last - width // self.pane_us + 1, self.head[slots]
        cells = self.strip(slots, first, last)
        if first <= int(head.max(initial=LONG_AGO)) - self.size:
            cells[first <= head - self.size] = 0
        return cells

    def strip(self, slots: Slots, first: int, last: int) -> NDArray[np.int32]:
        """The cells of the panes from ``first`` to ``last``, 0 where empty; shape (n, last - first + 1). What the ring
        no longer reaches holds anything.
        """
        head, count, at = self.head[slots], last - first + 1, 0
        cells = np.empty((len(slots), count), np.int32)
        while at < count:
            begin = (first + at) % self.size
            until = min(at + self.size - begin, count)
            cells[:, at:until] = self.millis[slots, begin : begin + until - at]
            at = until
        beyond = min(count, last - int(head.min(initial=last)))
        if beyond > 0:  # so many of the last panes are beyond some series' head: what is there is of long ago
            cells[:, -beyond:] *= np.arange(last - beyond + 1, last + 1) <= head[:, None]
        return cells

    def newest(self, slots: Slots, panes: int) -> tuple[NDArray[np.int32], Ints]:
        """The cells up to each series' head (0 where empty) and the event times (µs) of what they hold, oldest first,
        both shape (n, panes); of a timed ring.
        """
        numbers = self.head[slots][:, None] - np.arange(panes - 1, -1, -1)
        where = slots[:, None], numbers % self.size
        return self.millis[where], numbers * self.pane_us - self.before_end[where]

    def begin(self, slot: int, span_us: int) -> int:
        """From when (event time µs) readings stand in the last panes of a span, the head's being the last of them."""
        return (int(self.head[slot]) - span_us // self.pane_us) * self.pane_us + 1

    def reaches(self, slots: Slots, starts: Ints) -> Bools:
        """Whether the ring holds nothing from before these times (µs), so that a run which begins then may be longer;
        shape of ``slots``.
        """
        cells, at = self.newest(slots, self.size)
        return np.asarray(~((cells > 0) & (at < starts[:, None])).any(axis=1))

    def before(self, slot: int, at: int) -> list[tuple[int, int, int]]:
        """The readings before an event time (µs), newest first: event time, whole value, thousandths. Timed rings."""
        head = int(self.head[slot])
        numbers = np.arange(head, head - self.size, -1)
        cells = numbers % self.size
        filled = self.millis[slot, cells] > 0
        numbers, cells = numbers[filled], cells[filled]
        events = numbers * self.pane_us - self.before_end[slot, cells]
        wholes, millis = self.whole[slot, cells].astype(np.int64) - 1, self.millis[slot, cells] - 1
        found = zip(events.tolist(), wholes.tolist(), millis.tolist(), strict=True)
        return [each for each in found if each[0] < at]

    def run_starts(self, readings: Beyond, panes: int) -> Ints:
        """Event time (µs) at which the run that ends at each reading began, for both limits; shape (m, 2).

        A run is the longest sequence by event time, as the ring knows it now, of readings on the same side of the
        limit without a step above the gap. The reading itself always belongs to it, also where an earlier row
        already has its pane. Looks ``panes`` back. The readings must be the newest of their series and written.
        """
        slots, events = readings.slots[:, None], readings.events[:, None]
        numbers = self.head[readings.slots][:, None] - np.arange(panes)
        cells = numbers % self.size
        whole = self.whole[slots, cells].astype(np.int64)
        at = numbers * self.pane_us - self.before_end[slots, cells]
        filled = (whole > 0) & (at < events)
        signed = (whole - 1) * readings.sign
        earliest = np.minimum.accumulate(np.where(filled, at, events), axis=1)
        follower = np.concatenate([events, earliest[:, :-1]], axis=1)
        gap = filled & (follower - at > readings.gaps[:, None])
        starts = np.empty((len(events), 2), np.int64)
        for level in (0, 1):
            other = (signed < readings.limits[:, level, None]) != readings.beyond[:, level, None]
            ended = np.logical_or.accumulate(gap | (filled & other), axis=1)
            starts[:, level] = np.where(filled & ~ended, at, events).min(axis=1)
        return starts
