"""Closed windows that a later row has changed: what is to be written again, and what only stored readings still tell.

A row that fills a pane (or lies beyond the ring) which a closed window of its site has looked at makes that window
*pending*. When the site's clock closes the next window of the same kind, the pending ones are written again first, each
once: however many rows came since, and however the log was polled. So a backlog of a day costs what its windows cost.
Those whose first pane the ring no longer reaches are named by dirty marks, as are windows that a clock passes only
when the newest reading has already left them behind.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from stream.series import LONG_AGO
from vitals.metrics import SECOND_US
from vitals.windows import DIRTY, IS_DIRTY, WINDOW, WINDOWS, WindowSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from stream.panes import Ring
    from stream.series import Ints, Series, Slots
    from vitals.codecs.state import State

_Number = TypeVar("_Number", int, "Ints")
_END_BITS = 40
"""Seconds of all of time that a reading may have (the years 1 to 9999), and bits to spare for 2^23 slots."""
_FIRST = np.ones(1, np.bool_)
Pairs = tuple["Slots", "Ints"]
"""Slots and ends (µs), both (n,)."""
_NO_PAIRS: Pairs = np.zeros(0, np.intp), np.zeros(0, np.int64)
_NO_SPANS: Pairs = np.zeros(0, np.intp), np.zeros((0, 2), np.int64)


class Pending:
    """The first pending end of each step of event time, by kind of window, of one metric."""

    def __init__(self, ring: Ring, specs: tuple[WindowSpec, ...]) -> None:
        self._ring = ring
        self._specs = specs
        self._step_us = gcd(*(spec.step_us for spec in specs))
        self._pairs = {spec.code: _NO_PAIRS for spec in specs}

    def gather(self, closed_of: Callable[[WindowSpec, Slots], Ints]) -> None:
        """Take what the ring has noted; ``closed_of`` gives the newest closed end (µs) at the site of each slot."""
        if not self._ring.noted:
            return
        slots = np.concatenate([each for each, _ in self._ring.noted])
        panes = np.concatenate([each for _, each in self._ring.noted])
        self._ring.noted.clear()
        slots, steps = _unique(slots, -(-panes * self._ring.pane_us // self._step_us) * self._step_us)
        found = {self._step_us: (slots, steps)}
        for spec in self._specs:
            if spec.step_us not in found:
                found[spec.step_us] = _distinct(slots, -(-steps // spec.step_us) * spec.step_us)
            series, ends = found[spec.step_us]
            some = ends <= closed_of(spec, series)
            if np.count_nonzero(some):
                pairs, before = (series[some], ends[some]), self._pairs[spec.code]
                if len(before[0]):
                    pairs = _unique(np.concatenate([before[0], pairs[0]]), np.concatenate([before[1], pairs[1]]))
                self._pairs[spec.code] = pairs

    def take(self, spec: WindowSpec, mine: Slots, closed: int) -> Pairs:
        """The pending windows of some slots whose end is not after ``closed`` (µs), by slot and end; they are no more.

        A row changes the windows that look at it: as many as there are steps in a window's reach.
        """
        slots, firsts = self._pairs[spec.code]
        if not len(slots):
            return _NO_PAIRS
        inside = np.zeros(self._ring.capacity, np.bool_)
        inside[mine] = True
        here = inside[slots]
        self._pairs[spec.code] = slots[~here], firsts[~here]
        slots, firsts = slots[here], firsts[here]
        steps = np.arange(spec.reach_us // spec.step_us) * spec.step_us
        if len(steps) > 1:
            slots, firsts = _unique(slots.repeat(len(steps)), (firsts[:, None] + steps).ravel())
        due = firsts <= closed
        return slots[due], firsts[due]

    def state(self, order: Slots) -> State:
        """What is pending, by the patients' new numbers."""
        ranks, found = np.argsort(order), {}
        for code, (slots, ends) in self._pairs.items():
            patients, since = _unique(ranks[np.searchsorted(order, slots, sorter=ranks)], ends)
            found[str(code)] = {"patient": patients, "end": since}
        return found

    def restore(self, state: State) -> None:
        """Take what is pending in a snapshot."""
        for code in self._pairs:
            pairs = state[str(code)]
            self._pairs[code] = pairs["patient"].astype(np.intp), pairs["end"]


