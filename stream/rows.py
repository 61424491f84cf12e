"""Rows of one metric on their way to the rules: part of a poll, those that wait for more, and what flags say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.series import NEVER, Bools, Ints, Slots
from stream.signal import OLD, words
from vitals.readings import READING, Flag, Rows, event_time, late, usable

CENSORED_LOW, CENSORED_HIGH = 1, 2
_LOW, _HIGH, _LATE = int(Flag.CENSORED_LOW), int(Flag.CENSORED_HIGH), np.uint16(Flag.LATE)
_ARTEFACT = int(Flag.ARTEFACT)
WAITING_MAX = 512
"""So many rows wait together at most: the tick that ends their waiting is not held up by more than a millisecond."""


class Part(NamedTuple):
    """Rows of one metric in log order, their slots, and which rows of the poll they are (-1: of an earlier poll), all
    shape (n,); record ``p`` of the poll begins at its row ``starts[p]``.
    """

    rows: Rows
    slots: Slots
    at: Slots
    starts: list[int]


NONE = Part(np.zeros(0, READING), np.zeros(0, np.intp), np.zeros(0, np.intp), [0])
"""No rows."""


class Waiting:
    """Rows of one metric that wait, in log order; ``since`` is the earliest arrival among them (µs), NEVER for none."""

    def __init__(self) -> None:
        self.since = NEVER
        self._parts: list[tuple[Rows, Slots]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, part: Part) -> None:
        """Let the rows of a part wait behind those that do; of one or more."""
        self._parts.append((part.rows.copy(), part.slots.copy()))  # a part of a poll would hold the whole of it
        self._count += len(part.rows)
        self.since = min(self.since, int(part.rows["received_at"].min()))

    def before(self, part: Part) -> Part:
        """What waits, then the rows of a part; nothing waits any more."""
        if not self._parts:
            return part
        rows, slots = zip(*self._parts, (part.rows, part.slots), strict=True)
        at = np.concatenate([np.full(self._count, -1), part.at])
        self._parts.clear()
        self._count, self.since = 0, NEVER
        return Part(np.concatenate(rows), np.concatenate(slots), at, part.starts)


class Marks(NamedTuple):
    """What the flags of rows say, all shape (n,): event time (µs), censoring (0, `CENSORED_LOW`, `CENSORED_HIGH`),
    usable, late, what rows that do not decide say about the signal, and whether the device doubts the value.
    """

    events: Ints
    censored: NDArray[np.int8]
    usable: Bools
    late: Bools
    words: NDArray[np.int8]
    doubted: Bools


def marked(rows: Rows) -> Marks:
    """What the flags of rows say."""
    flags = rows["flags"]
    none = np.zeros(len(rows), np.bool_)
    if not np.count_nonzero(flags & ~_LATE):  # so are nearly all, and to ask for each flag costs more than all the rest
        quiet = np.full(len(rows), OLD, np.int8)
        return Marks(rows["observed_at"].copy(), none.view(np.int8), ~none, flags != 0, quiet, none)
    censored = np.where(flags & _LOW, CENSORED_LOW, np.where(flags & _HIGH, CENSORED_HIGH, 0)).astype(np.int8)
    return Marks(event_time(rows), censored, usable(rows), late(rows), words(flags), (flags & _ARTEFACT) != 0)
