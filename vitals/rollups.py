"""Roll-ups: what a stretch of a series holds, so that a chart of weeks reads thousands of rows and not millions.

The sink keeps them for every minute and every five minutes of event time (`WIDTHS_S`); the dashboard rolls up
further. Every part of one is exact under any order and grouping: the extremes, the last value, a count, bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitals.readings import INVALID_SHIFT, Flag

WIDTHS_S = (60, 300)
"""Widths that are stored, in seconds."""

LATE, CENSORED_LOW, CENSORED_HIGH, INVALID, CLOCK_SUSPECT, WARM_UP = 1, 2, 4, 8, 16, 32
"""Bits of a roll-up: what kinds of readings are in it. *Invalid* ones are in no other part of it."""

NEVER_FIRST, NEVER_LAST = np.iinfo(np.int64).max, np.iinfo(np.int64).min
"""``first_at`` and ``last_at`` of a stretch that holds no valid reading."""

_MARKS = (
    (Flag.LATE | Flag.BACKFILL, LATE),
    (Flag.CENSORED_LOW, CENSORED_LOW),
    (Flag.CENSORED_HIGH, CENSORED_HIGH),
    (0xF << INVALID_SHIFT, INVALID),
    (Flag.CLOCK_SUSPECT, CLOCK_SUSPECT),
    (Flag.WARM_UP, WARM_UP),
)


class Rollups(NamedTuple):
    """Stretches of one or more series; all arrays have the shape (n,).

    Without a valid reading ``readings`` is 0, ``low`` is +inf, ``high`` and ``last`` are -inf and the times are
    `NEVER_FIRST` and `NEVER_LAST`: the neutral elements of how two are joined. Of two readings at one event time the
    greater value is the ``last``.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    last: NDArray[np.float64]
    first_at: NDArray[np.int64]
    last_at: NDArray[np.int64]
    readings: NDArray[np.int64]
    """How many valid ones."""
    marks: NDArray[np.int16]


def marks(flags: NDArray[np.uint16]) -> NDArray[np.int16]:
    """The bits of single readings with these row flags, same shape."""
    found = np.zeros(flags.shape, np.int16)
    for mask, bit in _MARKS:
        found |= np.where((flags & int(mask)) != 0, bit, 0).astype(np.int16)
    return found


def of_readings(e: NDArray[np.int64], value: NDArray[np.float64], flags: NDArray[np.uint16]) -> Rollups:
    """Each reading (event time µs, canonical value, row flags; shape (n,)) as a roll-up of its own."""
    bits = marks(flags)
    valid = (bits & INVALID) == 0
    return Rollups(
        np.where(valid, value, np.inf),
        np.where(valid, value, -np.inf),
        np.where(valid, value, -np.inf),
        np.where(valid, e, NEVER_FIRST),
        np.where(valid, e, NEVER_LAST),
        valid.astype(np.int64),
        bits,
    )


def join(parts: Rollups, *keys: NDArray[np.generic]) -> tuple[NDArray[np.intp], Rollups]:
    """One roll-up for each distinct key, ordered by ``keys`` (the first counts most; each of shape (n,)).

    Also where in ``parts`` one of each key stands, shape (m,).
    """
    if not len(parts.low):
        return np.zeros(0, np.intp), parts
    order = np.lexsort((parts.last, parts.last_at, *reversed(keys)))
    begins = np.zeros(len(order), np.bool_)
    begins[0] = True
    for key in keys:
        ordered = key[order]
        begins[1:] |= ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(order)) - 1
    joined = Rollups(
        np.minimum.reduceat(parts.low[order], starts),
        np.maximum.reduceat(parts.high[order], starts),
        parts.last[order][ends],
        np.minimum.reduceat(parts.first_at[order], starts),
        parts.last_at[order][ends],
        np.add.reduceat(parts.readings[order], starts),
        np.bitwise_or.reduceat(parts.marks[order], starts),
    )
    return order[starts], joined
