"""Which rows of a part decide, and in which turn each of those that matter is looked at; functions of arrays."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from stream.series import Bools, Ints, Slots


def once(slots: Slots) -> bool:
    """Whether no slot repeats; of one or more."""
    return len(slots) == 1 or int(np.bincount(slots).max()) == 1


def those(mask: Bools) -> Slots | slice:
    """An index of the rows that a mask holds: where it is all of them, one that copies nothing."""
    return slice(None) if np.count_nonzero(mask) == len(mask) else mask.nonzero()[0]


def deciding(slots: Slots, events: Ints, good: Bools, stale: Bools, newest: Ints) -> Bools:
    """Whether each row decides: usable (``good``), not late (``stale``), and later than every earlier usable event
    time of its series, of which ``newest`` (by slot) holds the greatest before these rows. All µs, shape (n,).
    """
    fresh = good & ~stale & (events > newest[slots])
    if not np.count_nonzero(fresh) or once(slots):
        return fresh
    order = np.argsort(slots, kind="stable")
    series, times, count = slots[order], events[order], len(events) + 2
    same = series[1:] == series[:-1]
    if good.all() and (times[1:] > times[:-1])[same].all():
        return fresh
    # a running maximum per series: event times as ranks, each series above the one before
    base = np.concatenate([[0], np.cumsum(~same)]) * count
    rank = np.unique(times, return_inverse=True)[1] + 1
    top = np.maximum.accumulate(base + np.where(good[order], rank, 0))
    later = np.ones(len(events), np.bool_)
    later[order[1:]] = (base + rank)[1:] > top[:-1]
    return fresh & later


def turns(slots: Slots, matter: Bools) -> Ints:
    """For each row the number of earlier rows of its series that matter, shape (n,)."""
    order = np.argsort(slots, kind="stable")
    series, marks = slots[order], matter[order]
    before: Ints = np.cumsum(marks) - marks
    result = np.empty_like(before)
    result[order] = before - before[np.searchsorted(series, series)]
    return result


def rounds(slots: Slots, matter: Bools) -> Iterator[Slots]:
    """The rows that matter, by their turns: in each at most one of a series, in log order."""
    rows = matter.nonzero()[0]
    if once(slots[rows]):
        yield rows
        return
    turn = turns(slots, matter)[rows]
    by_turn = np.argsort(turn, kind="stable")
    bounds = np.searchsorted(turn[by_turn], np.arange(int(turn.max()) + 2)).tolist()
    for first, last in pairwise(bounds):
        yield rows[by_turn[first:last]]