def of_metrics(rings: dict[int, Ring]) -> dict[int, Pending]:
    """What is pending of each metric's windows, by its code."""
    return {
        code: Pending(ring, tuple(spec for spec in WINDOWS if spec.metric.code == code)) for code, ring in rings.items()
    }


def beyond_ring(spec: WindowSpec, ring: Ring, slots: Slots) -> Ints:
    """The newest end (µs) whose window looks at a pane before the ring of each slot; `LONG_AGO` for an empty ring."""
    head = ring.head[slots]
    return np.where(head > LONG_AGO, _beyond(spec, ring, head), LONG_AGO)


def _beyond(spec: WindowSpec, ring: Ring, head: _Number) -> _Number:
    return ((head - ring.size) * ring.pane_us + spec.reach_us - 1) // spec.step_us * spec.step_us


def passed_by(spec: WindowSpec, ring: Ring, slots: Slots, closed: int, last: int) -> tuple[Slots, Ints]:
    """The first and the last end that a clock passes now, from ``closed`` to ``last`` (µs), and nobody can compute any
    more: the ring has left it behind, or a jump of the clock was longer than a ring. Slots and (k, 2).
    """
    head = ring.head[slots]
    newest = int(head.max(initial=LONG_AGO))
    if max(_beyond(spec, ring, newest), last - ring.size * ring.pane_us) <= closed:
        return _NO_SPANS
    filled = (head * ring.pane_us + spec.width_us - 1) // spec.step_us * spec.step_us
    skipped = np.where(head > LONG_AGO, np.minimum(filled, last - ring.size * ring.pane_us), LONG_AGO)
    ends = np.minimum(np.maximum(beyond_ring(spec, ring, slots), skipped), last)
    some = np.flatnonzero(ends > closed)
    return slots[some], np.stack([np.full(len(some), closed + spec.step_us), ends[some]], axis=1)


def runs(spec: WindowSpec, slots: Slots, ends: Ints) -> tuple[Slots, Ints]:
    """Pairs by slot and end as runs without a hole: slots and (k, 2), first and last end of each."""
    if not len(slots):
        return slots, np.zeros((0, 2), np.int64)
    begins = (slots[1:] != slots[:-1]) | (ends[1:] != ends[:-1] + spec.step_us)
    first = np.append(0, np.flatnonzero(begins) + 1)
    last = np.append(first[1:], len(slots)) - 1
    return slots[first], np.stack([ends[first], ends[last]], axis=1)


def marks(spec: WindowSpec, slots: Slots, spans: Ints, series: Series) -> NDArray[np.void]:
    """Dirty marks of slots (n,) over ``spans`` (n, 2) of ends, as `WINDOW` rows; patient and version are left out."""
    rows = np.zeros(len(slots), DIRTY)
    rows["start"], rows["end"] = spans[:, 0], spans[:, 1]
    rows["interval"] = series.interval[slots]
    rows["below"], rows["above"] = series.below[slots], series.above[slots]
    rows["arrow"] = series.scheme[slots]
    rows["metric"], rows["window"], rows["flags"] = spec.metric.code, spec.code, IS_DIRTY
    return rows.view(WINDOW)


def _distinct(slots: Slots, ends: Ints) -> Pairs:
    """Pairs in order by slot and end, each once; of one or more."""
    some = np.concatenate([_FIRST, (slots[1:] != slots[:-1]) | (ends[1:] != ends[:-1])])
    return slots[some], ends[some]


def _unique(slots: Slots, ends: Ints) -> Pairs:
    """Pairs by slot and end, each once; ends are whole seconds."""
    if not len(slots):
        return slots, ends
    least = int(ends.min())
    pairs = (slots << _END_BITS) + (ends - least) // SECOND_US
    pairs.sort()
    pairs = pairs[np.flatnonzero(np.concatenate([_FIRST, pairs[1:] != pairs[:-1]]))]
    return pairs >> _END_BITS, (pairs & ((1 << _END_BITS) - 1)) * SECOND_US + least
