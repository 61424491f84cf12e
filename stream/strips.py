"""Strips: panes of several series laid one behind the other, and what they hold between any two places.

Windows begin and end at whole *blocks* of panes. What all windows over a strip have in common is done once: running
sums of whole numbers, of which the difference at two places is the sum between them, exact; and the extremes of each
stretch by doubling. So a window costs the same however wide it is, and any number of windows of all widths cost as many
calls of numpy as one. Places are blocks from the strip's beginning.
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
    pane's number in the strip.
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
    """Panes as cells, shape (blocks * block,): thousandths plus one, 0 where empty; ``block`` panes are one block."""

    def __init__(self, cells: Cells, block: int) -> None:
        self.cells = cells
        self._block = block
        self._filled = cells != 0
        self._whole = self._filled.all()
        blocks = len(cells) // block
        # whole numbers below 2^53, of a block: exact as floats too, which cost less
        filled = np.ones((1, block)) if self._whole else self._filled.reshape(blocks, block).astype(np.float64)
        values, begin, at = cells.reshape(blocks, block) - filled, np.arange(blocks) * block, np.arange(float(block))
        weights = np.stack([np.ones(block), at, at * at], axis=1)
        running = np.zeros((len(Sums._fields), blocks + 1), np.int64)
        n, x, xx, t, tt, tx = running[:, 1:]
        running[[0, 3, 4], 1:] = (filled @ weights).T
        running[[1, 5], 1:] = (values @ weights[:, :2]).T
        xx[:] = np.einsum("ij,ij->i", values, values)
        tt += (2 * t + n * begin) * begin
        t += n * begin
        tx += x * begin
        self._running = np.cumsum(running, axis=1)

    def counts(self, firsts: Slots, lasts: Slots) -> Ints:
        """The filled panes of the windows from the places ``firsts`` on, up to and without ``lasts``; all (n,)."""
        running: Ints = self._running[0]
        return running[lasts] - running[firsts]

    def sums(self, firsts: Slots, lasts: Slots) -> Sums:
        """What the windows hold; places as in `counts`."""
        return Sums(*(self._running.take(lasts, axis=1) - self._running.take(firsts, axis=1)))

    def extremes(self, widths: set[int]) -> dict[int, Cells]:
        """The greatest cell and minus the least filled one of the windows from each place on, both rows of a (2, k), by
        width in blocks. Of windows without a filled pane they say nothing.
        """
        least = self.cells if self._whole else np.where(self._filled, self.cells, EMPTY_LEAST)
        panes = np.stack([self.cells, -least])
        return _greatest(_greatest(panes, {self._block})[self._block][:, :: self._block], widths)

    def spread(self, firsts: Slots, lasts: Slots) -> Spread:
        """How the filled panes of windows lie, each with at least one; places as in `counts`."""
        if self._whole:
            panes = (lasts - firsts) * self._block
            return Spread(np.zeros_like(panes), panes - 1, np.minimum(panes - 1, 1))
        places, start = np.flatnonzero(self._filled), firsts * self._block
        begin, end = self._running[0, firsts], self._running[0, lasts] - 1
        first, last = places[begin] - start, places[end] - start
        widest = np.minimum(last - first, 1)
        torn = np.flatnonzero(end - begin < last - first)
        if torn.size:
            steps = np.diff(places, append=0)
            bounds = np.stack([begin[torn], end[torn]], axis=1).ravel()
            widest[torn] = np.maximum.reduceat(steps, bounds)[::2]
        return Spread(first, last, widest)

    def windows(self, firsts: Slots, panes: int) -> Cells:
        """The cells of windows of so many panes, a copy; shape (n, panes)."""
        found: Cells = np.lib.stride_tricks.sliding_window_view(self.cells, panes)[firsts * self._block]
        return found


def _greatest(table: Cells, widths: set[int]) -> dict[int, Cells]:
    """The greatest of so many cells from each on, of each row, by width."""
    found, size = {}, 1
    for width in sorted(widths):
        while 2 * size <= width:
            table = np.maximum(table[:, :-size], table[:, size:])
            size *= 2
        count = table.shape[1] + size - width
        found[width] = table if size == width else np.maximum(table[:, :count], table[:, -count:])
    return found
