"""Strips: panes of several series laid one behind the other, and what they hold between any two places.

What all windows over a strip have in common is done once for each pane: running sums of whole numbers, of which the
difference at two places is the sum between them, exact; and the extremes of each stretch by doubling. So a window costs
the same however wide it is, and any number of windows of all widths cost as many calls of numpy as one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.series import Ints, Slots

Cells = NDArray[np.int32]
EMPTY_LEAST = np.iinfo(np.int32).max
"""No cell lies above."""


class Sums(NamedTuple):
    """Over the filled panes of each window: how many, Σx, Σx², Σt, Σt², Σtx, all (n,), exact; x in thousandths, t a
    pane's place in the strip.
    """

    n: Ints
    x: Ints
    xx: Ints
    t: Ints
    tt: Ints
    tx: Ints


class Spread(NamedTuple):
    """The first and the last filled pane of each window, and its widest step between two, in panes; all (n,).

    Of a window without a filled pane they say nothing.
    """

    first: Ints
    last: Ints
    widest: Ints


class Strip:
    """Panes as cells, shape (panes,): thousandths plus one, 0 where empty."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        filled = cells > 0
        self._filled = filled
        running = np.zeros((len(Sums._fields), len(cells) + 1), np.int64)
        n, x, xx, t, tt, tx = running[:, 1:]
        n[:] = filled
        np.subtract(cells, filled, out=x)
        np.multiply(x, x, out=xx)
        at = np.arange(len(cells))
        np.multiply(at, filled, out=t)
        np.multiply(at, t, out=tt)
        np.multiply(at, x, out=tx)
        for row in running:
            np.cumsum(row, out=row)
        self._running = running

    def counts(self, firsts: Slots, lasts: Slots) -> Ints:
        """The filled panes of windows; places as in `sums`."""
        running: Ints = self._running[0]
        return running[lasts] - running[firsts]

    def sums(self, firsts: Slots, lasts: Slots) -> Sums:
        """Of the windows from the places ``firsts`` on, up to and without ``lasts``; both (n,)."""
        return Sums(*(self._running.take(lasts, axis=1) - self._running.take(firsts, axis=1)))

    def extremes(self, widths: set[int]) -> dict[int, Cells]:
        """The greatest cell and minus the least filled one of the windows from each place on, both rows of a (2, k), by
        width in panes. Of windows without a filled pane they say nothing.
        """
        whole = self._running[0, -1] == len(self.cells)
        level = np.stack([self.cells, -(self.cells if whole else np.where(self._filled, self.cells, EMPTY_LEAST))])
        found, size = {}, 1
        for width in sorted(widths):
            while 2 * size <= width:
                level = np.maximum(level[:, :-size], level[:, size:])
                size *= 2
            found[width] = np.maximum(level[:, : level.shape[1] - width + size], level[:, width - size :])
        return found

    def spread(self, firsts: Slots, lasts: Slots) -> Spread:
        """How the filled panes of windows lie, each with at least one; places as in `sums`."""
        places = self._filled.nonzero()[0]
        begin, end = self._running[0, firsts], self._running[0, lasts] - 1
        first, last = places[begin] - firsts, places[end] - firsts
        widest = np.minimum(last - first, 1)
        torn = (end - begin < last - first).nonzero()[0]
        if torn.size:
            steps = np.diff(places, append=0)
            bounds = np.stack([begin[torn], end[torn]], axis=1).reshape(-1)
            widest[torn] = np.maximum.reduceat(steps, bounds)[::2]
        return Spread(first, last, widest)

    def windows(self, firsts: Slots, width: int) -> Cells:
        """The cells of windows of so many panes, a copy; shape (n, width)."""
        # a window that ended beyond the strip would be none of it
        found: Cells = np.lib.stride_tricks.sliding_window_view(self.cells, width)[firsts]
        return found
