"""What the clocks of a step write of windows: *pages*, one for each tick row, until they are written all at once.

A window says what the ring held when the clock passed its end, so its panes are copied then. What they say is computed
later, those of several pages together: the number of arrays costs more than what is in them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from stream import windows
from stream.series import Patients, Ranks
from stream.windows import CELLS_MAX, Asked, Copied

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream.outbox import Outbox, Where
    from stream.part import Lane
    from stream.series import Ints, Slots

_FIRST = np.ones(1, np.bool_)


class Pages:
    """Pages in *blocks* in their order: results that are asked for, or marks that are there. A page has them by instant
    and patient, and by block.
    """

    def __init__(self, patients: Patients, lanes: dict[int, Lane], outbox: Outbox) -> None:
        self._patients, self._lanes, self._outbox = patients, lanes, outbox
        self._ranks = Ranks(patients)
        self._pages: list[Where] = []
        self._blocks: list[tuple[int, int]] = []
        """Page and instant (µs) of each."""
        self._asked: dict[int, list[tuple[int, Asked]]] = {}
        self._copies: dict[int, list[tuple[Ints, Copied]]] = {}
        """By metric code, with the block of each window."""
        self._cells = 0
        self._rows: list[tuple[Ints, Slots, NDArray[np.void]]] = []
        """Blocks, slots and rows."""

    def begin(self, where: Where) -> None:
        """A page begins; its instants are those of its blocks."""
        self._pages.append(where)

    def ask(self, asked: Asked, instant: int) -> None:
        """A block of windows, at an instant (µs)."""
        if len(asked.slots):
            self._asked.setdefault(asked.spec.metric.code, []).append((len(self._blocks), asked))
            self._blocks.append((len(self._pages) - 1, instant))

    def add(self, instant: int, slots: Slots, rows: NDArray[np.void]) -> None:
        """A block of rows (n,) of slots (n,), at an instant (µs)."""
        if len(rows):
            self._rows.append((np.full(len(rows), len(self._blocks)), slots, rows))
            self._blocks.append((len(self._pages) - 1, instant))

    def end(self) -> None:
        """The page is full: what its windows look at is copied before another row is taken."""
        for code, found in self._asked.items():
            asked = [each for _, each in found]
            blocks = np.repeat([number for number, _ in found], [len(each.slots) for each in asked])
            for copy in windows.copied(asked, self._lanes[code].ring):
                if self._cells + len(copy.cells) > CELLS_MAX:
                    self._compute()
                self._copies.setdefault(code, []).append((blocks[copy.which], copy))
                self._cells += len(copy.cells)
        self._asked.clear()

    def _compute(self) -> None:
        for code, found in self._copies.items():
            which, rows = windows.close([copy for _, copy in found], self._lanes[code].series)
            blocks = np.concatenate([numbers for numbers, _ in found])[which]
            slots = np.concatenate([copy.slots for _, copy in found])[which]
            if len(rows):
                self._rows.append((blocks, slots, rows))
        self._copies.clear()
        self._cells = 0

    def write(self) -> None:
        """Compute what is asked for and hand over all pages; before series change, and before the outbox is emptied."""
        self._compute()
        if self._rows:
            blocks = np.concatenate([numbers for numbers, _, _ in self._rows])
            slots = np.concatenate([owners for _, owners, _ in self._rows])
            self._hand_over(blocks, slots, windows.joined([rows for _, _, rows in self._rows]))
            self._rows.clear()
        self._pages.clear()
        self._blocks.clear()

    def _hand_over(self, blocks: Ints, slots: Slots, rows: NDArray[np.void]) -> None:
        """Rows in any order of blocks and slots, those of a slot and a block in theirs; all (n,)."""
        groups, patients = sorted(set(self._blocks)), len(self._patients.keys)
        number = {group: at for at, group in enumerate(groups)}
        places = np.array([number[group] for group in self._blocks])[blocks] * patients + self._ranks.of(slots)
        order = np.argsort(places * len(self._blocks) + blocks, kind="stable")
        rows = rows.take(order)  # an index copies field by field
        rows["patient"] = self._ranks.keys(slots[order])
        pages = np.array([page for page, _ in self._blocks])[blocks[order]]
        begins = np.flatnonzero(np.concatenate([_FIRST, pages[1:] != pages[:-1]])).tolist()
        for first, last in pairwise([*begins, len(rows)]):
            self._outbox.close(self._pages[int(pages[first])], rows[first:last])
